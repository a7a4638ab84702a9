"""Signals that ask to end are noted, or end by an exception; those that were ignored stay ignored."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from probe.processes import ALONE, StoppedError, ending, noted
from probe.processes.signals import ASKING
from probe.shell.voice import Call, Shell


@pytest.fixture(autouse=True)
def _heeding() -> Iterator[None]:
    """The tests may be started where a signal is ignored, as by nohup, or by a shell behind it."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    before = {name: signal.signal(getattr(signal, name), handler) for name, handler in usual.items()}
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_noted_signal_is_found_where_it_is_looked_for(name: str, code: int) -> None:
    with noted() as signals:
        signals.check()
        os.kill(os.getpid(), getattr(signal, name))
        with pytest.raises(StoppedError) as stopped:
            signals.check()
    assert stopped.value.code == code
    assert isinstance(stopped.value, KeyboardInterrupt)


def test_a_second_interrupt_ends_at_once_and_a_second_of_another_kind_does_not() -> None:
    with noted() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert not signals.at_once
        with pytest.raises(StoppedError, match="interrupted twice"):
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.at_once


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_work_without_anything_to_save_ends_by_an_exception(name: str) -> None:
    with ending(), pytest.raises(StoppedError, match=f"ended by {name}"):
        os.kill(os.getpid(), getattr(signal, name))


class _Finalised:
    """Is ended while it is finalised, where an exception is lost."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_whose_exception_is_lost_ends_the_work_at_its_next_report() -> None:
    with ending() as asked:
        call = Call("fit", "probe fit", Shell(quiet=True), ALONE, asked)
        with call.progress() as report:
            report("fit", 1, 2)
            _Finalised()
            with pytest.raises(StoppedError, match="ended by SIGTERM"):
                report("fit", 2, 2)


def test_handlers_are_given_back_and_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        known = {name: signal.getsignal(getattr(signal, name)) for name in ASKING}
        with noted() as signals:
            os.kill(os.getpid(), signal.SIGHUP)  # as under nohup
            signals.check()
            with ending():
                os.kill(os.getpid(), signal.SIGHUP)
        assert {name: signal.getsignal(getattr(signal, name)) for name in ASKING} == known
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_changes_no_handler() -> None:
    known = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with noted() as signals, ending():
            seen.append(signal.getsignal(signal.SIGTERM))
            signals.check()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [known]
