"""How is what reloads.py found put into words?"""

from report import median, number, table

MIB = 1 / (1 << 20)
# What follows a reload may still be its doing.
LATER = ("reloading", "settling")


def markdown(run):
    """The whole run as Markdown."""
    lines = ["# Reloads under load", ""]
    lines += [f"- {key}: {value}" for key, value in run["machine"].items()]
    lines += [f"- {name}: {version}" for name, version in run["proxies"].items()]
    lines += [f"- missing: {', '.join(run['missing'])}"] if run["missing"] else []
    lines += [f"- error: {error}" for error in run["errors"]]
    found = run["found"]
    lines += ["", "## What clients lost", ""]
    lines += table(
        ["", "reloads in effect", "after ms", "at most", "requests", "failed", "failed while quiet", "streams", "streams cut"]
        + ["reopened"],
        [_lost(name, of) for name, of in found.items()],
    )
    causes = [f"- {name}, {cause}" for name, of in found.items() for cause in _causes(of["ledger"])]
    lines += ["", *causes] if causes else []
    lines += ["", "## What clients waited", ""]
    lines += table(
        ["", "p50 ms quiet", "p50 reloading", "p99 quiet", "p99 reloading", "ratio", "p99 between reloads"]
        + ["soon after", "ratio", "most quiet", "most reloading"],
        [_waited(f"{name}, {kind}", of["ledger"][kind]) for name, of in found.items() for kind in ("kept", "fresh")],
    )
    lines += ["", "## What is left", ""]
    lines += table(
        ["", "processes before", "most", "after", "streams gone", "RSS MiB before", "most", "after", "streams gone"]
        + ["PSS MiB before", "after", "fds before", "after"],
        [_left(name, of["left"]) for name, of in found.items()],
    )
    return "\n".join(lines) + "\n"


def _sum(ledger, kinds, phases, count):
    return sum(count(ledger[kind][phase]) for kind in kinds for phase in phases)


def _lost(name, of):
    ledger, effects = of["ledger"], [effect for effect in of["effects"] if effect is not None]
    requests = ("kept", "fresh")

    def failed(entry):
        return sum(entry["failed"].values())

    return [
        name,
        f"{len(effects)} of {len(of['effects'])}",
        number(median(effects), 1e3, 0),
        number(max(effects, default=None), 1e3, 0),
        number(_sum(ledger, requests, LATER, lambda entry: entry["asked"]), 1, 0),
        str(_sum(ledger, requests, LATER, failed)),
        str(_sum(ledger, requests, ("quiet",), failed)),
        str(_sum(ledger, ("streams",), ("quiet", *LATER), lambda entry: entry["asked"])),
        str(_sum(ledger, ("streams",), ("quiet", *LATER), failed)),
        str(_sum(ledger, requests, LATER, lambda entry: entry["reopened"])),
    ]


def _causes(ledger):
    for kind, phases in ledger.items():
        for phase, entry in phases.items():
            for cause, count in entry["failed"].items():
                yield f"{kind}, {phase}: {count} × {cause}"


def _waited(name, phases):
    quiet, reloading = phases["quiet"], phases["reloading"]
    p50, p99, most = ([phase.get(rank) for phase in (quiet, reloading)] for rank in ("p50", "p99", "most"))
    apart = [reloading.get(rank) for rank in ("p99_between", "p99_soon")]
    pairs = [p50, [*p99, _ratio(*p99)], [*apart, _ratio(*apart)], most]
    return [name, *(number(value, 1, 2) for pair in pairs for value in pair)]


def _ratio(without, with_reloads):
    return with_reloads / without if without and with_reloads else None


def _left(name, left):
    stages = ("before", "most", "after", "gone")
    return [
        name,
        *(str(left[stage]["processes"]) for stage in stages),
        *(number(left[stage]["resident"], MIB, 1) for stage in stages),
        *(number(left[stage]["memory"], MIB, 1) for stage in ("before", "after")),
        *(str(left[stage]["files"]) for stage in ("before", "after")),
    ]
