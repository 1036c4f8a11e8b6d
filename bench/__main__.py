"""`make bench`: measure, print a table, write JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import flood, negotiation, rekeys, spokes
from bench.contenders import CONTENDERS, running
from bench.traffic import Sample

_COLUMNS = {
    "tcp1": "TCP 1 Gbit/s",
    "tcp4": "TCP 4 Gbit/s",
    "udp_small": "UDP 64 kpps",
    "udp_large": "UDP 1400 kpps",
    "rtt": "RTT ms",
    "cpu": "CPU s/Gbit",
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all contenders (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="of each throughput test (default: %(default)s)")
    parser.add_argument("--only", action="append", metavar="TEXT", help="contenders whose name contains TEXT")
    parser.add_argument("--flood", action="store_true", help="a peer that connects under a flood of forged requests")
    parser.add_argument(
        "--rekeys", type=float, default=0, metavar="SECONDS", help="a stream for so long while its SAs are replaced"
    )
    parser.add_argument("--negotiations", type=int, default=400, metavar="N", help="of each kind; 0 for none")
    parser.add_argument("--spokes", type=int, nargs="*", default=[200, 1000], help="of a hub; none: no hub")
    parser.add_argument("--json", type=Path, help="where the figures go (default: standard output, after the table)")
    return parser.parse_args()


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    model = next(
        (line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _traffic(options: argparse.Namespace, directory: Path) -> dict[str, list[Sample]]:
    chosen = [
        each for each in CONTENDERS.values() if not options.only or any(text in each.name for text in options.only)
    ]
    samples: dict[str, list[Sample]] = {}
    with ExitStack() as stack:
        routes = {}
        for number, each in enumerate(chosen):
            print(f"starting {each.name}", file=sys.stderr, flush=True)
            routes[each.name] = stack.enter_context(running(each, directory / f"contender{number}"))
        for turn in range(options.rounds):
            for name, route in routes.items():
                print(f"round {turn + 1} of {options.rounds}: {name}", file=sys.stderr, flush=True)
                samples.setdefault(name, []).append(route.measure(options.seconds))
    return samples


def _cell(samples: Sequence[Sample], column: str) -> str:
    values = [value for sample in samples if (value := sample.as_dict()[column]) is not None]
    return f"{median(values):.3g} ({min(values):.3g}-{max(values):.3g})" if values else "-"


def _ratio(samples: Mapping[str, Sequence[Sample]], name: str, column: str) -> str:
    against = CONTENDERS[name].against
    if against is None or against not in samples:
        return "-"
    own, other = ([sample.as_dict()[column] or 0.0 for sample in samples[each]] for each in (name, against))
    # Round by round, because the two ran right after each other and what else the machine did hit both.
    return f"{median(mine / theirs for mine, theirs in zip(own, other, strict=True)):.2f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


def _hubs(counts: Sequence[int], directory: Path) -> dict[str, list[spokes.Spokes]]:
    """Each hub with so many spokes, one after the other."""
    found: dict[str, list[spokes.Spokes]] = {}
    for count in counts:
        for name, measure in spokes.HUBS.items():
            print(f"hub: {name}, {count} spokes", file=sys.stderr, flush=True)
            found.setdefault(name, []).append(measure(count, directory / f"hub-{count}-{len(found)}-{name[:6]}"))
    return found


def _hub_table(hubs: Mapping[str, Sequence[spokes.Spokes]]) -> str:
    heads = ["SAs, s", "line protocols, s", "CPU ms", "of FRR", "memory kB", "of FRR"]
    rows = [["hub", "spokes", *heads]]
    for name, results in hubs.items():
        for result in results:
            up = "-" if result.up is None else f"{result.up:.1f}"
            each = (result.cpu, result.routing_cpu, result.memory, result.routing_memory)
            rows.append([name, str(result.count), f"{result.negotiated:.1f}", up, *(f"{value:.1f}" for value in each)])
    return _table(rows)


def _negotiated(count: int, directory: Path) -> dict[str, dict[str, negotiation.Negotiations]]:
    """By responder and case; both responders one after the other in each case."""
    found: dict[str, dict[str, negotiation.Negotiations]] = {}
    for case in negotiation.CASES if count else ():
        for responder in negotiation.RESPONDERS:
            print(f"negotiations: {responder}, {case.name}", file=sys.stderr, flush=True)
            where = directory / f"{responder}-{case.version}-{case.group}"
            found.setdefault(responder, {})[case.name] = negotiation.measure(responder, case, count, where)
    return found


def _flooded(directory: Path) -> dict[str, flood.Flooded]:
    found = {}
    for responder in negotiation.RESPONDERS:
        print(f"flood: {responder}", file=sys.stderr, flush=True)
        found[responder] = flood.measure(responder, directory / f"flood-{responder}")
        name = f"{responder}, half of them from the peer's address"
        found[name] = flood.measure(responder, directory / f"flood-{responder}-as-peer", as_peer=True)
    return found


def _rekeyed(seconds: float, directory: Path) -> dict[str, rekeys.Rekeyed]:
    """By what the other end is."""
    found = {}
    for peer, measure in (("Seikan", rekeys.measure), ("charon, which rekeys", rekeys.measure_with_charon)):
        print(f"rekeys: {peer}", file=sys.stderr, flush=True)
        found[peer] = measure(directory / f"rekeys-{peer[:6]}", seconds)
    return found


def _flood_table(flooded: Mapping[str, flood.Flooded]) -> str:
    rows = [["responder", "forged requests/s", "connected in, s", "at worst, s", "CPU of one core"]]
    for name, result in flooded.items():
        share = f"{result.cpu:.0%}"
        rows.append([name, f"{result.rate:.0f}", f"{result.median:.3f}", f"{result.worst:.3f}", share])
    return _table(rows)


def _negotiation_table(negotiated: Mapping[str, Mapping[str, negotiation.Negotiations]]) -> str:
    rows = [["responder", "negotiation", "per second", "CPU s per 1,000", "ratio to charon"]]
    for name, results in negotiated.items():
        for case, result in results.items():
            ratio = result.cpu / negotiated["charon"][case].cpu
            rows.append([name, case, f"{result.rate:.0f}", f"{result.cpu:.2f}", f"{ratio:.2f}"])
    return _table(rows)


def main() -> int:
    """Measure and print; returns 0."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="seikan-bench-") as name:
        directory = Path(name)
        samples = _traffic(options, directory)
        negotiated = _negotiated(options.negotiations, directory)
        hubs = _hubs(options.spokes, directory)
        flooded = _flooded(directory) if options.flood else {}
        rekeyed = _rekeyed(options.rekeys, directory) if options.rekeys else {}
    print(
        _table(
            [["", *_COLUMNS.values(), "TCP 1 ratio", "TCP 4 ratio"]]
            + [
                [
                    name,
                    *(_cell(taken, column) for column in _COLUMNS),
                    _ratio(samples, name, "tcp1"),
                    _ratio(samples, name, "tcp4"),
                ]
                for name, taken in samples.items()
            ]
        )
    )
    if negotiated:
        print()
        print(_negotiation_table(negotiated))
    if flooded:
        print()
        print(_flood_table(flooded))
    if rekeyed:
        print()
        heads = ["peer", *next(iter(rekeyed.values())).as_dict()]
        rows = [[peer, *(f"{value:g}" for value in result.as_dict().values())] for peer, result in rekeyed.items()]
        print(_table([heads, *rows]))
    if hubs:
        print()
        print(_hub_table(hubs))
    figures = json.dumps(
        {
            "machine": machine(),
            "rounds": options.rounds,
            "seconds": options.seconds,
            "traffic": {name: [sample.as_dict() for sample in taken] for name, taken in samples.items()},
            "negotiations": {
                name: {case: result.as_dict() for case, result in results.items()}
                for name, results in negotiated.items()
            },
            "rekeys": {peer: result.as_dict() for peer, result in rekeyed.items()},
            "flood": {name: result.as_dict() for name, result in flooded.items()},
            "hubs": {name: [result.as_dict() for result in results] for name, results in hubs.items()},
        },
        indent=1,
    )
    if options.json:
        options.json.write_text(figures + "\n")
    else:
        print(f"\n{figures}")
    return 0


sys.exit(main())
