#!/usr/bin/env python3
"""What does a request cost Portcullis, beside nginx, HAProxy, Envoy and Caddy, on this machine, now?

README.md beside this says what is measured and how to read it.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict

# A measurement leaves nothing beside its sources.
sys.dont_write_bytecode = True

import load
import peers
import report
from machine import load_average, machine, say, share_cores
from processes import allow_files

ROOT = os.path.dirname(os.path.dirname(peers.HERE))


def arguments():
    """The command line."""
    names = [scenario.name for scenario in load.SCENARIOS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portcullis", default=f"{ROOT}/target/release/portcullis", help="the binary that is measured")
    parser.add_argument("--origin", default=f"{ROOT}/target/release/origin", help="the origin where nginx is missing")
    parser.add_argument("--proxies", default="portcullis,nginx,haproxy,envoy,caddy", help=f"of {', '.join(peers.known(''))}")
    parser.add_argument("--reference", default="nginx", help="the proxy that the others are divided by")
    parser.add_argument("--scenarios", default=",".join(names), help=f"of {', '.join(names)}; empty for none")
    parser.add_argument("--rounds", type=int, default=5, help="how often each proxy has its turn")
    parser.add_argument("--seconds", type=int, default=4, help="how long a turn is")
    parser.add_argument("--idle", type=int, default=5000, help="idle plain connections; 0 to leave it out")
    parser.add_argument("--idle-tls", type=int, default=2000, help="idle TLS connections; 0 to leave it out")
    parser.add_argument("--proxy-core", type=int, help="default: the first core this may use; load gets the others")
    parser.add_argument("--out", default=f"{ROOT}/target/peers", help="where report.md and report.json go")
    chosen = parser.parse_args()
    if not (1 <= chosen.rounds <= 50 and 1 <= chosen.seconds <= 60 and max(chosen.idle, chosen.idle_tls) <= 20_000):
        parser.error("at most 50 rounds of 60 seconds, and 20000 connections")
    for name in chosen.scenarios.split(","):
        if name and name not in names:
            parser.error(f"there is no scenario {name}")
    for name in [*chosen.proxies.split(","), chosen.reference]:
        if name not in peers.known(""):
            parser.error(f"there is no proxy {name}")
    return chosen


def wanted_scenarios(chosen):
    """Those of the command line."""
    return [scenario for scenario in load.SCENARIOS if scenario.name in chosen.scenarios.split(",")]


def steady(started, chosen, place, run):
    """Every scenario, its rounds with all proxies in turn; `started` has them by what is switched on."""
    for scenario in wanted_scenarios(chosen):
        proxies = started[scenario.extra]
        samples = {running.name: [] for running in proxies}
        for running in proxies:
            load.measure(running, scenario, 1, place.load_cores, place.directory)
        for number in range(chosen.rounds):
            for running in proxies:
                sample = load.measure(running, scenario, chosen.seconds, place.load_cores, place.directory)
                measured = {"cpu_per_request": sample.cpu_per_request, "rate": sample.rate, "busy": sample.busy}
                samples[running.name].append({**asdict(sample), **measured})
                say(f"{scenario.name} {number + 1}/{chosen.rounds} {running.name}: {sample.cpu_per_request:.1f} µs")
                if sample.errors or not sample.requests:
                    run["errors"].append(
                        f"{running.name}, {scenario.name}: {sample.errors} errors in {sample.requests} requests"
                    )
                elif sample.log_lines < sample.requests * running.peer.fewest_lines:
                    run["errors"].append(f"{running.name}, {scenario.name}: the access log has too few lines")
        run["scenarios"].append({**asdict(scenario), "samples": samples})


def idle(installed, chosen, place, run):
    """Memory of idle connections, each time in a new process, where nothing that was freed before hides it."""
    for kind, over_tls, count in (("plain", False, chosen.idle), ("TLS", True, chosen.idle_tls)):
        if not count:
            continue
        found = {}
        for peer in installed:
            running = place.start(peer)
            try:
                found[peer.name] = load.idle_memory(running, over_tls, count)
                say(f"idle {kind} {peer.name}: {found[peer.name] / 1024:.1f} KiB")
            except (RuntimeError, OSError) as error:
                run["errors"].append(f"{peer.name}, idle {kind}: {error}")
            finally:
                running.process.stop()
        run["idle"][kind] = {"connections": count, "bytes": found}


def main():
    """Measures, reports, and says with the exit code whether everything was answered."""
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lacking = [tool for tool in ("wrk", "h2load", "openssl") if shutil.which(tool) is None]
    known = peers.known(chosen.portcullis)
    wanted = [known[name] for name in chosen.proxies.split(",")]
    installed = [peer for peer in wanted if peers.is_installed(peer)]
    missing = [peer.name for peer in wanted if peer not in installed]
    for name in missing:
        say(f"missing: {name}")
    if lacking or not installed:
        say(f"needed: {', '.join(lacking) or 'a proxy'}")
        return 2
    proxy_cores, load_cores = share_cores(chosen.proxy_core)
    connections = max(chosen.idle, chosen.idle_tls, 1000) + 1000
    files = allow_files(3 * connections + 1000)
    started = []
    with tempfile.TemporaryDirectory(prefix="peers-") as directory:
        place = peers.Place(directory, files, connections, proxy_cores, load_cores)
        about = {**machine(place), "rounds": f"{chosen.rounds} of {chosen.seconds} s"}
        run = {"machine": about, "reference": chosen.reference, "proxies": {}, "missing": missing}
        run.update({"errors": [], "scenarios": [], "idle": {}})
        os.sched_setaffinity(0, load_cores)
        try:
            started.append(place.start_origin(chosen.origin))
            proxies = {extra: [] for extra in sorted({"", *(scenario.extra for scenario in wanted_scenarios(chosen))})}
            for extra in proxies:
                for peer in installed:
                    if extra == "cache" and not peer.caches:
                        continue
                    proxy = place.start(peer, extra)
                    proxies[extra].append(proxy)
                    started.append(proxy.process)
                    run["proxies"][peer.name] = {"version": peers.version(peer), "tls": load.check(proxy)}
            steady(proxies, chosen, place, run)
            run["machine"]["load average at the end"] = load_average()
            for process in started[1:]:
                process.stop()
            idle(installed, chosen, place, run)
        except (RuntimeError, OSError) as error:
            say(f"error: {error}")
            return 1
        finally:
            for process in reversed(started):
                process.stop()
    os.makedirs(chosen.out, exist_ok=True)
    text = report.markdown(run)
    for name, content in (("report.md", text), ("report.json", json.dumps(run, indent=1) + "\n")):
        with open(os.path.join(chosen.out, name), "w") as file:
            file.write(content)
    print(text, end="")
    return 1 if run["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
