"""A small mutator: every little change to rules that decide must make some test of them fail.

Mutants are made of the syntax tree and run in this process against the tests of a suite, of which each is called
as it stands. A mutant that no test can tell from the original is listed by its reason, or it is a hole in the suite.
"""

import ast
import copy
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

SWAPS = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.And: ast.Or, ast.Or: ast.And,
    ast.Sub: ast.Add, ast.Add: ast.Sub, ast.BitOr: ast.BitAnd,
}
#: Names of enum members swapped for their most tempting neighbour, by the enum's name.
NEIGHBOURS = {
    "Verdict": {
        "REPRODUCED": "DIFFERENT", "DIFFERENT": "REPRODUCED", "FLAKY": "REPRODUCED", "BUILD_FAILED": "REPRODUCED",
        "EQUIVALENT": "REPRODUCED", "REFUSED": "REPRODUCED", "UNAVAILABLE": "REPRODUCED",
    },
    "Origin": {"DECLARED": "PINNED", "RECOVERED": "ASSUMED", "INFERRED": "ASSUMED"},
    "EndorsementResult": {"INVALID": "MISSING"},
}

Change = tuple[str, Callable[[ast.AST], object]]
Test = tuple[Callable[..., object], Mapping[str, object]]


@dataclass(frozen=True)
class Target:
    """A module under change. ``suites`` are the test modules; whatever they hold of ``original`` is put in place of."""

    original: types.ModuleType
    suites: tuple[types.ModuleType, ...]
    #: Modules whose names from ``original`` have to follow it, because the tests reach it through them.
    through: tuple[types.ModuleType, ...] = ()
    #: Only these functions and constants are changed; all if empty.
    only: frozenset[str] = frozenset()
    #: Description of a mutant without its line -> why nothing can tell it from the original.
    equal: Mapping[str, str] = field(default_factory=dict)


def mutants(tree: ast.Module, only: frozenset[str] = frozenset()) -> Iterator[tuple[str, ast.Module]]:
    """(description, tree) for each mutant."""
    parts = [part for part in tree.body if not only or _names(part) & only]
    for part in parts:
        for position, node in enumerate(_walk(part)):
            for description, change in changes(node):
                index = tree.body.index(part)
                mutant = ast.Module(body=list(tree.body), type_ignores=[])
                mutant.body[index] = copy.deepcopy(part)
                change(list(_walk(mutant.body[index]))[position])
                line = ast.unparse(_line(tree, node)).split("\n")[0]
                yield f"{description} in: {line}", ast.fix_missing_locations(mutant)


def _walk(part: ast.AST) -> Iterator[ast.AST]:
    """Every node that says what is done; not those that say of which type it is, nor decorators."""
    if isinstance(part, ast.Subscript) and getattr(part.value, "id", "") in {"Callable", "Literal"}:
        return
    yield part
    for name, value in ast.iter_fields(part):
        if name not in {"annotation", "returns", "decorator_list"}:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _walk(child)


def _names(part: ast.stmt) -> set[str]:
    if isinstance(part, ast.Assign):
        return {target.id for target in part.targets if isinstance(target, ast.Name)}
    return {getattr(part, "name", "")}


def _line(tree: ast.Module, node: ast.AST) -> ast.stmt:
    """The innermost statement that holds ``node``."""
    found = tree.body[0]
    for statement in ast.walk(tree):
        if isinstance(statement, ast.stmt) and any(node is inner for inner in ast.walk(statement)):
            found = statement
    return found


def changes(node: ast.AST) -> Iterator[Change]:
    """What can be changed at one node, in words, and how."""
    yield from _operators(node)
    yield from _constants(node)
    yield from _branches(node)


def _operators(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        operator = type(node.ops[0])
        if operator in SWAPS:
            swap = SWAPS[operator]
            yield f"{operator.__name__} -> {swap.__name__}", lambda n: n.ops.__setitem__(0, swap())
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in SWAPS:
        other = SWAPS[type(node.op)]
        yield f"{type(node.op).__name__} -> {other.__name__}", lambda n: setattr(n, "op", other())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.BitOr):
        yield "drop right side", lambda n: setattr(n, "right", _empty(n))
    if isinstance(node, ast.BoolOp):
        yield "and <-> or", lambda n: setattr(n, "op", SWAPS[type(n.op)]())
        for position in range(len(node.values)):
            neutral = ast.Constant(isinstance(node.op, ast.And))
            yield f"drop operand {position}", lambda n, p=position, c=neutral: n.values.__setitem__(p, c)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "drop not", lambda n: setattr(n, "op", ast.UAdd()) or setattr(n, "operand", _as_bool(n.operand))


def _constants(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield f"{node.value} -> {node.value + 1}", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"{node.value} -> {not node.value}", lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.Attribute):
        neighbour = NEIGHBOURS.get(getattr(node.value, "id", ""), {}).get(node.attr)
        if neighbour:
            yield f"{node.attr} -> {neighbour}", lambda n: setattr(n, "attr", neighbour)
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        for position in range(len(node.elts)):
            yield f"drop element {position}", lambda n, p=position: n.elts.pop(p)


def _branches(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.If | ast.IfExp):
        yield "if -> always", lambda n: setattr(n, "test", ast.Constant(True))
        yield "if -> never", lambda n: setattr(n, "test", ast.Constant(False))
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"all", "any", "min", "max"}:
        other = {"all": "any", "any": "all", "min": "max", "max": "min"}[node.func.id]
        yield f"{node.func.id} -> {other}", lambda n: setattr(n.func, "id", other)
    if isinstance(node, ast.comprehension) and node.ifs:
        yield "drop filter", lambda n: n.ifs.clear()
    if isinstance(node, ast.Raise):
        yield "drop raise", lambda n: setattr(n, "exc", ast.parse("StopIteration('mutant')", mode="eval").body)
    if isinstance(node, ast.Break | ast.Continue):
        yield "drop jump", lambda n: setattr(n, "__class__", ast.Pass)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "drop call", lambda n: setattr(n, "value", ast.Constant(None))


def _as_bool(operand: ast.expr) -> ast.Call:
    return ast.Call(func=ast.Name(id="bool", ctx=ast.Load()), args=[operand], keywords=[])


def _empty(node: ast.BinOp) -> ast.expr:
    """What changes nothing when it is taken away or added: of a number, or of a set."""
    numbers = isinstance(node.right, ast.Constant) or isinstance(node.left, ast.Constant)
    return ast.Constant(0) if numbers else ast.parse("frozenset()", mode="eval").body


def cases(suite: types.ModuleType) -> Iterator[Test]:
    """Every test of a module with its parameters, as callables; those that need fixtures or hypothesis are left out."""
    for name, function in inspect.getmembers(suite, inspect.isfunction):
        if not name.startswith("test_") or hasattr(function, "hypothesis"):
            continue
        rows: list[dict[str, object]] = [{}]
        for mark in [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]:
            given_names = mark.args[0].split(",") if isinstance(mark.args[0], str) else mark.args[0]
            names = [name.strip() for name in given_names]
            given = [dict(zip(names, one if len(names) > 1 else (one,), strict=True)) for one in mark.args[1]]
            rows = [row | one for row in rows for one in given]
        wanted = set(inspect.signature(function).parameters)
        yield from ((function, row) for row in rows if set(row) == wanted)


def load(tree: ast.Module, original: types.ModuleType) -> types.ModuleType:
    """The changed module; its classes stay those of the original, which other modules know."""
    module = types.ModuleType(original.__name__)
    module.__dict__["__file__"] = original.__file__
    exec(compile(tree, original.__name__, "exec"), module.__dict__)
    return module


def survivors(target: Target) -> tuple[list[str], int]:
    """Mutants that no test tells from the original and nobody has explained, and how many mutants there were."""
    tests = [case for suite in target.suites for case in cases(suite)]
    source = ast.parse(inspect.getsource(target.original))
    alive, count = [], 0
    for description, mutant in mutants(source, target.only):
        count += 1
        if description not in target.equal and not killed(mutant, target, tests):
            alive.append(description)
    return alive, count


def killed(mutant: ast.Module, target: Target, tests: list[Test]) -> bool:
    """Whether a test fails with the mutant in place. A test that killed one is asked first about the next."""
    restored: list[tuple[types.ModuleType, str, object]] = []
    try:
        changed = load(mutant, target.original)
        for module in (*target.suites, *target.through):
            restored += _replace(module, target.original, changed)
        for position, (function, arguments) in enumerate(tests):
            try:
                function(**arguments)
            except (Exception, pytest.fail.Exception):
                tests.insert(0, tests.pop(position))
                return True
    except Exception:
        # It does not even load.
        return True
    finally:
        for module, name, value in restored:
            setattr(module, name, value)
    return False


def _replace(
    module: types.ModuleType, original: types.ModuleType, changed: types.ModuleType
) -> list[tuple[types.ModuleType, str, object]]:
    """Put the changed module, and its functions, wherever ``module`` names those of the original."""
    done = []
    for name, value in list(vars(module).items()):
        function = isinstance(value, types.FunctionType) and value.__module__ == original.__name__
        if value is original or (function and getattr(original, value.__name__, None) is value):
            done.append((module, name, value))
            setattr(module, name, changed if value is original else getattr(changed, value.__name__))
    return done
