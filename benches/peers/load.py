"""What is asked of a proxy, by which tool, and what does the tool say?"""

import json
import os
import re
import socket
import ssl
import statistics
import subprocess
import time
from dataclasses import dataclass

from peers import BODY, HERE

# What an answer shows of the policies.
POLICY_FIELDS = [
    b"x-request-id:",
    b"x-content-type-options: nosniff",
    b"x-frame-options: deny",
    b"referrer-policy: strict-origin-when-cross-origin",
    b"content-security-policy: default-src 'self'",
]

# New connections a second where every request opens one: well below what one core can do, so that no queue forms.
HANDSHAKES = 800


@dataclass
class Scenario:
    """A kind of load."""

    name: str
    title: str
    tool: str
    connections: int
    over_tls: bool
    path: str = "/bytes/128"
    # What the proxies have switched on beside what they always have: "policies" of an edge, or a "cache".
    extra: str = ""


SCENARIOS = [
    Scenario("plain", "HTTP/1.1 keepalive, 128 bytes, 64 connections", "wrk", 64, False),
    Scenario("tls", "HTTP/1.1 keepalive over TLS, 128 bytes, 64 connections", "wrk", 64, True),
    Scenario("h2", "HTTP/2 over TLS, 128 bytes, 16 connections of 10 streams", "h2", 16, True),
    Scenario("handshake", f"full TLS handshake and one request, {HANDSHAKES} a second", "connect", 0, True),
    Scenario("policies", "edge policies on: HTTP/1.1 keepalive, 128 bytes, 64 connections", "wrk", 64, False, extra="policies"),
    Scenario("hit", "answered from the cache: HTTP/1.1 keepalive, 128 bytes, 64 connections", "wrk", 64, False, "/kept/128", "cache"),
    Scenario("hit16k", "answered from the cache: HTTP/1.1 keepalive, 16 KiB, 64 connections", "wrk", 64, False, "/kept/16k", "cache"),
    Scenario("large", "HTTP/1.1 keepalive, 1 MiB, 16 connections", "wrk", 16, False, "/bytes/1m"),
]


@dataclass
class Sample:
    """One interval of one proxy under one load."""

    requests: int
    errors: int
    seconds: float
    # Microseconds; None where the tool's figure would not mean the same.
    p50: float = None
    p99: float = None
    # Processor seconds of the proxy.
    cpu: float = 0.0
    memory: int = 0
    log_lines: int = 0

    @property
    def cpu_per_request(self):
        """Microseconds of processor time."""
        return self.cpu * 1e6 / self.requests if self.requests else float("nan")

    @property
    def rate(self):
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def busy(self):
        """The share of the time for which the proxy had its core."""
        return self.cpu / self.seconds if self.seconds else 0.0


def measure(running, scenario, seconds, cores, directory):
    """Puts a proxy under load, and reads what it took."""
    scheme, port = ("https", running.tls) if scenario.over_tls else ("http", running.plain)
    url = f"{scheme}://127.0.0.1:{port}{scenario.path}"
    timings = f"{directory}/h2load.log"
    if os.path.exists(timings):
        os.remove(timings)
    if scenario.tool == "wrk":
        command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{max(1, round(seconds))}s", "--latency"]
        command += ["-s", os.path.join(HERE, "conf", "summary.lua"), url]
    elif scenario.tool == "h2":
        command = ["h2load", "-t1", f"-c{scenario.connections}", "-m10", f"-D{max(1, round(seconds))}"]
        command += [f"--log-file={timings}", url]
    else:
        count = str(round(seconds * HANDSHAKES))
        command = ["h2load", "-t1", "--h1", "-n", count, "-c", count]
        # Not all of a second's connections at its start.
        command += ["-r", str(HANDSHAKES // 100), "--rate-period=10ms", url]
    running.take_log_lines()
    before = running.process.cpu_seconds()
    started = time.monotonic()
    tool = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    try:
        time.sleep(seconds * 0.7)
        memory = running.process.memory()
        said, _ = tool.communicate(timeout=seconds + 20)
    finally:
        if tool.poll() is None:
            tool.kill()
            tool.wait()
    took = time.monotonic() - started
    cpu = running.process.cpu_seconds() - before
    if tool.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {said[-500:]}")
    sample = _wrk(said) if scenario.tool == "wrk" else _h2load(said, timings, took)
    sample.cpu, sample.memory, sample.log_lines = cpu, memory, running.take_log_lines()
    return sample


def _wrk(said):
    summary = re.search(r"^SUMMARY (.*)$", said, re.MULTILINE)
    if summary is None:
        raise RuntimeError(f"wrk gave no summary: {said[-500:]}")
    return Sample(**json.loads(summary[1]))


def _h2load(said, timings, took):
    def number(pattern):
        found = re.search(pattern, said)
        if found is None:
            raise RuntimeError(f"h2load gave no summary: {said[-500:]}")
        return float(found[1])

    requests = int(number(r"requests: .* (\d+) done"))
    good = int(number(r"status codes: (\d+) 2xx"))
    lost = sum(int(number(rf"requests: .* (\d+) {kind}")) for kind in ("failed", "errored", "timeout"))
    sample = Sample(requests, max(requests - good, lost), took)
    if os.path.exists(timings):
        with open(timings) as lines:
            times = sorted(int(line.split("\t")[2]) for line in lines)
        if len(times) > 1:
            sample.p50 = float(statistics.median(times))
            sample.p99 = float(times[len(times) * 99 // 100])
    return sample


def _context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _ask(port, context):
    """An open connection that has carried one request, and what was answered."""
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is not None:
        connection = context.wrap_socket(connection, server_hostname="localhost")
    connection.sendall(b"GET /bytes/128 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: peers\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < len(BODY):
        piece = connection.recv(4096)
        if not piece:
            break
        answer += piece
    return connection, answer


def check(running):
    """Sees that a proxy answers with the whole body, plain and over TLS; says which TLS it chose."""
    for port, context in ((running.plain, None), (running.tls, _context())):
        connection, answer = _ask(port, context)
        chosen = None if context is None else (connection.version(), connection.cipher()[0])
        connection.close()
        if not answer.startswith(b"HTTP/1.1 200") or len(answer.partition(b"\r\n\r\n")[2]) != len(BODY):
            raise RuntimeError(f"{running.name} does not proxy: {answer[:300]!r}")
        shown = [field in answer.lower() for field in POLICY_FIELDS]
        policies = running.extra == "policies"
        if not all(shown) if policies else any(shown):
            raise RuntimeError(f"{running.name}: policies {policies}, but it answers {answer[:600]!r}")
    return " ".join(chosen)


def idle_memory(running, over_tls, count):
    """Bytes the proxy keeps for a connection that has carried one request and waits for the next."""
    port, context = (running.tls, _context()) if over_tls else (running.plain, None)
    # What the first connections make the process set up once is not what the next one costs.
    for connection in [_ask(port, context)[0] for _ in range(100)]:
        connection.close()
    time.sleep(1)
    before = running.process.memory()
    connections = []
    try:
        for _ in range(count):
            connection, answer = _ask(port, context)
            connections.append(connection)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{running.name} after {len(connections)} connections: {answer[:200]!r}")
        time.sleep(2)
        return (running.process.memory() - before) / count
    finally:
        for connection in connections:
            connection.close()
