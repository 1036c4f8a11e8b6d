"""`seikan lab …`: build a lab, log in to it, look at it, take it down."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from seikan.lab import daemons, session
from seikan.lab.driver import cli_command, environment
from seikan.lab.guard import Guard
from seikan.lab.lab import Lab, sweep
from seikan.lab.namespaces import inside
from seikan.lab.scenarios import SCENARIOS
from seikan.lab.topology import LabError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seikan lab", description="Routers in network namespaces on this host.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    labs = "\n".join(f"  {name:<8} {scenario.topology.about}" for name, scenario in SCENARIOS.items())
    up = commands.add_parser(
        "up",
        help="build a lab, type its session at the routers, prove that it works",
        description="Build a lab, type its session at the routers, prove that it works.",
        epilog=f"labs:\n{labs}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    up.add_argument("scenario", choices=tuple(SCENARIOS), metavar="LAB", help="which lab: " + ", ".join(SCENARIOS))
    up.add_argument(
        "--once", action="store_true", help="take it down at the end; the exit status tells whether it worked"
    )
    up.add_argument("--bare", action="store_true", help="base configuration only: type nothing")
    up.add_argument("--name", help="what to call it (default: the lab's own name, with a number where taken)")

    cli = commands.add_parser("cli", help="log in to a router")
    cli.add_argument("router")
    cli.add_argument("--name", help="the lab (default: the only one)")

    execute = commands.add_parser("exec", help="run one command on a router, or a program on a Linux host of the lab")
    execute.add_argument("--name", help="the lab (default: the only one)")
    execute.add_argument("node", metavar="NODE", help="a router or a host, as seikan lab list names them")
    execute.add_argument(
        "words",
        metavar="LINE",
        nargs=argparse.REMAINDER,
        help="for example show ip ospf neighbor; on a host ip -brief address",
    )

    start = commands.add_parser("start", help="start a router that has ended, from its startup configuration")
    start.add_argument("router")
    start.add_argument("--name", help="the lab (default: the only one)")

    commands.add_parser("list", help="the labs on this host")

    down = commands.add_parser("down", help="take a lab down, and what a crashed one left behind")
    which = down.add_mutually_exclusive_group()
    which.add_argument("--name", help="the lab (default: the only one)")
    which.add_argument("--all", action="store_true", help="every lab on this host")
    return parser


def main(argv: list[str]) -> int:
    """Run `seikan lab` with these arguments; returns 0 when it worked, 1 when not, 2 for wrong use."""
    options = _parser().parse_args(argv)
    if os.geteuid() != 0:
        print("seikan lab: network namespaces need root: run it with sudo", file=sys.stderr)
        return 1
    try:
        for identifier in sweep():
            _out(f"lab {identifier}: its builder is gone; removed what it left")
        match options.command:
            case "up":
                return _up(SCENARIOS[options.scenario], options.name, once=options.once, bare=options.bare)
            case "cli":
                return _log_in(options.name, options.router)
            case "exec":
                return _execute(options.name, options.node, options.words)
            case "start":
                return _start(options.name, options.router)
            case "list":
                return _list()
            case _:
                return _down(options.name, every=options.all)
    except LabError as error:
        print(f"seikan lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("seikan lab: interrupted", file=sys.stderr)
        return 1


def _out(line: str) -> None:
    print(line, flush=True)


def _err(line: str) -> None:
    print(line, file=sys.stderr)


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _up(scenario: session.Scenario, name: str | None, *, once: bool, bare: bool) -> int:
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    lab = Lab.create(scenario.topology, name)
    guard = Guard(lab)
    keep = False
    try:
        session.bring_up(lab, scenario.topology, _out)
        proved = bare or session.demonstrate(lab, scenario, _out)
        keep = not once
    except LabError as error:
        print(f"seikan lab: {error}", file=sys.stderr)
        session.explain(lab, error.routers, scenario.looks, _err)
        print(f"seikan lab: {error}", file=sys.stderr)
        return 1
    finally:
        if keep:
            lab.keep()
        else:
            lab.take_down()
        guard.dismiss()
    _out("")
    if once:
        _out(f"lab {lab.id}: {'it works' if proved else 'the proof FAILED'}; taken down")
    else:
        program = _program()
        which = f" --name {lab.id}" if name is not None or len(Lab.all()) > 1 else ""
        first, *others = lab.routers
        _out(f"lab {lab.id}: {'it runs' if proved else 'it runs, but the proof FAILED'}")
        _out(f"  log in      {program} lab cli {first}{which}   (or {', '.join(others)})")
        _out(f'  one answer  {program} lab exec {lab.routers[-1]}{which} "show crypto session detail"')
        _out(f"  take down   {program} lab down{which}")
    return 0 if proved else 1


def _program() -> str:
    """How the user calls this program from where they are."""
    own = Path(sys.prefix) / "bin" / "seikan"
    found = shutil.which("seikan")
    if found is not None and Path(found) == own:
        shown = "seikan"
    else:
        shown = os.path.relpath(own) if own.is_relative_to(Path.cwd()) else str(own)
    return f"sudo {shown}" if "SUDO_USER" in os.environ else shown


def _chosen(name: str | None) -> Lab:
    if name is not None:
        return Lab.load(name)
    labs = Lab.all()
    if not labs:
        raise LabError("no lab runs on this host: seikan lab up vti")
    if len(labs) > 1:
        raise LabError(f"there are {len(labs)} labs: say --name, one of {', '.join(lab.id for lab in labs)}")
    return labs[0]


def _log_in(name: str | None, router: str) -> int:
    lab = _chosen(name)
    chosen = lab.node(router)
    if chosen not in lab.routers:
        raise LabError(f'{chosen} is a Linux host without a terminal: seikan lab exec {chosen} "ip route"')
    return _become(lab, cli_command("cli", chosen))


def _start(name: str | None, router: str) -> int:
    lab = _chosen(name)
    chosen = lab.node(router)
    if chosen not in lab.routers:
        raise LabError(f"{chosen} is a Linux host: it has no router to start")
    if daemons.runs(lab, chosen):
        raise LabError(f"{chosen} runs already")
    daemons.start(lab, chosen)
    _out(f"lab {lab.id}: {chosen} runs")
    return 0


def _execute(name: str | None, node: str, words: list[str]) -> int:
    if words[-2:-1] == ["--name"]:  # what is run has options of its own, which come before this one
        name, words = words[-1], words[:-2]
    if not words:
        raise LabError(f'say what to run on {node}: seikan lab exec {node} "show version"')
    lab = _chosen(name)
    chosen = lab.node(node)
    if chosen in lab.routers:
        return _become(lab, cli_command("exec", chosen, " ".join(words)))
    return _become(lab, [*inside(lab.namespace(chosen), *(words if len(words) > 1 else shlex.split(words[0])))])


def _become(lab: Lab, program: list[str]) -> int:
    sys.stdout.flush()
    os.execvpe(program[0], program, environment(daemons.run_directory(lab)))  # noqa: S606 -- no shell is wanted


def _list() -> int:
    labs = Lab.all()
    for lab in labs:
        state = "up" if lab.owner is None else f"being built by process {lab.owner}"
        ended = [router for router in lab.routers if not daemons.runs(lab, router)] if lab.owner is None else []
        if ended:
            state += f", but not {' '.join(ended)}: seikan lab start {ended[0]} --name {lab.id}"
        _out(f"{lab.id}: {lab.kind}, {' '.join(lab.nodes)}, {state}")
    if not labs:
        _out("no lab runs on this host")
    return 0


def _down(name: str | None, *, every: bool) -> int:
    labs = Lab.all() if every else ((_chosen(name),) if name is not None or Lab.all() else ())
    for lab in labs:
        lab.take_down()
        _out(f"lab {lab.id}: taken down")
    if not labs:
        _out("no lab runs on this host")
    return 0
