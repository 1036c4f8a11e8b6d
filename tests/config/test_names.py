"""Names of interfaces."""

from __future__ import annotations

import pytest

from seikan.config.names import expand, is_access, is_loopback, is_template, is_tunnel, short, sort_key


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("fa1/0", "FastEthernet1/0"),
        ("FastEthernet 1/0", "FastEthernet1/0"),
        ("tu0", "Tunnel0"),
        ("tunnel 007", "Tunnel7"),
        ("LO0", "Loopback0"),
        ("gi0/0/1.100", "GigabitEthernet0/0/1.100"),
        ("po1.5", "Port-channel1.5"),
        ("e0/0", "Ethernet0/0"),
        ("eth0", "eth0"),
        ("ens3", "ens3"),
        ("enp0s31f6", "enp0s31f6"),
        ("R1-eth0", "R1-eth0"),
        ("lo", "lo"),
        ("bond0.12", "bond0.12"),
        ("Null0", "Null0"),
        ("Virtual-Template 1", "Virtual-Template1"),
        ("virtual-t1", "Virtual-Template1"),
        ("Vt1", "Virtual-Template1"),
        ("vi7", "Virtual-Access7"),
        ("vti1", "vti1"),
        ("wan0", "wan0"),
        ("lan1.20", "lan1.20"),
        ("br0", "br0"),
        ("dummy0", "dummy0"),
        ("swp12", "swp12"),
    ],
)
def test_expand(typed: str, name: str) -> None:
    assert expand(typed) == name
    assert expand(name) == name


@pytest.mark.parametrize(
    "typed",
    [
        "t0",
        "tunell0",
        "tunel0",
        "loopbck0",
        "fastethernt0",
        "gigabitethernet",
        "FastEthernet",
        "tu0/1",
        "tu99999999999",
        "",
        "0",
        "e" * 16 + "0",
        "fa1/",
        "virtual-1",
        "vt1/0",
    ],
)
def test_no_interface(typed: str) -> None:
    assert expand(typed) is None


def test_short_forms_and_order() -> None:
    assert [short(name) for name in ("FastEthernet1/0", "Tunnel0", "Loopback0", "eth0")] == [
        "Fa1/0",
        "Tu0",
        "Lo0",
        "eth0",
    ]
    assert is_tunnel("Tunnel0")
    assert not is_tunnel("eth0")
    assert is_loopback("Loopback0")
    assert (short("Virtual-Access3"), short("Virtual-Template1")) == ("Vi3", "Vt1")
    assert is_tunnel("Virtual-Access3")
    assert is_access("Virtual-Access3")
    assert is_template("Virtual-Template1")
    assert not is_tunnel("Virtual-Template1")
    assert not is_access("Virtual-Template1")
    names = ["eth0", "Tunnel10", "FastEthernet1/0", "Tunnel9", "Loopback0", "FastEthernet0/10", "FastEthernet0/9"]
    assert sorted(names, key=sort_key) == [
        "Loopback0",
        "Tunnel9",
        "Tunnel10",
        "FastEthernet0/9",
        "FastEthernet0/10",
        "FastEthernet1/0",
        "eth0",
    ]
