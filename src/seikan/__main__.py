"""The program: `seikan run|cli|exec|explain|check|migrate|lab`."""

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

    explain = commands.add_parser("explain", help="say why a peer of a running router is not there, and what is right")
    explain.add_argument("peer", metavar="PEER", help="its address, the interface of its tunnel, or its identity")
    explain.add_argument("--name", default=DEFAULT_NAME, help="the router's name (default: %(default)s)")

    check = commands.add_parser(
        "check",
        help="say what is wrong with a configuration, or whether two will work together",
        description="One file: everything that is wrong with it. Two files: whether IKE, IPsec, MTU and OSPF will come "
        "up between the two routers, and if not, why, with the lines to paste at either end.",
        epilog="Exit status: 0 nothing is wrong, 1 an error, or something between the two will not come up, 2 wrong "
        "use, or one of two files is wrong by itself.",
    )
    check.add_argument("config", type=Path, metavar="FILE")
    check.add_argument("other", type=Path, metavar="OTHER", nargs="?", help="the other end's configuration")
    check.add_argument("--strict", action="store_true", help="unknown lines are errors")

    migrate = commands.add_parser("migrate", help="turn crypto maps into virtual tunnel interfaces")
    migrate.add_argument("config", type=Path, metavar="FILE", help="a configuration of IOS or of this program")
    migrate.add_argument("--map", action="append", default=[], metavar="NAME", help="this crypto map only")
    migrate.add_argument(
        "--entry", action="append", default=[], type=int, metavar="SEQ", help="this entry only; may be repeated"
    )
    migrate.add_argument(
        "--stage",
        choices=("policy", "plain"),
        default="policy",
        help="policy: negotiate what the access lists say, as a peer with a crypto map does; plain: any to any, for a "
        "peer that has a VTI (default: %(default)s)",
    )
    migrate.add_argument("--clean", action="store_true", help="remove NAT exemptions that are needed no more")
    migrate.add_argument("--output", type=Path, metavar="FILE", help="the new configuration (default: standard output)")
    migrate.add_argument("--peer-output", type=Path, metavar="FILE", help="the lines for the other end")
    migrate.add_argument("--report", type=Path, metavar="FILE", help="the report (default: standard error)")
    migrate.add_argument("--force", action="store_true", help="write over files that exist")

    commands.add_parser("reference", help="print the command reference (Markdown)")

    lab = commands.add_parser("lab", help="routers in network namespaces on this host", add_help=False)
    lab.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status: 0 done, 1 failed, 2 wrong use (`migrate`: or not all was done)."""
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
    if options.command == "explain":
        from seikan.daemon.client import execute

        return execute(options.name, f"explain {options.peer}")
    if options.command == "check":
        from seikan.daemon.check import check, check_pair

        if options.other is not None:
            return check_pair(options.config, options.other, strict=options.strict)
        return check(options.config, strict=options.strict)
    if options.command == "migrate":
        from seikan.daemon.migrate import Files, migrate

        return migrate(
            options.config,
            Files(options.output, options.peer_output, options.report, force=options.force),
            maps=tuple(options.map),
            entries=tuple(options.entry),
            policy=options.stage == "policy",
            clean=options.clean,
        )
    from seikan.daemon.check import reference

    return reference()


if __name__ == "__main__":
    sys.exit(main())
