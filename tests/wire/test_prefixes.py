"""Networks by prefix, beside a look at all of them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from seikan.wire.prefixes import Prefixes

# Few bits vary, so that networks lie in each other.
IPV4 = st.integers(0, 15).map(lambda number: IPv4Address(number << 28 | number))
IPV6 = st.integers(0, 15).map(lambda number: IPv6Address(number << 124 | number))
ADDRESSES = st.one_of(IPV4, IPV6)


@st.composite
def networks(draw: st.DrawFn) -> IPv4Network | IPv6Network:
    address = draw(ADDRESSES)
    length = draw(st.sampled_from((0, 1, 2, 4, address.max_prefixlen)))
    if isinstance(address, IPv4Address):
        return IPv4Network((address, length), strict=False)
    return IPv6Network((address, length), strict=False)


@given(st.lists(networks(), max_size=12), ADDRESSES)
def test_the_longest_prefix_comes_first_and_of_one_prefix_the_first(
    held: list[IPv4Network | IPv6Network], address: IPv4Address | IPv6Address
) -> None:
    table: Prefixes[int] = Prefixes()
    for number, network in enumerate(held):
        table.add(network, number)
    fitting = [
        number for number, network in enumerate(held) if network.version == address.version and address in network
    ]
    expected = sorted(fitting, key=lambda number: -held[number].prefixlen)
    hosts = [number for number in expected if held[number].prefixlen == address.max_prefixlen]
    assert list(table.around(address)) == expected
    assert list(table.just(address)) == hosts
    assert list(table.around(address, hosts=False)) == expected[len(hosts) :]
    assert table.closest(address) == next(iter(expected), None)
