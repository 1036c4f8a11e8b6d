"""The program: `seikan run|cli|exec|check|lab`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from seikan import __version__
from seikan.system.store import name_problem

DEFAULT_NAME = "router"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seikan", description="A site-to-site VPN router for Linux that speaks IOS.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"seikan {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a router in the foreground from its configuration")
    run.add_argument(
        "config", type=Path, metavar="CONFIG", help="the startup configuration, replaced by `write memory`"
    )
    run.add_argument("--name", default=DEFAULT_NAME, help="this router's name on this host (default: %(default)s)")
    run.add_argument("--strict", action="store_true", help="do not start with a configuration that has unknown lines")

    cli = commands.add_parser("cli", help="log in to a running router")
    cli.add_argument("--name", default=DEFAULT_NAME, help="the router's name (default: %(default)s)")

    execute = commands.add_parser("exec", help="run one command on a running router and print its answer")
    execute.add_argument("line", metavar="LINE", help='for example "show crypto isakmp sa"')
    execute.add_argument("--name", default=DEFAULT_NAME, help="the router's name (default: %(default)s)")

    check = commands.add_parser("check", help="read a configuration and say what is wrong with it")
    check.add_argument("config", type=Path, metavar="CONFIG")
    check.add_argument("--strict", action="store_true", help="unknown lines are errors")

    commands.add_parser("reference", help="print the command reference (Markdown)")

    lab = commands.add_parser("lab", help="routers in network namespaces on this host", add_help=False)
    lab.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status: 0 done, 1 failed, 2 wrong use."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["lab"]:
        from seikan.lab.main import main as lab_main

        return lab_main(given[1:])
    options = _parser().parse_args(given)
    problem = name_problem(options.name) if "name" in options else None
    if problem is not None:
        print(f"seikan: --name: {problem}", file=sys.stderr)
        return 2
    if options.command == "run":
        from seikan.daemon.router import run

        return run(options.config, options.name, strict=options.strict)
    if options.command == "cli":
        from seikan.daemon.client import login

        return login(options.name)
    if options.command == "exec":
        from seikan.daemon.client import execute

        return execute(options.name, options.line)
    if options.command == "check":
        from seikan.daemon.check import check

        return check(options.config, strict=options.strict)
    from seikan.daemon.check import reference

    return reference()


if __name__ == "__main__":
    sys.exit(main())
