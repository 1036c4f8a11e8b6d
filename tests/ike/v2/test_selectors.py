"""Traffic selectors between two sides (RFC 7296 section 2.9), also packet by packet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seikan.ike.v2 import selectors
from seikan.wire.selector import ANY_IPV4, ANY_IPV6, Selector
from seikan.wire.v2.payloads import TrafficSelector, TrafficSelectors

GRE, TCP = 47, 6


def row(local: str, remote: str, protocol: int = 0, local_port: int = 0, remote_port: int = 0) -> Selector:
    return Selector(ip_network(local), ip_network(remote), protocol, local_port, remote_port)


def member(addresses: str, protocol: int = 0, ports: tuple[int, int] = (0, 65535)) -> TrafficSelector:
    """`addresses` as FIRST-LAST or as a network."""
    if "-" in addresses:
        first, last = (ip_address(text) for text in addresses.split("-"))
        return TrafficSelector(protocol, *ports, first, last)
    network = ip_network(addresses)
    return TrafficSelector(protocol, *ports, network.network_address, network.broadcast_address)


def payloads(
    initiators: list[TrafficSelector], responders: list[TrafficSelector]
) -> tuple[TrafficSelectors, TrafficSelectors]:
    return TrafficSelectors(True, tuple(initiators)), TrafficSelectors(False, tuple(responders))


def respond(
    own: list[Selector], initiators: list[TrafficSelector], responders: list[TrafficSelector]
) -> tuple[Selector, ...] | None:
    return selectors.narrow(own, *payloads(initiators, responders), initiator=False)


# Few addresses and ports, so that they meet often.
_networks = st.builds(
    lambda bits, first: IPv4Network((first >> bits << bits, 32 - bits)),
    st.sampled_from([0, 1, 2, 3, 4, 32]),
    st.integers(0x0A000000, 0x0A00000F),
)
_selectors = st.builds(
    lambda local, remote, ports: Selector(local, remote, *ports),
    _networks,
    _networks,
    st.sampled_from([(0, 0, 0), (TCP, 0, 0), (TCP, 80, 0), (TCP, 0, 443), (TCP, 80, 443), (GRE, 0, 0)]),
)
_ranges = st.builds(
    lambda one, other, rest: TrafficSelector(
        rest[0], rest[1], rest[2], IPv4Address(min(one, other)), IPv4Address(max(one, other))
    ),
    st.integers(0x0A000000, 0x0A00000F),
    st.integers(0x0A000000, 0x0A00000F),
    st.sampled_from([(0, 0, 65535), (TCP, 0, 65535), (TCP, 80, 80), (TCP, 443, 443), (TCP, 1, 1024), (GRE, 0, 65535)]),
)
_packets = st.tuples(
    st.integers(0x0A000000, 0x0A00000F).map(IPv4Address),
    st.integers(0x0A000000, 0x0A00000F).map(IPv4Address),
    st.sampled_from([(TCP, 80, 443), (TCP, 80, 5000), (GRE, 0, 0), (17, 53, 53)]),
)

Packet = tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address, tuple[int, int, int]]


def carries(selector: Selector, packet: Packet) -> bool:
    local, remote, (protocol, here, there) = packet
    return (
        local in selector.local
        and remote in selector.remote
        and selector.protocol in (0, protocol)
        and selector.local_port in (0, here)
        and selector.remote_port in (0, there)
    )


def asks(one: TrafficSelector, address: IPv4Address | IPv6Address, protocol: int, port: int) -> bool:
    return (
        one.start <= address <= one.end  # type: ignore[operator]
        and one.protocol in (0, protocol)
        and one.start_port <= port <= one.end_port
    )


@settings(max_examples=60)
@given(
    st.lists(_selectors, min_size=1, max_size=3), st.lists(_ranges, max_size=3), st.lists(_ranges, max_size=3), _packets
)
def test_a_responder_grants_nothing_but_what_is_asked_for_and_its_own(
    own: list[Selector], initiators: list[TrafficSelector], responders: list[TrafficSelector], packet: Packet
) -> None:
    found = respond(own, initiators, responders) or ()
    local, remote, (protocol, here, there) = packet
    granted = selectors.answer(found)
    # The peer reads the two payloads as all pairs of their members, so that is what has to be allowed.
    if any(asks(one, remote, protocol, there) for one in granted[0].selectors) and any(
        asks(one, local, protocol, here) for one in granted[1].selectors
    ):
        assert any(carries(one, packet) for one in own)
        assert any(asks(one, remote, protocol, there) for one in initiators)
        assert any(asks(one, local, protocol, here) for one in responders)


@settings(max_examples=60)
@given(st.lists(_selectors, min_size=1, max_size=3), _selectors)
def test_an_initiator_takes_what_a_responder_grants(own: list[Selector], theirs: Selector) -> None:
    found = selectors.narrow(own, *selectors.offer([theirs]), initiator=False)
    if found is None:
        assert not any(one.meets(theirs.mirrored()) for one in own)
        return
    back = selectors.narrow([theirs], *selectors.answer(found), initiator=True)
    assert back is not None
    assert {one.mirrored() for one in back} == set(found)


def test_an_initiator_refuses_pairs_that_it_did_not_mean() -> None:
    """Two selectors of one family make four pairs on the wire; the one below is none of ours."""
    own = [row("10.0.0.0/32", "10.1.0.0/32"), row("10.0.0.1/32", "10.1.0.1/32")]
    assert selectors.narrow(own, *payloads([member("10.0.0.0/32")], [member("10.1.0.1/32")]), initiator=True) is None


@settings(max_examples=60)
@given(st.lists(_selectors, min_size=1, max_size=3), _packets, _networks, _networks)
def test_the_packet_that_triggered_it_is_granted(
    own: list[Selector], packet: Packet, wide: IPv4Network, other: IPv4Network
) -> None:
    local, remote, (protocol, here, there) = packet
    if not (here and there):
        return
    found = respond(
        own,
        [member(f"{remote}/32", protocol, (there, there)), member(str(wide))],
        [member(f"{local}/32", protocol, (here, here)), member(str(other))],
    )
    if any(carries(one, packet) for one in own):
        assert found is not None
        assert any(carries(one, packet) for one in found)


def test_a_tunnel_of_both_families_asks_for_both() -> None:
    tsi, tsr = selectors.offer((ANY_IPV4, ANY_IPV6))
    assert tsi.initiator
    assert not tsr.initiator
    assert [str(one.end) for one in tsi.selectors] == [
        "255.255.255.255",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]
    assert selectors.narrow([ANY_IPV4, ANY_IPV6], tsi, tsr, initiator=False) == (ANY_IPV4, ANY_IPV6)
    assert selectors.narrow([ANY_IPV4], tsi, tsr, initiator=False) == (ANY_IPV4,)
    assert selectors.narrow([ANY_IPV6], tsi, tsr, initiator=False) == (ANY_IPV6,)
    assert selectors.read(tsi, tsr, initiator=False) == (ANY_IPV4, ANY_IPV6)


def test_a_peer_that_asks_for_its_own_pair_of_hosts_first() -> None:
    hosts = [member("192.0.2.1/32", TCP, (4000, 4000)), member("0.0.0.0/0")]
    assert respond([ANY_IPV4], hosts, [member("198.51.100.1/32", TCP, (80, 80)), member("0.0.0.0/0")]) == (ANY_IPV4,)
    gre = row("198.51.100.1/32", "192.0.2.1/32", GRE)
    assert respond([gre], [member("192.0.2.1/32"), member("0.0.0.0/0")], [member("0.0.0.0/0", GRE)]) == (gre,)


def test_the_policy_of_the_triggering_packet_is_the_one_that_counts() -> None:
    own = [row("10.0.0.0/8", "10.1.0.0/16"), row("172.16.0.0/12", "10.2.0.0/16")]
    found = respond(
        own,
        [member("10.2.0.5/32", TCP, (99, 99)), member("10.0.0.0/8")],
        [member("172.16.0.9/32", TCP, (22, 22)), member("0.0.0.0/0")],
    )
    assert found == (own[1],), "both together would grant 10.0.0.0/8 to 10.2.0.0/16 too"


def test_ranges_become_the_largest_networks_inside() -> None:
    found = respond([ANY_IPV4], [member("10.0.0.1-10.0.0.200")], [member("10.9.0.0/16")])
    assert found is not None
    assert len(found) == selectors.MOST_BLOCKS
    assert {str(one.remote) for one in found} == {"10.0.0.16/28", "10.0.0.32/27", "10.0.0.64/26", "10.0.0.128/26"}
    whole = respond([ANY_IPV4], [member("10.0.0.0-10.0.2.255")], [member("0.0.0.0/0")])
    assert whole is not None
    assert {str(one.remote) for one in whole} == {"10.0.0.0/23", "10.0.2.0/24"}


@pytest.mark.parametrize(
    "asked",
    [
        member("10.0.0.9-10.0.0.1"),
        member("10.0.0.0/24", TCP, (1000, 2000)),
        member("10.0.0.0/24", TCP, (65535, 0)),
        member("2001:db8::/32"),
        member("172.16.0.0/12"),
    ],
    ids=["backwards", "ports", "opaque", "family", "elsewhere"],
)
def test_what_cannot_be_granted(asked: TrafficSelector) -> None:
    assert respond([row("192.168.0.0/16", "10.0.0.0/8")], [asked], [member("192.168.0.0/16")]) is None


@pytest.mark.parametrize(
    ("initiators", "responders"),
    [
        ("192.168.0.0/16", "10.0.0.0/8"),
        ("192.168.0.0/24", "0.0.0.0/0"),
        ("192.168.0.0-192.169.0.0", "10.0.0.0/24"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_an_initiator_refuses_more_than_it_asked_for(initiators: str, responders: str) -> None:
    own = [row("192.168.0.0/24", "10.0.0.0/8")]
    answer = payloads([member(initiators)], [member(responders)])
    assert selectors.narrow(own, *answer, initiator=True) is None
    assert selectors.narrow(own, *payloads([], []), initiator=True) is None


def test_whether_all_was_granted_can_be_asked() -> None:
    asked = payloads([member("10.0.0.0/8")], [member("192.168.0.0/16")])
    own = [row("192.168.0.0/16", "10.1.0.0/16")]
    found = selectors.narrow(own, *asked, initiator=False)
    assert found == (own[0],)
    assert not selectors.covers(found, *asked, initiator=False)
    assert selectors.covers(found, *selectors.answer(found), initiator=False)


def test_a_flood_of_selectors_stays_small() -> None:
    many = [member(f"10.{number}.0.1-10.{number}.255.254") for number in range(255)]
    found = respond([ANY_IPV4], many, many)
    assert found is not None
    assert len(found) == selectors.MOST_SELECTORS


def test_what_a_message_says() -> None:
    own = [row("192.168.0.0/16", "10.0.0.0/8")]
    asked = payloads([member("172.16.0.0/12", TCP, (22, 22)), member("10.0.0.1-10.0.0.9")], [member("2001:db8::/32")])
    (mismatch,) = selectors.explain(own, *asked, initiator=False)
    assert mismatch.local == "192.168.0.0/255.255.0.0/0/0 to 10.0.0.0/255.0.0.0/0/0"
    assert mismatch.remote == "2001:db8::/32/0/0 to 172.16.0.0/255.240.0.0/6/22, 10.0.0.1-10.0.0.9/0/0"
