#!/usr/bin/env python3
"""What do clients lose, and what is left behind, when a busy proxy is reloaded twenty times?

README.md beside this says what is measured and how to read it.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace

# A measurement leaves nothing beside its sources.
sys.dont_write_bytecode = True

import peers
import reloads_report
from machine import load_average, machine, say, share_cores
from processes import Process, allow_files, free_ports

ROOT = os.path.dirname(os.path.dirname(peers.HERE))
# Longer than the clients' patience, so that a stream the last reload has silenced is noticed.
SETTLING = 6.0
# How long what is left of the old configurations may take to go once no client is there any more.
LEAVING = 5.0


@dataclass
class Way:
    """How a proxy is reloaded, and the words of its configuration for one more endpoint and one more route."""

    signal: int
    endpoint: str
    route: str
    settings: dict = field(default_factory=dict)
    arguments: list = None


WAYS = {
    "portcullis": Way(
        signal.SIGHUP,
        ', "127.0.0.1:{port}"',
        "- {{ name: extra, match: {{ paths: [{{ exact: /extra }}] }}, respond: {{ status: 204 }} }}",
    ),
    "nginx": Way(
        signal.SIGHUP,
        "server 127.0.0.1:{port};",
        "location = /extra {{ return 204; }}",
        settings={"connection": "$upgraded", "upgrade": "$http_upgrade"},
    ),
    "haproxy": Way(
        signal.SIGUSR2,
        "server b 127.0.0.1:{port} pool-max-conn 256",
        "http-request return status 204 if {{ path /extra }}",
        # A master that stays, and workers that it replaces. It hands the listening sockets on by itself.
        arguments=["-W", "-f", "{config}"],
    ),
}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portcullis", default=f"{ROOT}/target/release/portcullis", help="the binary that is measured")
    parser.add_argument("--peers", default=",".join(WAYS), help="which proxies, in this order")
    parser.add_argument("--reloads", type=int, default=20, help="how many, evenly spaced")
    parser.add_argument("--seconds", type=int, default=20, help="how long it is quiet first, and then reloaded")
    parser.add_argument("--rate", type=int, default=25, help="requests a second of each of the 20 clients")
    parser.add_argument("--join", action="store_true", help="after each reload one more WebSocket comes, and stays")
    parser.add_argument("--proxy-core", type=int, help="default: the first core this may use; load gets the others")
    parser.add_argument("--out", default=f"{ROOT}/target/peers", help="where reloads.md and reloads.json go")
    chosen = parser.parse_args()
    if not (1 <= chosen.seconds <= 120 and 1 <= chosen.reloads <= 10 * chosen.seconds and 1 <= chosen.rate <= 200):
        parser.error("at most 120 seconds, 10 reloads a second, and 200 requests a second of each client")
    for name in chosen.peers.split(","):
        if name not in WAYS:
            parser.error(f"there is no way to reload {name}")
    return chosen


def left(process):
    """What a proxy takes of the machine."""
    return {
        "processes": len(process.tree()),
        "resident": process.resident(),
        "memory": process.memory(),
        "files": process.files(),
    }


def answers_extra(port):
    """Whether a new connection already meets the route that reloads add and take away; None if it got no answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"GET /extra HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = connection.recv(4096).split(b" ", 2)[1:2]
            return {b"204": True, b"404": False}.get(status[0]) if status else None
    except OSError:
        return None


def reload(place, running, way, number, until):
    """Reloads once; seconds until a new connection met the new configuration, None if that was not before `until`."""
    extra = number % 2 == 0
    # Where the one before had no effect, this one's could not be told from it.
    stale = answers_extra(running.plain) is not extra
    text = {"routes": way.route} if extra else {"endpoints": way.endpoint}
    place.rewrite(running, {key: value.format(port=place.values["second"]) for key, value in text.items()})
    asked = time.monotonic()
    running.process.child.send_signal(way.signal)
    while time.monotonic() < until:
        if stale and answers_extra(running.plain) is extra:
            return time.monotonic() - asked
        time.sleep(0.01)
    return None


def measure(peer, place, chosen):
    """One proxy from its start to its end."""
    way = WAYS[peer.name]
    peer = replace(peer, settings={**peer.settings, **way.settings}, arguments=way.arguments or peer.arguments)
    running = place.start(peer)
    clients = None
    try:
        if answers_extra(running.plain) is not False:
            raise RuntimeError(f"{peer.name} does not proxy: {running.process.last_words()}")
        start = time.monotonic() + 1.0
        reloading = start + chosen.seconds
        settling = reloading + chosen.seconds
        end = settling + SETTLING
        told = {"port": running.plain, "start": start, "quiet": chosen.seconds, "reloading": chosen.seconds}
        told |= {"settling": SETTLING, "rate": chosen.rate, "reloads": chosen.reloads, "join": int(chosen.join)}
        command = [sys.executable, "-B", os.path.join(peers.HERE, "clients.py")]
        command += [f"--{name}={value}" for name, value in told.items()]
        ledger = f"{place.directory}/{peer.name}.ledger"
        clients = Process("clients", command, place.load_cores, ledger)
        sleep_until(reloading - 0.5)
        before = most = left(running.process)
        effects = []
        for number in range(chosen.reloads):
            sleep_until(reloading + number * chosen.seconds / chosen.reloads)
            following = reloading + (number + 1) * chosen.seconds / chosen.reloads
            effects.append(reload(place, running, way, number, following - 0.02))
            now = left(running.process)
            most = {key: max(value, most[key]) for key, value in now.items()}
        sleep_until(end - 0.5)
        if running.process.child.poll() is not None:
            raise RuntimeError(f"{peer.name} has ended: {running.process.last_words()}")
        after = left(running.process)
        try:
            clients.child.wait(max(0.0, end - time.monotonic()) + 10)
        except subprocess.TimeoutExpired:
            raise RuntimeError("the clients did not end") from None
        if clients.child.returncode != 0:
            raise RuntimeError(f"the clients failed: {clients.last_words()}")
        gone = time.monotonic() + LEAVING
        while time.monotonic() < gone and len(running.process.tree()) > before["processes"]:
            time.sleep(0.1)
        with open(ledger) as file:
            lines = json.load(file)
        stages = {"before": before, "most": most, "after": after, "gone": left(running.process)}
        return {"effects": effects, "ledger": lines, "left": stages}
    finally:
        if clients is not None:
            clients.stop()
        running.process.stop()


def sleep_until(moment):
    """Returns at a time of the monotonic clock."""
    time.sleep(max(0.0, moment - time.monotonic()))


def start_origin(place):
    """Starts the origin on two ports: the second is the endpoint that reloads add and take away."""
    place.values["origin"], place.values["second"] = ports = free_ports(2)
    command = [sys.executable, "-B", os.path.join(peers.HERE, "origin.py"), *map(str, ports)]
    origin = Process("origin", command, place.load_cores, f"{place.directory}/origin.out")
    try:
        origin.wait_for(ports)
    except BaseException:
        origin.stop()
        raise
    return origin


def has_lost(found):
    """Whether a request failed, a stream was cut, or a reload had no effect."""
    failed = [entry["failed"] for kind in found["ledger"].values() for entry in kind.values()]
    return any(failed) or None in found["effects"]


def main():
    """Measures, reports, and says with the exit code whether the measurement worked and Portcullis lost nothing."""
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    known = peers.known(chosen.portcullis)
    wanted = [known[name] for name in chosen.peers.split(",")]
    installed = [peer for peer in wanted if peers.is_installed(peer)]
    missing = [peer.name for peer in wanted if peer not in installed]
    for name in missing:
        say(f"missing: {name}")
    if not installed or shutil.which("openssl") is None:
        say("needed: openssl and a proxy")
        return 2
    proxy_cores, load_cores = share_cores(chosen.proxy_core)
    files = allow_files(5000)
    with tempfile.TemporaryDirectory(prefix="reloads-") as directory:
        place = peers.Place(directory, files, 1000, proxy_cores, load_cores)
        run = {"machine": machine(place), "proxies": {}, "missing": missing, "errors": [], "found": {}}
        run["machine"]["phases"] = f"quiet and reloading {chosen.seconds} s each, settling {SETTLING:.0f} s"
        run["machine"]["reloads"] = f"{chosen.reloads}{', each with one more stream' if chosen.join else ''}"
        os.sched_setaffinity(0, load_cores)
        origin = start_origin(place)
        try:
            for peer in installed:
                run["proxies"][peer.name] = peers.version(peer)
                try:
                    run["found"][peer.name] = found = measure(peer, place, chosen)
                    say(f"{peer.name}: {'something' if has_lost(found) else 'nothing'} was lost")
                except (RuntimeError, OSError, ValueError) as error:
                    run["errors"].append(f"{peer.name}: {error}")
                    say(f"error: {run['errors'][-1]}")
        finally:
            origin.stop()
        run["machine"]["load average at the end"] = load_average()
    os.makedirs(chosen.out, exist_ok=True)
    text = reloads_report.markdown(run)
    for name, content in (("reloads.md", text), ("reloads.json", json.dumps(run, indent=1) + "\n")):
        with open(os.path.join(chosen.out, name), "w") as file:
            file.write(content)
    print(text, end="")
    ours = run["found"].get("portcullis")
    return 1 if run["errors"] or (ours and has_lost(ours)) else 0


if __name__ == "__main__":
    sys.exit(main())
