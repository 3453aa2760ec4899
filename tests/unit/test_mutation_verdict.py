"""Mutation test of the verdict code: every small change to it must make some test of the verdict fail."""

import ast
import copy
import inspect
import itertools
import types

import pytest

from rebuilder.compare import verdict
from tests.unit import test_compare_verdict as suite

SWAPS = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Gt: ast.GtE, ast.Lt: ast.LtE, ast.And: ast.Or, ast.Or: ast.And,
}
#: Verdict names swapped for their most tempting neighbour.
VERDICTS = {
    "REPRODUCED": "DIFFERENT", "DIFFERENT": "REPRODUCED", "FLAKY": "REPRODUCED", "BUILD_FAILED": "REPRODUCED",
    "EQUIVALENT": "REPRODUCED",
}

def mutants(tree):
    """(description, tree) for each mutant."""
    nodes = list(ast.walk(tree))
    for index, node in enumerate(nodes):
        for description, change in changes(node):
            mutant = copy.deepcopy(tree)
            change(list(ast.walk(mutant))[index])
            yield f"line {getattr(node, 'lineno', 0)}: {description}", ast.fix_missing_locations(mutant)


def changes(node):
    if isinstance(node, ast.Compare):
        operator = type(node.ops[0])
        if operator in SWAPS:
            swap = SWAPS[operator]
            yield f"{operator.__name__} -> {swap.__name__}", lambda n: n.ops.__setitem__(0, swap())
    if isinstance(node, ast.BoolOp):
        yield "and <-> or", lambda n: setattr(n, "op", SWAPS[type(n.op)]())
        for position in range(len(node.values)):
            neutral = ast.Constant(isinstance(node.op, ast.And))
            yield f"drop operand {position}", lambda n, p=position, c=neutral: n.values.__setitem__(p, c)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "drop not", lambda n: setattr(n, "op", ast.UAdd()) or setattr(n, "operand", as_bool(n.operand))
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield f"{node.value} -> {node.value + 1}", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"{node.value} -> {not node.value}", lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.Attribute) and node.attr in VERDICTS and getattr(node.value, "id", "") == "Verdict":
        yield f"{node.attr} -> {VERDICTS[node.attr]}", lambda n: setattr(n, "attr", VERDICTS[n.attr])
    if isinstance(node, ast.If):
        yield "if -> always", lambda n: setattr(n, "test", ast.Constant(True))
        yield "if -> never", lambda n: setattr(n, "test", ast.Constant(False))
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"all", "any"}:
        other = {"all": "any", "any": "all"}[node.func.id]
        yield f"{node.func.id} -> {other}", lambda n: setattr(n.func, "id", other)
    if isinstance(node, ast.comprehension) and node.ifs:
        yield "drop filter", lambda n: n.ifs.clear()
    if isinstance(node, ast.Raise):
        yield "drop raise", lambda n: setattr(n, "exc", ast.parse("StopIteration('mutant')", mode="eval").body)


def as_bool(operand):
    return ast.Call(func=ast.Name(id="bool", ctx=ast.Load()), args=[operand], keywords=[])


def cases():
    """Every test of the verdict file with its parameters, as callables."""
    for name, function in inspect.getmembers(suite, inspect.isfunction):
        if not name.startswith("test_"):
            continue
        marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
        if not marks:
            yield function, {}
            continue
        names = [part.strip() for part in marks[0].args[0].split(",")]
        for values in marks[0].args[1]:
            given = values if len(names) > 1 else (values,)
            yield function, dict(zip(names, given, strict=True))


def killed(module, tests):
    suite.verdict = module
    try:
        for function, arguments in tests:
            function(**arguments)
    except BaseException as err:
        if isinstance(err, KeyboardInterrupt):
            raise
        return True
    finally:
        suite.verdict = verdict
    return False


def load(tree):
    module = types.ModuleType("rebuilder.compare.verdict_mutant")
    exec(compile(tree, "verdict_mutant", "exec"), module.__dict__)
    return module


def test_the_unchanged_module_passes():
    assert not killed(load(ast.parse(inspect.getsource(verdict))), list(cases()))


def test_no_mutant_of_the_verdict_survives():
    tests = list(cases())
    source = ast.parse(inspect.getsource(verdict))
    survivors, count = [], 0
    for description, mutant in itertools.islice(mutants(source), 2000):
        count += 1
        if not killed(load(mutant), tests):
            survivors.append(description)
    assert count > 60, "the mutator found too little to change: it is broken"
    if survivors:
        pytest.fail(f"{len(survivors)} of {count} mutants survive:\n" + "\n".join(survivors))
