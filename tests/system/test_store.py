from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from seikan.system.errors import AdapterError
from seikan.system.store import RuntimeDirectory, StartupStore, parse_interface_map, read_interface_map


def test_startup_configuration_is_private_and_replaced_whole(tmp_path: Path) -> None:
    store = StartupStore(tmp_path / "startup-config")
    assert store.read() is None
    store.write("hostname R1\n")
    store.write("hostname R3\n")
    assert store.read() == "hostname R3\n"
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["startup-config"]
    store.erase()
    store.erase()
    assert store.read() is None


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StartupStore(tmp_path / "startup-config")
    store.write("hostname R1\n")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AdapterError, match="cannot be written: No space left on device"):
        store.write("hostname R3\n")
    assert store.read() == "hostname R1\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_unreadable_text_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"hostname R1\ninterface \xff\n")
    with pytest.raises(AdapterError, match="line 2, column 11: octet 0xFF is not UTF-8"):
        StartupStore(tmp_path / "c").read()


def test_interface_map() -> None:
    text = "! the WAN\nFastEthernet0/0 eth0   # uplink\n\nGigabitEthernet1/0/1.100 ens3.100\n"
    assert parse_interface_map(text, "interfaces.map") == {
        "FastEthernet0/0": "eth0",
        "GigabitEthernet1/0/1.100": "ens3.100",
    }


def test_interface_map_reports_every_bad_line() -> None:
    text = (
        "FastEthernet0/0\nfa eth1\nFastEthernet0/0 eth0\n"
        "FastEthernet0/0 eth2\nFastEthernet0/1 eth0\nSerial0/0 averyveryverylong\n"
    )
    with pytest.raises(AdapterError) as caught:
        parse_interface_map(text, "interfaces.map")
    message = str(caught.value)
    for line in (1, 2, 4, 5, 6):
        assert f"interfaces.map, line {line}: " in message
    assert "line 3" not in message


def test_no_interface_map_is_an_empty_one(tmp_path: Path) -> None:
    assert read_interface_map(tmp_path / "interfaces.map") == {}


def test_one_process_holds_a_name(tmp_path: Path) -> None:
    first, second = RuntimeDirectory("R1", tmp_path), RuntimeDirectory("R1", tmp_path)
    first.acquire()
    assert not first.crashed
    assert stat.S_IMODE(first.path.stat().st_mode) & 0o007 == 0
    with pytest.raises(AdapterError, match=rf"'R1' is already running \(pid {os.getpid()}\)"):
        second.acquire()
    first.release()
    assert not first.path.exists()
    second.acquire()
    second.release()


def test_leftovers_of_a_crash_are_noticed_and_cleaned(tmp_path: Path) -> None:
    old = tmp_path / "R1"
    (old / "frr").mkdir(parents=True)
    (old / "frr" / "zebra.pid").write_text("1\n")
    (old / "lock").write_text("999999\n")
    directory = RuntimeDirectory("R1", tmp_path)
    directory.acquire()
    assert directory.crashed
    directory.clean()
    assert [entry.name for entry in directory.path.iterdir()] == ["lock"]
    directory.release()
    assert not old.exists()
