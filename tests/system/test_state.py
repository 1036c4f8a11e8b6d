"""The directory of what a router keeps beside its configuration: names that stay in it, and modes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from seikan.system.errors import AdapterError
from seikan.system.state import LARGEST, StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "startup-config")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_directories_are_the_owners_alone(state: StateDirectory) -> None:
    state.write(b"key", "keys", "LABEL.pem")
    state.append(b"one\n", "log")
    state.append(b"two\n", "log")
    assert (state.read("keys", "LABEL.pem"), state.read("log")) == (b"key", b"one\ntwo\n")
    assert {mode(path) for path in state.path.rglob("*") if path.is_file()} == {0o600}
    assert {mode(state.path), mode(state.path / "keys")} == {0o700}


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", ".", "a/b", "ä key", "/root", "x\n.pem"])
def test_no_name_leads_out_of_its_directory(state: StateDirectory, name: str) -> None:
    state.write(b"data", "keys", f"{name}.pem")
    assert [path.parent for path in state.path.rglob("*") if path.is_file()] == [state.path / "keys"]
    assert state.names("keys", ".pem") == [name]
    assert state.file(f"flash:{name}").parent == state.path / "flash"


def test_a_name_without_a_file_system_is_a_path(state: StateDirectory) -> None:
    assert state.file("/tmp/x.p12") == Path("/tmp/x.p12")
    assert state.file("bootflash:/x.p12") == state.path / "flash" / "x.p12"


def test_a_secret_outlives_its_router(state: StateDirectory) -> None:
    first = state.secret("ticket-key", 32)
    assert StateDirectory(state.path.with_name("startup-config")).secret("ticket-key", 32) == first
    assert len(first) == 32


def test_what_is_not_there_and_what_is_too_long(state: StateDirectory) -> None:
    assert (state.read("nothing"), state.names("keys", ".pem")) == (None, [])
    state.remove("nothing")
    state.write(bytes(LARGEST + 1), "long")
    with pytest.raises(AdapterError, match="longer than"):
        state.read("long")


def test_a_link_in_the_place_of_the_log_is_not_followed(state: StateDirectory, tmp_path: Path) -> None:
    state.append(b"", "other")
    (state.path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AdapterError, match="cannot be written"):
        state.append(b"secret", "log")
    assert not (tmp_path / "elsewhere").exists()
