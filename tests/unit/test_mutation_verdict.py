"""Mutation test of the rules that decide: every small change to them must make some test of theirs fail."""

import ast
import inspect

import pytest

from rebuilder import veto
from rebuilder.attest import facts, statements
from rebuilder.compare import bytewise, verdict
from tests import attest_cases
from tests.unit import mutation
from tests.unit import test_attest_statements as statement_suite
from tests.unit import test_compare_members as bytewise_suite
from tests.unit import test_compare_verdict as verdict_suite

UNREACHABLE = "no such verdict exists: it is for the type checker"
TARGETS = {
    "verdict": mutation.Target(original=verdict, suites=(verdict_suite,)),
    "bytewise": mutation.Target(
        original=bytewise,
        suites=(bytewise_suite,),
        equal={"1024 -> 1025 in: CHUNK = 1024 * 1024": "how much is read at once changes no result"},
    ),
    "veto": mutation.Target(original=veto, suites=(statement_suite,), through=(statements,)),
    "facts": mutation.Target(
        original=facts, suites=(statement_suite,), only=frozenset({"recovered"}), through=(statements,)
    ),
    "statements": mutation.Target(
        original=statements,
        suites=(statement_suite,),
        through=(attest_cases,),
        equal={"drop call in: assert_never(compared.verdict)": UNREACHABLE},
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_unchanged_module_passes(name):
    target = TARGETS[name]
    tests = [case for suite in target.suites for case in mutation.cases(suite)]
    assert not mutation.killed(ast.parse(inspect.getsource(target.original)), target, tests)


@pytest.mark.parametrize("name", TARGETS)
def test_no_mutant_survives(name):
    alive, count = mutation.survivors(TARGETS[name])
    assert count > {"facts": 3}.get(name, 10), "the mutator found too little to change: it is broken"
    if alive:
        pytest.fail(f"{len(alive)} of {count} mutants survive:\n" + "\n".join(alive))
