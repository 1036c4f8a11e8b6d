"""Checks of a whole configuration: what refuses a change, and what a reader should know.

What keeps a tunnel, a crypto map or a profile from working is asked here too, by whoever carries the configuration
out: `tunnel_problems`, `map_problems`, `entry_problems`, `dynamic_problems`, `profile_problems` and
`ikev2_profile_problems`.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network

from seikan.config.model import Config, Interface
from seikan.config.names import is_template
from seikan.config.problem import Places, Problem, Severity
from seikan.config.references import Found, missing, missing_references
from seikan.config.validate_crypto import crypto, never_negotiated, profile_problems, unusable_policy
from seikan.config.validate_ikev2 import ikev2, ikev2_profile_problems, unusable_proposal
from seikan.config.validate_maps import dynamic_problems, entry_problems, map_problems, maps
from seikan.config.validate_nat import nat
from seikan.config.validate_tunnels import tunnel_problems, tunnels

__all__ = [
    "dynamic_problems",
    "entry_problems",
    "ikev2_profile_problems",
    "map_problems",
    "missing_references",
    "mtu_warnings",
    "never_negotiated",
    "profile_problems",
    "tunnel_problems",
    "unusable_policy",
    "unusable_proposal",
    "validate",
]


def validate(config: Config, places: Places | None = None) -> tuple[Problem, ...]:
    """Errors, which refuse a change, and warnings; empty for a configuration without fault.

    With the `places` of the file that was read each problem names the line of its section.
    """
    at = Places() if places is None else places
    errors = (at.problem(Severity.ERROR, *found) for found in (*_overlaps(config), *_unnumbered(config)))
    warnings = (
        at.problem(Severity.WARNING, *found)
        for found in (*missing(config), *tunnels(config), *crypto(config), *ikev2(config), *maps(config), *nat(config))
    )
    return (*errors, *warnings)


def _interface(name: str) -> str:
    return f"interface {name}"


# --- addresses -------------------------------------------------------------------------------------


def _overlaps(config: Config) -> Found:
    """Networks are nested or apart, so in order of address only those that are still open can hold the next."""
    owned: list[tuple[IPv4Network, int, str, IPv4Interface]] = []
    for at, interface in enumerate(config.interfaces.values()):
        if is_template(interface.name):
            continue  # it has no device; that its copies would have the address is told of it
        owned += [
            (held.network, at, interface.name, held)
            for held in (interface.address, *interface.secondary)
            if held is not None
        ]
    around: list[tuple[IPv4Network, int, str, IPv4Interface]] = []
    for entry in sorted(owned, key=lambda held: (int(held[0].network_address), held[0].prefixlen, held[1])):
        while around and not around[-1][0].overlaps(entry[0]):
            around.pop()
        for other in around:
            (_, _, first, _), (network, _, second, held) = sorted((other, entry), key=lambda pair: pair[1])
            if first != second:
                yield _interface(second), f"{network.network_address} overlaps with {first} ({second} has {held})"
            elif other[3].ip == entry[3].ip:
                yield _interface(first), f"{first} has {held.ip} twice"
        around.append(entry)


def _unnumbered(config: Config) -> Found:
    for interface in config.interfaces.values():
        lender = config.interfaces.get(interface.unnumbered or "")
        if lender is not None and lender.unnumbered is not None:
            yield (
                _interface(interface.name),
                f"{interface.name}: ip unnumbered {lender.name} cannot borrow from an interface that is itself "
                f"unnumbered: choose {lender.unnumbered}",
            )


# --- OSPF ------------------------------------------------------------------------------------------


def mtu_warnings(before: Interface, config: Config, name: str) -> tuple[str, ...]:
    """What to know where the MTU of a tunnel with OSPF neighbors has changed (RFC 2328 section 10.6)."""
    interface = config.interfaces[name]
    changed = (before.mtu, before.ip_mtu) != (interface.mtu, interface.ip_mtu)
    if not changed or interface.tunnel is None or interface.ospf.mtu_ignore or not meets_neighbors(config, interface):
        return ()
    return (f"{name} runs OSPF: both ends must have the same MTU, or neighbors stay in EXSTART (ip ospf mtu-ignore)",)


def meets_neighbors(config: Config, interface: Interface) -> bool:
    """Whether the interface is in an area of some process and not passive there."""
    lender = config.interfaces.get(interface.unnumbered or "", interface)
    held = [address for address in (lender.address, *lender.secondary) if address is not None]
    for process in config.ospf.values():
        named = interface.ospf.process == process.process or any(
            (int(address.ip) ^ int(network.address)) & ~int(network.wildcard) == 0
            for address in held
            for network in process.networks
        )
        if named and (interface.name in process.passive_interfaces) == process.passive_default:
            return True
    return False
