"""What rtnetlink says of routes, octet by octet as rtnetlink(7) has them."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from seikan.system.route_events import RouteChange, route_changes

ADD, DELETE = 24, 25


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, attributes: bytes, *, bits: int = 32, table: int = 254, protocol: int = 188) -> bytes:
    body = struct.pack("=BBBBBBBBI", 2, bits, 0, 0, table, protocol, 0, 1, 0) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


TARGET = attribute(1, bytes((3, 3, 3, 3)))
WAY = attribute(5, bytes((10, 1, 23, 3)))
ROUTE = IPv4Network("3.3.3.3/32")


def test_routes_that_come_and_go() -> None:
    data = message(ADD, TARGET + WAY) + message(DELETE, TARGET + WAY, protocol=196)
    gateway = (IPv4Address("10.1.23.3"),)
    assert list(route_changes(data)) == [
        RouteChange(True, ROUTE, gateway, "ospf"),
        RouteChange(False, ROUTE, gateway, "static"),
    ]


def test_other_tables_protocols_and_messages_are_not_told() -> None:
    assert list(route_changes(message(ADD, TARGET + WAY, table=255))) == []
    assert list(route_changes(message(ADD, TARGET + WAY + attribute(15, struct.pack("=I", 1000))))) == []
    assert list(route_changes(message(ADD, TARGET + WAY, protocol=2))) == []
    assert list(route_changes(message(16, TARGET + WAY))) == []


def test_several_ways_and_none() -> None:
    hops = b"".join(
        struct.pack("=HBBi", 8 + len(way), 0, 0, 1) + way for way in (WAY, attribute(5, bytes((10, 1, 24, 3))))
    )
    (change,) = route_changes(message(ADD, TARGET + attribute(9, hops)))
    assert [str(gateway) for gateway in change.gateways] == ["10.1.23.3", "10.1.24.3"]
    (default,) = route_changes(message(ADD, b"", bits=0, protocol=196))
    assert (str(default.prefix), default.gateways) == ("0.0.0.0/0", (IPv4Address(0),))


@given(st.binary(max_size=200), st.integers(0, 80))
def test_a_message_cut_anywhere_is_taken_for_what_it_is(noise: bytes, at: int) -> None:
    whole = message(ADD, TARGET + WAY)
    found = list(route_changes(whole + noise[:15]))
    assert found == [RouteChange(True, ROUTE, (IPv4Address("10.1.23.3"),), "ospf")]
    assert len(list(route_changes(whole[:at]))) <= 1
