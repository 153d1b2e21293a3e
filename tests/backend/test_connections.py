"""Values between processes, here threads of this one, and the news that one has ended."""

import contextlib
import queue
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from builders.processes import free_port

from galvae.backend import connections, processes
from galvae.backend.connections import First, Other
from galvae.backend.place import BY_HAND, Place
from galvae.errors import GalvaeError


class News:
    """What a process is told of the end of others."""

    def __init__(self):
        self.items, self.come = [], threading.Event()

    def __call__(self, *news):
        self.items.append(news)
        self.come.set()


def begun(kind, place, news):
    """A First or Other that receives."""
    made = kind(place)
    made.start(news)
    return made


@contextlib.contextmanager
def connected(count, port=None, job="a job"):
    """The connections and the News of `count` processes, by rank."""
    port = port or free_port()
    news = [News() for _ in range(count)]
    with ThreadPoolExecutor(count) as threads:
        made = [
            threads.submit(
                begun, Other if rank else First, Place(rank, count, "localhost", port, job), news[rank]
            )
            for rank in range(count)
        ]
    processes = [future.result() for future in made]
    yield processes, news
    for process in processes:
        process.close()
    assert all(received.come.wait(10) for received in news)  # the threads have ended


def reached(port):
    """A socket of somebody else, as soon as a process listens there."""
    while True:
        try:
            return socket.create_connection(("localhost", port), timeout=10)
        except ConnectionRefusedError:
            time.sleep(0.01)


def gather(processes, what, values):
    """What each process receives."""
    with ThreadPoolExecutor(len(processes)) as threads:
        return list(
            threads.map(lambda pair: pair[0].gather(what, pair[1]), zip(processes, values, strict=True))
        )


def test_all_processes_receive_the_values_of_all():
    with connected(4) as (processes, _):
        for values in ([0, 1, 2, 3], ["a", None, {"b": [1.5]}, float("inf")]):
            assert gather(processes, "x", values) == [values] * 4


def test_processes_at_different_places_are_a_defect():
    with connected(2) as (processes, _):
        processes[1].stream.connection.sendall(b'{"what": "y", "value": 1}\n')
        with pytest.raises(RuntimeError, match="process 1 is at 'y', the first one at 'x'"):
            processes[0].gather("x", 0)


def test_the_end_of_a_process_is_known_at_once_with_what_it_says():
    with connected(4) as (processes, news):
        processes[1].tell_end(2, "a wrong key")
        processes[2].close()
        assert news[0].come.wait(10) and news[2].come.wait(10)
        while len(news[0].items) < 2:
            time.sleep(0.01)
        assert sorted(news[0].items) == [(1, 2, "a wrong key"), (2, None, None)]
        assert news[2].items == [(0, None, None)]
        processes[0].tell_end(75)
        assert news[3].come.wait(10)
        assert news[3].items == [(0, 75, None)]
        processes[0].interrupt(GalvaeError("ended"))
        with pytest.raises(GalvaeError, match="ended"):
            processes[0].gather("x", 0)


def test_strangers_are_not_let_in_and_another_job_has_another_port(monkeypatch):
    port, news = free_port(), [News(), News()]
    with ThreadPoolExecutor(1) as thread, contextlib.ExitStack() as silent:
        first = thread.submit(begun, First, Place(0, 2, "localhost", port, "a job"), news[0])
        silent.enter_context(reached(port))  # and keeps nobody waiting
        for line in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"[" * 1000 + b"\n",
            b"x" * connections.LONGEST_HELLO,
            b'{"job": "another", "rank": 1, "count": 2}\n',
        ):
            with reached(port) as stranger:
                stranger.sendall(line)
                assert stranger.recv(1) == b""  # closed
        monkeypatch.setattr(connections, "HELLO", 0.5)
        with socket.create_server(("localhost", 0)) as server:
            taken = server.getsockname()[1]
            with connected(2, taken, "next job") as (others, _):
                assert taken < others[1].stream.connection.getpeername()[1] < taken + connections.TRIES
        other = begun(Other, Place(1, 2, "localhost", port, "a job"), news[1])
        first.result().close()
    assert news[1].come.wait(10)
    other.close()


@pytest.mark.parametrize(
    ("rank", "count", "message"),
    [
        (2, 3, "process 2 of 3: expected one of 2, as the first one has it"),
        (0, 2, "process 0 of 2: expected one of 2"),
    ],
)
def test_a_process_that_is_none_of_the_others_is_refused(rank, count, message):
    port, news = free_port(), News()
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(begun, First, Place(0, 2, "localhost", port, "a job"), News())
        with pytest.raises(GalvaeError, match=message):
            Other(Place(rank, count, "localhost", port, "a job"))
        begun(Other, Place(1, 2, "localhost", port, "a job"), news).close()
        first.result().close()
    assert news.come.wait(10)


def test_a_process_that_has_not_waited_for_an_answer_may_come_again(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 20)
    port, news = free_port(), News()
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(begun, First, Place(0, 3, "localhost", port, "a job"), News())
        with reached(port) as impatient:
            impatient.sendall(b'{"job": "a job", "rank": 1, "count": 3}\n')
        places = [Place(rank, 3, "localhost", port, "a job") for rank in (1, 2)]
        others = [begun(Other, place, news) for place in places]
        with pytest.raises(RuntimeError, match="process 1 is at 'y'"):
            others[0].stream.connection.sendall(b'{"what": "y", "value": 1}\n')
            first.result().gather("x", 0)
        first.result().close()
    assert news.come.wait(10)


def test_waiting_for_a_process_that_does_not_come_ends(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.5)
    place = Place(0, 2, "localhost", free_port(), "a job")
    with pytest.raises(GalvaeError, match=r"expected 2 to start within 0.5 s, received 1"):
        First(place)
    with pytest.raises(
        GalvaeError, match=f"expected an answer of the first one on localhost, port {place.port}"
    ):
        Other(Place(1, 2, "localhost", place.port, "a job"))


def test_a_process_that_ends_while_all_meet_ends_the_others(monkeypatch):
    left = queue.SimpleQueue()  # in place of the end of this process, for which the test waits
    monkeypatch.setattr(processes, "GRACE", 0)
    monkeypatch.setattr(processes, "_leave", left.put)
    address = f"localhost:{free_port()}"
    for name, value in zip(BY_HAND, (address, "2", "0"), strict=True):
        monkeypatch.setenv(name, value)
    with ThreadPoolExecutor(1) as thread:
        place = processes.place()
        other = thread.submit(Other, Place(1, 2, place.host, place.port, place.job))
        group = processes.Group()
        monkeypatch.setitem(processes._state, "group", group)
        other.result().stream.close()
        with pytest.raises(processes.ProcessEnded, match="^process 1 ended without a message"):
            group.meet()
    assert left.get(timeout=10) == processes.AGAIN


@pytest.mark.parametrize("other", [{"a": 1, "b": 3}, {"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_values_and_names_that_differ_are_refused(monkeypatch, other):
    monkeypatch.setitem(processes._state, "group", SimpleNamespace(hosts=["x", "y"], alone=False))
    monkeypatch.setattr(processes, "gather", lambda what, value: [value, other])
    message = r"^[bc]: expected the same .* on process 0 \(x\) and .* on process 1 \(y\)"
    with pytest.raises(GalvaeError, match=message):
        processes.check_equal({"a": 1, "b": 2})
