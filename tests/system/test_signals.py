import os
import signal

import pytest

from galvae.system import signals

STATUS = {signal.SIGTERM: 75, signal.SIGUSR1: 75, signal.SIGUSR2: 75, signal.SIGHUP: 75, signal.SIGINT: 130}


@pytest.fixture(autouse=True)
def as_they_were():
    """Checks that every handler is as it was, and has SIGHUP not ignored, as this process may have inherited it."""
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    before = {signum: signal.getsignal(signum) for signum in STATUS}
    yield
    after = {signum: signal.getsignal(signum) for signum in STATUS}
    for signum, handler in {**before, signal.SIGHUP: inherited}.items():
        signal.signal(signum, handler)
    assert after == before


def send(signum):
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize("signum", STATUS)
def test_a_signal_stops_at_once_with_its_status(signum):
    before = signal.getsignal(signum)
    with pytest.raises(signals.Stopped, match="^stopped by (SIG|Ctrl-C)") as stopped, signals.caught():
        send(signum)
    assert stopped.value.exit_status == STATUS[signum]
    assert signal.getsignal(signum) is before


@pytest.mark.parametrize("signum", STATUS)
def test_a_signal_waits_where_it_is_deferred(signum):
    done = []
    with pytest.raises(signals.Stopped), signals.caught(), signals.deferred():
        assert not signals.received()
        for _ in range(1 if signum == signal.SIGINT else 100):
            send(signum)
        done.append("a step")
        assert signals.received()
        done.append("written")
        signals.answer()
        done.append("never")
    assert done == ["a step", "written"]


def test_what_nobody_answered_is_answered_at_the_end():
    done = []
    with pytest.raises(signals.Stopped), signals.caught():
        with signals.deferred():
            send(signal.SIGUSR1)
            done.append("the whole block")
        done.append("never")
    assert done == ["the whole block"]


def test_a_second_ctrl_c_is_the_kernels():
    with pytest.raises(signals.Stopped), signals.caught(), signals.deferred():
        send(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def test_the_handler_before_ours_is_asked_once_all_is_written():
    events = []

    def requeue(signum, frame):
        events.append(("requeued", signum))

    before = signal.signal(signal.SIGUSR2, requeue)
    try:
        with signals.caught(), signals.deferred():
            send(signal.SIGUSR2)
            events.append("written")
            signals.answer()
            events.append("continues, as the handler returned")
            assert not signals.received()
        assert signal.getsignal(signal.SIGUSR2) is requeue
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert events == ["written", ("requeued", signal.SIGUSR2), "continues, as the handler returned"]


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.caught():
            send(signal.SIGHUP)
            assert not signals.received()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_forked_process_dies_as_if_nothing_were_caught():
    with signals.caught(), signals.deferred():
        child = os.fork()
        if child == 0:
            send(signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
        assert not signals.received()


def test_one_inside_the_other_changes_nothing():
    with pytest.raises(signals.Stopped), signals.caught():
        handler = signal.getsignal(signal.SIGTERM)
        with signals.caught():
            assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGTERM) is handler
        send(signal.SIGTERM)
