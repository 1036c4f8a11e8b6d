"""FRR's detailed database as data; two routers and the real ospfd answer in test_frr.py."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from seikan.system.frr_lsdb import NETWORK, ROUTER, SUMMARY, LsaLink, advertisers, own_router_id, parse_database

ONE, TWO = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")


def answer(*parts: str) -> str:
    return "\r\n       OSPF Router with ID (192.0.2.1)\r\n\r\n" + "".join(parts)


def heading(title: str, area: str) -> str:
    return f"\r\n                {title} Link States (Area {area})\r\n\r\n"


def header(identity: str, router: str, flags: str = "") -> str:
    return (
        f"  LS age: 5\r\n  Options: 0x22 : *|-|DC|-|-|-|E|-\r\n  LS Flags: 0x6  \r\n{flags}  LS Type: any\r\n"
        f"  Link State ID: {identity} (its meaning)\r\n  Advertising Router: {router}\r\n"
        "  LS Seq Number: 8000000a\r\n  Checksum: 0x0e4b\r\n  Length: 48\r\n\r\n"
    )


LINKS = """   Number of Links: 2

    Link connected to: a Transit Network
     (Link ID) Designated Router address: 198.51.100.2
     (Link Data) Router Interface address: 198.51.100.1
      Number of TOS metrics: 0
       TOS 0 Metric: 10

    Link connected to: Stub Network
     (Link ID) Net: 203.0.113.0
     (Link Data) Network Mask: 255.255.255.128
      Number of TOS metrics: 0
       TOS 0 Metric: 7

"""
NET = "  Network Mask: /24\r\n        Attached Router: 192.0.2.1\r\n        Attached Router: 192.0.2.2\r\n\r\n"


def test_router_lsas_of_each_area() -> None:
    flags = "  Flags: 0x3 : ABR ASBR\r\n"
    text = answer(
        heading("Router", "0.0.0.0"),
        header("192.0.2.1", "192.0.2.1", flags) + LINKS,
        heading("Router", "0.0.0.5 [Stub]"),
        header("192.0.2.1", "192.0.2.1", "  Flags: 0x0\r\n") + "   Number of Links: 0\r\n",
    )
    backbone, stub = parse_database({ROUTER: text})
    assert (backbone.area, stub.area) == (IPv4Address(0), IPv4Address(5))
    assert (backbone.area_border, backbone.as_boundary, stub.area_border, stub.as_boundary) == (
        True,
        True,
        False,
        False,
    )
    assert (backbone.age, backbone.sequence, backbone.checksum) == (5, 0x8000000A, 0x0E4B)
    assert (backbone.options, backbone.length, backbone.links, stub.links) == (0x22, 48, 2, 0)
    assert backbone.router_links == (
        LsaLink(2, IPv4Address("198.51.100.2"), IPv4Address("198.51.100.1"), 10),
        LsaLink(3, IPv4Address("203.0.113.0"), IPv4Address("255.255.255.128"), 7),
    )
    assert own_router_id(text) == ONE


def test_a_network_lsa_lists_its_routers() -> None:
    text = answer(heading("Net", "0.0.0.0"), header("198.51.100.2", "192.0.2.2") + NET)
    (lsa,) = parse_database({NETWORK: text})
    assert (lsa.prefix_length, lsa.attached, lsa.metric) == (24, (ONE, TWO), None)


def test_the_only_other_router_that_advertises_a_network_is_its_source() -> None:
    net = answer(heading("Net", "0.0.0.0"), header("198.51.100.2", "192.0.2.2") + NET)
    mask = "  Network Mask: /16\r\n        TOS: 0  Metric: 3\r\n\r\n"
    summaries = answer(
        heading("Summary", "0.0.0.0"),
        header("10.9.0.0", "192.0.2.2") + mask,
        header("10.8.0.0", "192.0.2.2") + mask,
        header("10.8.0.0", "192.0.2.3") + mask,
        header("10.7.0.0", "192.0.2.1") + mask,
    )
    lsas = parse_database({NETWORK: net, SUMMARY: summaries})
    assert {lsa.metric for lsa in lsas if lsa.kind == SUMMARY} == {3}
    assert advertisers(lsas, ONE) == {IPv4Network("198.51.100.0/24"): TWO, IPv4Network("10.9.0.0/16"): TWO}


def test_text_that_is_no_database_holds_no_lsa() -> None:
    assert parse_database({ROUTER: "% Unknown command", NETWORK: "", SUMMARY: answer("  LS age: 5\n")}) == ()
