"""What is protected: flows and their selectors in the words of each show command, and which of them were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from types import MappingProxyType

from seikan.cli.show.command import Arguments
from seikan.cli.show.text import address_text, argument
from seikan.cli.status import Address, CryptoFlow, CryptoTunnel, Status
from seikan.wire.selector import ANY_IPV4, Network, Selector

GRE = 47
_UNKNOWN = IPv4Address(0)
_PROTOCOLS: Mapping[int, str] = MappingProxyType({1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", GRE: "gre", 58: "icmp"})
_PORTED = (6, 17)


def _host(address: Address | None) -> Network:
    known = _UNKNOWN if address is None else address
    return IPv6Network(known) if known.version == 6 else IPv4Network(int(known))


def flows_of(tunnel: CryptoTunnel) -> tuple[CryptoFlow, ...]:
    """Its flows; a tunnel whose ends are not known yet still shows what it is to protect."""
    if tunnel.flows or tunnel.mode == "map":
        return tunnel.flows
    ends = _host(tunnel.local), _host(tunnel.remote)
    alike = ends[0].version == ends[1].version
    selector = Selector(*ends, GRE) if tunnel.mode == "gre" and alike else ANY_IPV4
    return (CryptoFlow(0, selector, False, None, (), 0, 0, 0, 0, 0, 0),)


def chosen_tunnels(status: Status, arguments: Arguments) -> tuple[CryptoTunnel, ...]:
    """Those that the arguments leave: `interface`, `address` and `port` (the peer's), `local`, `map`, `profile`.

    Nobody has a `username` or is of a `group`: those are of remote access, which there is none of.
    """
    if status.crypto is None:
        return ()
    wanted = {name: argument(arguments, name) for name in ("interface", "address", "port", "local", "map", "profile")}
    if any(argument(arguments, name) is not None for name in ("username", "group")):
        return ()

    def fits(tunnel: CryptoTunnel) -> bool:
        own = {
            "interface": tunnel.interface,
            "address": tunnel.remote,
            "port": tunnel.remote_port,
            "local": tunnel.local,
            "map": tunnel.crypto_map_tag,
            "profile": tunnel.isakmp_profile,
        }
        return all(value is None or own[name] == value for name, value in wanted.items())

    return tuple(tunnel for tunnel in status.crypto.tunnels if fits(tunnel))


def _mask(network: Network) -> str:
    """IPv4 as a mask, IPv6 as a length."""
    return str(network.prefixlen) if network.version == 6 else str(network.netmask)


def identity(network: Network, protocol: int, port: int) -> str:
    """`10.1.0.0/255.255.0.0/0/0`, as in `local  ident (addr/mask/prot/port)`."""
    return f"{address_text(network.network_address)}/{_mask(network)}/{protocol}/{port}"


def identities(selector: Selector) -> tuple[str, str]:
    """The local and the remote identity."""
    return (
        identity(selector.local, selector.protocol, selector.local_port),
        identity(selector.remote, selector.protocol, selector.remote_port),
    )


def _session_side(network: Network, port: int) -> str:
    address = address_text(network.network_address)
    side = f"host {address}" if network.prefixlen == network.max_prefixlen else f"{address}/{_mask(network)}"
    return f"{side} port {port}" if port else side


def session_words(selector: Selector) -> str:
    """As behind `IPSEC FLOW:`: `permit ip 10.1.0.0/255.255.0.0 host 10.2.0.1`, protocols by their number."""
    protocol = str(selector.protocol) if selector.protocol else "ip" if selector.local.version == 4 else "ipv6"
    local = _session_side(selector.local, selector.local_port)
    return f"permit {protocol} {local} {_session_side(selector.remote, selector.remote_port)}"


def _list_side(network: Network, port: int, ported: bool) -> str:
    address = address_text(network.network_address)
    if not network.prefixlen:
        side = "any"
    elif network.prefixlen == network.max_prefixlen:
        side = f"host {address}"
    else:
        side = f"{address} {network.hostmask}" if network.version == 4 else f"{address}/{network.prefixlen}"
    return f"{side} eq {port}" if port and ported else side


def list_words(selector: Selector) -> str:
    """As a line of an access list: `permit gre host 10.1.1.1 host 10.1.1.2`."""
    name = _PROTOCOLS.get(selector.protocol, str(selector.protocol)) if selector.protocol else "ip"
    ported = selector.protocol in _PORTED
    local = _list_side(selector.local, selector.local_port, ported)
    return f"permit {name} {local} {_list_side(selector.remote, selector.remote_port, ported)}"


def distinct(flows: Iterable[CryptoFlow]) -> tuple[CryptoFlow, ...]:
    """Each flow once: tunnels that share their SAs have them all."""
    seen: dict[tuple[object, ...], CryptoFlow] = {}
    for flow in flows:
        seen.setdefault((flow.selector, flow.number, *(sa.spi for sa in flow.sas)), flow)
    return tuple(seen.values())
