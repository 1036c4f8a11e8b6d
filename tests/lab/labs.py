"""Running `seikan lab` as a user does, for the tests of each lab."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from seikan.lab import daemons
from seikan.lab.driver import Console, cli_command, environment, login
from seikan.lab.lab import Lab
from seikan.lab.namespaces import namespaces


def lab_command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "seikan", "lab", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def failed_claims(output: str) -> list[str]:
    """The claims of a lab's proof that do not hold, as it printed them; a router's log lines may say FAIL too."""
    return re.findall(r"^ +FAIL  .*", output, re.MULTILINE)


def left_of(name: str) -> list[str]:
    """The namespaces and files of a lab that are there."""
    found = [each for each in namespaces() if each.startswith(f"seikan-{name}-")]
    return found + [str(path) for path in Path("/run/seikan-lab").glob(f"{name}*")]


def execute(lab: Lab, router: str, line: str, *, check: bool = True) -> str:
    return subprocess.run(
        cli_command("exec", router, line),
        env=environment(daemons.run_directory(lab)),
        capture_output=True,
        text=True,
        timeout=60,
        check=check,
    ).stdout


def type_lines(lab: Lab, router: str, *lines: str) -> None:
    """Log in, type the lines one after the other, log out."""
    console = Console({router: login(router, router, daemons.run_directory(lab))}, lambda _router, _line: None)
    try:
        console.ready(router)
        for line in lines:
            console.type(router, line)
    finally:
        console.close()


def leased(lab: Lab, old: str, new: str, gateway: str) -> None:
    """R5's WAN address comes from a DHCP client from now on: from Linux, while the configuration has none."""
    type_lines(
        lab,
        "R5",
        *("conf t", "interface fa0/0", "no ip address", "exit"),
        *(f"no ip route 0.0.0.0 0.0.0.0 {each}" for each in ("10.1.25.2", "10.1.55.2")),
        "end",
    )
    renewed(lab, old, new, gateway)


def renewed(lab: Lab, old: str, new: str, gateway: str) -> None:
    """The DHCP client gets another address and another gateway."""
    for command in (
        ("address", "add", f"{new}/24", "dev", "wan0"),
        ("route", "replace", "default", "via", gateway),
    ):
        subprocess.run(["ip", "-n", lab.namespace("R5"), *command], check=True, timeout=10)
    # The configuration may have taken it already.
    gone = ["ip", "-n", lab.namespace("R5"), "address", "del", f"{old}/24", "dev", "wan0"]
    subprocess.run(gone, capture_output=True, timeout=10, check=False)
