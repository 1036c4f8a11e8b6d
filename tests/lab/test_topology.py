"""Labs as things on this host: claimed, built, swept, and nothing left behind."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seikan.lab.lab import Lab, sweep
from seikan.lab.namespaces import namespaces, run, start_time
from seikan.lab.topology import LabError
from seikan.lab.vti.network import VTI
from seikan.lab.wait import wait_until

pytestmark = pytest.mark.netns

_BUILD_AND_WAIT = """
import sys, threading
from seikan.lab.guard import Guard
from seikan.lab.lab import Lab
from seikan.lab.vti.network import VTI
lab = Lab.create(VTI, sys.argv[1])
if sys.argv[2] == "guarded":
    guard = Guard(lab)
lab.build(VTI)
print("built", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"t{secrets.token_hex(3)}"
    yield chosen
    if (Path("/run/seikan-lab") / chosen).exists():
        Lab.load(chosen).take_down()


def left_of(name: str) -> list[str]:
    found = [each for each in namespaces() if each.startswith(f"seikan-{name}-")]
    return found + [str(path) for path in Path("/run/seikan-lab").glob(f"{name}*")]


def builder(name: str, *, guarded: bool) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _BUILD_AND_WAIT, name, "guarded" if guarded else "alone"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "built\n"
    process.stdout.close()
    return process


def test_a_lab_is_built_and_taken_down(name: str) -> None:
    lab = Lab.create(VTI, name)
    lab.build(VTI)
    assert {lab.namespace(node) for node in ("R1", "R2", "R3")} <= namespaces()
    assert "hostname R3" in (lab.router_directory("R3") / "startup-config").read_text()
    assert (lab.router_directory("R3") / "startup-config").stat().st_mode & 0o777 == 0o600
    assert run("ip", "-n", lab.namespace("R1"), "-o", "link", "show", "dev", "wan0").stdout.strip()
    with pytest.raises(LabError, match=f'lab "{name}" exists'):
        Lab.create(VTI, name)
    lab.take_down()
    assert left_of(name) == []


def test_the_guard_removes_a_lab_whose_builder_is_killed(name: str) -> None:
    process = builder(name, guarded=True)
    assert left_of(name)
    process.kill()
    process.wait()
    assert wait_until(lambda: not left_of(name), 20), left_of(name)


def test_a_sweep_removes_what_builder_and_guard_left(name: str) -> None:
    process = builder(name, guarded=False)
    assert name not in sweep()
    process.kill()
    process.wait()
    assert left_of(name)
    assert name in sweep()
    assert left_of(name) == []


def test_a_lab_that_is_kept_outlives_its_builder(name: str) -> None:
    lab = Lab.create(VTI, name)
    lab.keep()
    assert lab.owner is None
    assert name not in sweep()
    assert Lab.load(name).id == name


def test_a_reused_pid_is_not_taken_for_the_builder() -> None:
    assert start_time(os.getpid()) == start_time(os.getpid())
    process = subprocess.Popen(["true"])
    process.wait()
    assert start_time(process.pid) is None


def test_processes_in_a_lab_end_with_it(name: str) -> None:
    lab = Lab.create(VTI, name)
    lab.build(VTI)
    stubborn = subprocess.Popen(
        ["ip", "netns", "exec", lab.namespace("R1"), "sh", "-c", "trap '' TERM; while :; do sleep 60; done"],
        start_new_session=True,
    )
    assert wait_until(lambda: stubborn.pid in lab.processes(), 5)
    lab.take_down()
    assert stubborn.wait(5) == -signal.SIGKILL
    assert left_of(name) == []


@pytest.mark.parametrize("bad", ["", "a/b", "../x", "-x", "x" * 33])
def test_a_name_that_cannot_be_one_is_refused(bad: str) -> None:
    with pytest.raises(LabError, match="cannot name a lab"):
        Lab.create(VTI, bad)
