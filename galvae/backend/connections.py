"""Connections of several processes to the first of them, over which they exchange small values as lines of JSON."""

import contextlib
import json
import os
import queue
import socket
import threading
import time

from galvae.errors import CannotBeDone, GalvaeError

PATIENCE = 300  # seconds in which all processes must have started
TRIES = 8  # ports, of which other programs may have some
HELLO = 10  # seconds for the first line of a connection
LONGEST_HELLO = 2000  # bytes of it, and of what answers it
LONGEST = 20_000_000  # bytes of every later line
HERE = {"here": True}  # by which a process that was let in says that it is still there
# A machine that is switched off is noticed after 40 s.
ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 40_000}


class First:
    """The connections of the first process with all others.

    Args:
        place: Place.

    Raises:
        CannotBeDone: if no port is free, or the others do not come within PATIENCE.
    """

    def __init__(self, place):
        self.place = place
        self.values = {rank: queue.SimpleQueue() for rank in range(1, place.count)}
        self.streams = {}
        self._admission = threading.Lock()
        with _listening(place) as server:
            self._welcome(server)

    def start(self, ended):
        """Starts to receive what the other processes send.

        Args:
            ended: function of (rank, status, message) that a thread calls when another process ends: with what it said
                by `tell_end`, or None twice if it said nothing.
        """
        for rank, stream in self.streams.items():
            threading.Thread(target=self._receive, args=(rank, stream, ended), daemon=True).start()

    def gather(self, what, value):
        """The values of all processes, which they give at the same place of their programs.

        Args:
            what: name of the value; the same on all.
            value: JSON-able.

        Returns:
            list, by rank.
        """
        values = [value]
        for rank, received in self.values.items():
            message = received.get()
            if isinstance(message, Exception):
                raise message
            if message["what"] != what:
                raise RuntimeError(f"process {rank} is at {message['what']!r}, the first one at {what!r}")
            values.append(message["value"])
        for stream in self.streams.values():
            _send(stream, {"values": values})
        return values

    def interrupt(self, error):
        """Has `gather` raise an error, now or when it is called."""
        for received in self.values.values():
            received.put(error)

    def tell_end(self, status, message=None):
        """Tells the other processes to end."""
        for stream in self.streams.values():
            _send(stream, {"end": [status, message]})

    def close(self):
        """Ends all connections."""
        for stream in self.streams.values():
            stream.end()

    def _welcome(self, server):
        until = time.monotonic() + PATIENCE
        while len(self.streams) < self.place.count - 1:
            if time.monotonic() > until:
                self.tell_end(CannotBeDone.exit_status)
                raise CannotBeDone(
                    f"processes: expected {self.place.count} to start within {PATIENCE} s, received "
                    f"{len(self.streams) + 1}"
                )
            with contextlib.suppress(OSError):  # nobody yet, or somebody who was cut off
                connection, _ = server.accept()
                # In a thread, since somebody else who says nothing must not keep the others waiting.
                threading.Thread(target=self._admit, args=(_Stream(connection),), daemon=True).start()

    def _admit(self, stream):
        stream.connection.settimeout(HELLO)
        hello = stream.read(LONGEST_HELLO)
        if hello is None or hello.get("job") != self.place.job:
            stream.close()  # another program, or another job
            return
        with self._admission:
            refused = self._refusal(hello.get("rank"), hello.get("count"))
            _send(stream, {"refused": refused})
            # Who has not waited for this answer is not there any more, and comes again.
            if refused is not None or stream.read(LONGEST_HELLO) != HERE:
                stream.close()
                return
            stream.connection.settimeout(None)
            self.streams[hello["rank"]] = stream

    def _refusal(self, rank, count):
        if count != self.place.count or not isinstance(rank, int) or rank not in self.values:
            return f"process {rank} of {count}: expected one of {self.place.count}, as the first one has it"
        return f"process {rank}: expected once, received twice" if rank in self.streams else None

    def _receive(self, rank, stream, ended):
        with contextlib.closing(stream):
            for message in stream:
                if "end" in message:
                    ended(rank, *message["end"])
                    return
                self.values[rank].put(message)
        ended(rank, None, None)


class Other:
    """The connection of any other process with the first one; arguments and methods as in First."""

    def __init__(self, place):
        self.values = queue.SimpleQueue()
        self.stream = _reach(place)

    def start(self, ended):
        threading.Thread(target=self._receive, args=(ended,), daemon=True).start()

    def gather(self, what, value):
        _send(self.stream, {"what": what, "value": value})
        return self.values.get()

    def interrupt(self, values):
        """Has `gather` return, without an answer of the first process."""
        self.values.put(values)

    def tell_end(self, status, message=None):
        _send(self.stream, {"end": [status, message]})

    def close(self):
        """Ends the connection."""
        self.stream.end()

    def _receive(self, ended):
        with contextlib.closing(self.stream):
            for message in self.stream:
                if "end" in message:
                    ended(0, *message["end"])
                    return
                self.values.put(message["values"])
        ended(0, None, None)


class _Stream:
    """Lines of JSON over a connection; ends where it is closed or broken."""

    def __init__(self, connection):
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in ALIVE.items():
            if hasattr(socket, name):  # on Linux
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.file = connection.makefile("rb")

    def read(self, longest=LONGEST):
        """The next message, a dict; None at the end, or if it is none or longer."""
        with contextlib.suppress(OSError, ValueError, RecursionError):
            message = json.loads(self.file.readline(longest))
            return message if isinstance(message, dict) else None
        return None

    def __iter__(self):
        return iter(self.read, None)

    def end(self):
        """Ends the connection while another thread reads from it."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.end()
        self.file.close()
        self.connection.close()


def _send(stream, message):
    """Sends a message; that its receiver has ended is for the thread which reads from it to say."""
    with contextlib.suppress(OSError):
        stream.connection.sendall(json.dumps(message).encode() + b"\n")


def _listening(place):
    for port in range(place.port, place.port + TRIES):
        with contextlib.suppress(OSError):
            both = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if both else socket.AF_INET
            server = socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=place.count)
            server.settimeout(0.1)
            return server
    raise CannotBeDone(
        f"processes: expected a free port from {place.port} to {place.port + TRIES - 1} on {os.uname().nodename}, "
        "received none"
    )


def _reach(place):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for port in range(place.port, place.port + TRIES):
            with contextlib.suppress(OSError):
                stream = _Stream(socket.create_connection((place.host, port), timeout=HELLO))
                _send(stream, {"rank": place.rank, "count": place.count, "job": place.job})
                answer = stream.read(LONGEST_HELLO)
                if answer == {"refused": None}:
                    _send(stream, HERE)
                    stream.connection.settimeout(None)
                    return stream
                stream.close()
                if answer is not None and "refused" in answer:
                    raise GalvaeError(str(answer["refused"]))
        time.sleep(0.2)
    raise CannotBeDone(
        f"process {place.rank} of {place.count}: expected an answer of the first one on {place.host}, port "
        f"{place.port}, received none in {PATIENCE} s"
    )
