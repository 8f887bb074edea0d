"""How are the samples of a run put into words?"""

import statistics


def median(values):
    """The middle one; None if there is none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def markdown(run):
    """The whole run as Markdown."""
    lines = ["# Portcullis beside its peers", ""]
    lines += [f"- {key}: {value}" for key, value in run["machine"].items()]
    lines += [f"- {name}: {about['version']}; TLS: {about['tls']}" for name, about in run["proxies"].items()]
    lines += [f"- missing: {', '.join(run['missing'])}"] if run["missing"] else []
    lines += [f"- error: {error}" for error in run["errors"]]
    for scenario in run["scenarios"]:
        lines += ["", f"## {scenario['title']}", ""]
        lines += table(
            ["", "CPU µs/request", f"× {run['reference']}", "least to most", "requests/s", "core busy"]
            + ["p50 µs", "p99 µs", "memory MiB", "log lines/request", "errors"],
            [_row(name, samples, scenario["samples"], run["reference"]) for name, samples in scenario["samples"].items()],
        )
    if run["idle"]:
        lines += ["", "## Memory of an idle keepalive connection", ""]
        kinds = list(run["idle"])
        names = list(next(iter(run["idle"].values()))["bytes"])
        lines += table(
            [""] + [f"{kind}, KiB (of {run['idle'][kind]['connections']})" for kind in kinds],
            [[name] + [number(run["idle"][kind]["bytes"].get(name), 1 / 1024, 1) for kind in kinds] for name in names],
        )
    return "\n".join(lines) + "\n"


def _row(name, samples, everyone, reference):
    def of(key):
        return [sample[key] for sample in samples]

    cost = of("cpu_per_request")
    # Round by round: what disturbs the machine for longer than a round disturbs both.
    ratios = [mine / theirs["cpu_per_request"] for mine, theirs in zip(cost, everyone.get(reference, []))]
    lines = [sample["log_lines"] / sample["requests"] for sample in samples if sample["requests"]]
    return [
        name,
        number(median(cost), 1, 1),
        number(median(ratios), 1, 2),
        f"{number(min(cost), 1, 1)} to {number(max(cost), 1, 1)}" if cost else "",
        number(median(of("rate")), 1, 0),
        number(median(of("busy")), 100, 0) + " %",
        number(median(of("p50")), 1, 0),
        number(median(of("p99")), 1, 0),
        number(median(of("memory")), 1 / (1 << 20), 1),
        number(median(lines), 1, 2),
        str(sum(of("errors"))),
    ]


def number(value, factor, digits):
    """A value times a factor, as text; a dash if there is none."""
    return "–" if value is None else f"{value * factor:,.{digits}f}"


def table(head, rows):
    """The lines of a table; the first column is to the left, the others are numbers."""
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" + "---:|" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
