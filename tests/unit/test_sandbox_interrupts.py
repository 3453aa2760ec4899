"""Ctrl-C waits for the step that must not be cut in two, and is never lost."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from rebuilder.sandbox.interrupts import undisturbed


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_interruption_comes_after_the_step() -> None:
    done: list[str] = []

    def step() -> None:
        interrupt()
        interrupt()
        done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        undisturbed(step)
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_failure_passes_and_gives_way_to_an_interruption() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    def fail_interrupted() -> None:
        interrupt()
        fail()

    with pytest.raises(ZeroDivisionError):
        undisturbed(fail)
    with pytest.raises(KeyboardInterrupt) as raised:
        undisturbed(fail_interrupted)
    assert isinstance(raised.value.__context__, ZeroDivisionError)


def test_other_threads_run_it_as_it_is() -> None:
    done: list[str] = []
    worker = threading.Thread(target=undisturbed, args=(lambda: done.append("whole"),))
    worker.start()
    worker.join()
    assert done == ["whole"]
