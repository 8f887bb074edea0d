"""What do the clients of a proxy notice while it is reloaded?

Run in a process of its own by reloads.py, which gives it the times of the phases. Every request is entered in a ledger; the
ledger is its standard output, as JSON.
"""

import argparse
import asyncio
import base64
import gc
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field

from origin import accept_key
from peers import BODY

PHASES = ("quiet", "reloading", "settling")
# Connections that carry one request after another, and clients that open a connection for each request.
KEPT, FRESH = 16, 4
UPGRADED, DOWNLOADS = 2, 2
# One request in this many is for an answer that takes a while; it counts, but not among the times.
WAITING = 10
# Seconds after which no answer, or nothing on a stream, is a failure.
PATIENCE = 5.0
PING = 0.2
# What is due less than this many seconds after a reload may have to do with it.
SOON = 0.25


class Lost(Exception):
    """A request that was not answered as it should have been, or a stream that was cut; says why."""


@dataclass
class Entry:
    """What became of one kind of request in one phase."""

    asked: int = 0
    # How many, by cause.
    failed: Counter = field(default_factory=Counter)
    # Seconds until the whole answer was there: of all; while reloading also apart, due soon after a reload or later.
    times: list = field(default_factory=list)
    soon: list = field(default_factory=list)
    between: list = field(default_factory=list)
    # Connections the proxy closed between two requests, as it may; the client saw it in time and opened another.
    reopened: int = 0

    def summary(self):
        """Counts, and the times' percentiles in milliseconds."""
        said = {"asked": self.asked, "failed": dict(self.failed), "reopened": self.reopened}
        if self.times:
            said.update({name: _rank(self.times, rank) for name, rank in {"p50": 0.5, "p99": 0.99, "most": 1.0}.items()})
        if self.soon:
            said["p99_soon"] = _rank(self.soon, 0.99)
        if self.between:
            said["p99_between"] = _rank(self.between, 0.99)
        return said


def _rank(times, rank):
    """The time, in milliseconds, that this share of the answers did not exceed."""
    return sorted(times)[min(len(times) - 1, int(len(times) * rank))] * 1e3


class Clients:
    """All clients of one proxy, and their ledger."""

    def __init__(self, chosen):
        self.port = chosen.port
        self.rate = chosen.rate
        self.start = chosen.start
        self.ends = [chosen.start + chosen.quiet]
        self.ends.append(self.ends[0] + chosen.reloading)
        self.ends.append(self.ends[1] + chosen.settling)
        self.every = chosen.reloading / chosen.reloads
        # In the middle between two reloads.
        self.joining = [self.ends[0] + (number + 0.5) * self.every for number in range(chosen.reloads)] if chosen.join else []
        self.ledger = {kind: {phase: Entry() for phase in PHASES} for kind in ("kept", "fresh", "streams")}

    def entry(self, kind):
        """Where something that happens now is entered."""
        phase = sum(time.monotonic() >= end for end in self.ends[:-1])
        return self.ledger[kind][PHASES[phase]]

    async def run(self):
        """Plays all clients until the last phase is over."""
        streams = [self._stream(self._upgraded, self.start) for _ in range(UPGRADED)]
        streams += [self._stream(self._download, self.start) for _ in range(DOWNLOADS)]
        streams += [self._stream(self._upgraded, at) for at in self.joining]
        tasks = [asyncio.create_task(stream) for stream in streams]
        tasks += [asyncio.create_task(self._kept(number / KEPT)) for number in range(KEPT)]
        tasks += [asyncio.create_task(self._fresh((number + 0.5) / FRESH)) for number in range(FRESH)]
        done, _ = await asyncio.wait(tasks, timeout=self.ends[-1] - time.monotonic(), return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        for task in done:
            task.result()
        await asyncio.wait(tasks, timeout=1)

    async def _due(self, offset):
        """The times at which one client asks; a late answer does not move those after it."""
        number = 0
        while True:
            due = self.start + (offset + number) / self.rate
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
                # The timer's own lateness is not the proxy's.
                due = time.monotonic()
            yield due, "/wait" if number % WAITING == WAITING - 1 else "/bytes/128"
            number += 1

    def _answered(self, entry, due):
        took, since = time.monotonic() - due, due - self.ends[0]
        entry.times.append(took)
        if 0 <= since < self.ends[1] - self.ends[0]:
            (entry.soon if since % self.every < min(SOON, self.every / 2) else entry.between).append(took)

    async def _kept(self, offset):
        open_ = None
        async for due, path in self._due(offset):
            entry = self.entry("kept")
            entry.asked += 1
            try:
                async with asyncio.timeout(PATIENCE):
                    if open_ is not None and (open_[0].at_eof() or open_[1].is_closing()):
                        entry.reopened += 1
                        open_ = _close(open_)
                    if open_ is None:
                        open_ = await self._open()
                    stays = await _ask(open_, path, "")
                if path == "/bytes/128":
                    self._answered(entry, due)
                if not stays:
                    entry.reopened += 1
                    open_ = _close(open_)
            except (Lost, TimeoutError) as lost:
                entry.failed[str(lost) or "no answer in time"] += 1
                open_ = _close(open_)

    async def _fresh(self, offset):
        async for due, path in self._due(offset):
            entry = self.entry("fresh")
            entry.asked += 1
            open_ = None
            try:
                async with asyncio.timeout(PATIENCE):
                    open_ = await self._open()
                    await _ask(open_, path, "Connection: close\r\n")
                if path == "/bytes/128":
                    self._answered(entry, due)
            except (Lost, TimeoutError) as lost:
                entry.failed[str(lost) or "no answer in time"] += 1
            finally:
                _close(open_)

    async def _stream(self, kind, at):
        """Keeps one stream open from a time on; one that is cut is counted and opened again."""
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        while True:
            open_ = None
            self.entry("streams").asked += 1
            try:
                async with asyncio.timeout(PATIENCE):
                    open_ = await self._open()
                await kind(*open_)
            except Lost as lost:
                self.entry("streams").failed[str(lost)] += 1
            except TimeoutError:
                self.entry("streams").failed["silent"] += 1
            except (OSError, EOFError):
                self.entry("streams").failed["broken off"] += 1
            finally:
                _close(open_)
            await asyncio.sleep(0.2)

    async def _upgraded(self, reader, writer):
        key = base64.b64encode(os.urandom(16)).decode()
        fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        writer.write(f"GET /echo HTTP/1.1\r\nHost: localhost\r\n{fields}Sec-WebSocket-Key: {key}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if not head.startswith("HTTP/1.1 101") or accept_key(key) not in head:
            raise Lost("not upgraded")
        number = 0
        while True:
            ping = b"%031d\n" % number
            writer.write(ping)
            async with asyncio.timeout(PATIENCE):
                if await reader.readexactly(len(ping)) != ping:
                    raise Lost("wrong bytes")
            number += 1
            await asyncio.sleep(PING)

    async def _download(self, reader, writer):
        writer.write(b"GET /drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise Lost("not begun")
        while True:
            async with asyncio.timeout(PATIENCE):
                if not await reader.read(65536):
                    raise Lost("broken off")

    async def _open(self):
        try:
            return await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionRefusedError:
            raise Lost("refused") from None
        except OSError as error:
            raise Lost(f"no connection: {error.strerror}") from None


def _close(open_):
    if open_ is not None:
        open_[1].transport.abort()


async def _ask(open_, path, fields):
    """Asks for one answer and checks it; says whether the connection may carry another request."""
    reader, writer = open_
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: reloads\r\n{fields}\r\n".encode())
    got, whole = b"", None
    while whole is None or len(got) < whole:
        try:
            piece = await reader.read(65536)
        except OSError:
            raise Lost("broken off" if got else "reset without an answer") from None
        if not piece:
            raise Lost("broken off" if got else "closed without an answer")
        got += piece
        head, end, _ = got.partition(b"\r\n\r\n")
        if end and whole is None:
            answered = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            whole = len(head) + len(end) + int(answered.get(b"content-length", 0))
    status = got.split(b" ", 2)[1].decode("latin-1")
    if status != "200":
        raise Lost(f"status {status}")
    if got[len(head) + len(end) :] != BODY.encode():
        raise Lost("wrong bytes")
    return answered.get(b"connection") != b"close"


def main():
    """Plays the clients, and prints the ledger."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "reloads", "join"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("start", "quiet", "reloading", "settling", "rate"):
        parser.add_argument(f"--{name}", type=float)
    clients = Clients(parser.parse_args())
    # A pause of this process is not the proxy's.
    gc.disable()
    asyncio.run(clients.run())
    print(json.dumps({kind: {name: entry.summary() for name, entry in of.items()} for kind, of in clients.ledger.items()}))


if __name__ == "__main__":
    main()
