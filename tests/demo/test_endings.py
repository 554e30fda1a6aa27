"""Signals end the demo in order."""

import os
import signal

import pytest

from fleeting.demo.endings import Ended, Endings


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_an_exception_with_the_exit_code_that_shells_expect(number):
    with Endings(), pytest.raises(Ended) as ended:
        os.kill(os.getpid(), number)
    assert ended.value.code == 128 + number


def interrupted(endings, done, *, nested):
    with endings.held():
        if nested:
            with endings.held():
                os.kill(os.getpid(), signal.SIGTERM)
        else:
            os.kill(os.getpid(), signal.SIGTERM)
        done.append("whole")
    done.append("never")


@pytest.mark.parametrize("nested", [False, True])
def test_a_held_signal_counts_once_the_outermost_block_is_done(nested):
    done = []
    with Endings() as endings, pytest.raises(Ended):
        interrupted(endings, done, nested=nested)
    assert done == ["whole"]


def test_afterwards_signals_mean_what_they_meant_before():
    before = signal.getsignal(signal.SIGTERM)
    with Endings():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
