"""What do the numbers depend on, and how are its cores shared?"""

import os
import platform
import sys


def share_cores(proxy_core):
    """One core for the proxy, the first one unless another is wished for; the others for origin and load."""
    cores = sorted(os.sched_getaffinity(0))
    proxy_core = cores[0] if proxy_core is None else proxy_core
    return {proxy_core}, set(cores) - {proxy_core} or {proxy_core}


def machine(place):
    """What the numbers depend on."""
    with open("/proc/cpuinfo") as info:
        models = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    return {
        "processor": f"{models[0] if models else platform.machine()}, {len(os.sched_getaffinity(0))} cores may be used",
        "kernel": platform.release(),
        "proxy on core": ", ".join(map(str, sorted(place.proxy_cores))),
        "origin and load on core": ", ".join(map(str, sorted(place.load_cores))),
        "load average at the start": load_average(),
    }


def load_average():
    """How busy the machine is. Above 2 while this runs, somebody else is busy as well."""
    return " ".join(f"{minutes:.2f}" for minutes in os.getloadavg())


def say(text):
    """Tells how far it is, aside from the report."""
    print(text, file=sys.stderr, flush=True)
