"""Checks of a whole configuration: what refuses a change, what a reader should know, and what keeps a tunnel down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from seikan.config.model import Config, Interface, IpsecProfile, IsakmpPolicy, StoredLine, TunnelMode
from seikan.config.names import type_of
from seikan.config.problem import Places, Problem, Severity, without_secrets
from seikan.wire.constants import GROUP_BY_NUMBER

_DEFAULT_SET = "default"
_NAMED = 3  # how many tunnels a warning names


_Found = Iterator[tuple[str, str]]  # the title of the section that it is about, and the text


def validate(config: Config, places: Places | None = None) -> tuple[Problem, ...]:
    """Errors, which refuse a change, and warnings; empty for a configuration without fault.

    With the `places` of the file that was read each problem names the line of its section.
    """
    at = Places() if places is None else places
    errors = (at.problem(Severity.ERROR, *found) for found in (*_overlaps(config), *_unnumbered(config)))
    warnings = (
        at.problem(Severity.WARNING, *found)
        for found in (
            *_missing(config),
            *_same_tunnels(config),
            *_policies(config),
            *_weak_ipsec(config),
            *_downed(config),
        )
    )
    return (*errors, *warnings)


def _interface(name: str) -> str:
    return f"interface {name}"


# --- addresses -------------------------------------------------------------------------------------


def _overlaps(config: Config) -> _Found:
    """Networks are nested or apart, so in order of address only those that are still open can hold the next."""
    owned: list[tuple[IPv4Network, int, str, IPv4Interface]] = []
    for at, interface in enumerate(config.interfaces.values()):
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


def _unnumbered(config: Config) -> _Found:
    for interface in config.interfaces.values():
        lender = config.interfaces.get(interface.unnumbered or "")
        if lender is not None and lender.unnumbered is not None:
            yield (
                _interface(interface.name),
                f"{interface.name}: ip unnumbered {lender.name} cannot borrow from an interface that is itself "
                f"unnumbered: choose {lender.unnumbered}",
            )


# --- references ------------------------------------------------------------------------------------


def missing_references(config: Config) -> tuple[str, ...]:
    """Names that are used and not configured; IOS accepts them in this order, so they are warnings."""
    return tuple(text for _, text in _missing(config))


def _missing(config: Config) -> _Found:
    for profile in config.ipsec.profiles.values():
        for name in _unknown_sets(config, profile):
            title = f"crypto ipsec profile {profile.name}"
            yield title, f"{title}: transform set {name} does not exist"
    for interface in config.interfaces.values():
        title = _interface(interface.name)
        if interface.unnumbered is not None and _absent(config, interface.unnumbered):
            yield title, f"{interface.name}: ip unnumbered {interface.unnumbered}: that interface is not configured"
        tunnel = interface.tunnel
        if tunnel is None:
            continue
        if isinstance(tunnel.source, str) and _absent(config, tunnel.source):
            yield title, f"{interface.name}: tunnel source {tunnel.source}: that interface is not configured"
        if tunnel.protection is not None and tunnel.protection not in config.ipsec.profiles:
            yield title, f"{interface.name}: {_no_profile(tunnel.protection)}"


def _no_profile(name: str) -> str:
    return f"tunnel protection: IPsec profile {name} does not exist (crypto ipsec profile {name})"


def _absent(config: Config, name: str) -> bool:
    """True for an IOS name that is not configured; what Linux names exist only the system knows."""
    return type_of(name) is not None and name not in config.interfaces


def _unknown_sets(config: Config, profile: IpsecProfile) -> list[str]:
    known = config.ipsec.transform_sets
    return [name for name in profile.transform_sets if name not in known and name != _DEFAULT_SET]


# --- OSPF ------------------------------------------------------------------------------------------


def mtu_warnings(before: Interface, config: Config, name: str) -> tuple[str, ...]:
    """What to know where the MTU of a tunnel with OSPF neighbors has changed (RFC 2328 section 10.6)."""
    interface = config.interfaces[name]
    changed = (before.mtu, before.ip_mtu) != (interface.mtu, interface.ip_mtu)
    if not changed or interface.tunnel is None or interface.ospf.mtu_ignore or not _meets_neighbors(config, interface):
        return ()
    return (f"{name} runs OSPF: both ends must have the same MTU, or neighbors stay in EXSTART (ip ospf mtu-ignore)",)


def _meets_neighbors(config: Config, interface: Interface) -> bool:
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


# --- strength --------------------------------------------------------------------------------------


def _policies(config: Config) -> _Found:
    for policy in config.isakmp.policies.values():
        title = f"crypto isakmp policy {policy.priority}"
        never = unusable_policy(policy)
        if never is not None:
            yield title, never
        rows = [(f"hash {policy.hash_row.ios}", policy.hash_row.weak)]
        if policy.encryption_row is not None:
            rows.append((f"encryption {policy.encryption_row.ios_policy}", policy.encryption_row.weak))
        if policy.group_row is not None:
            rows.append((f"group {policy.group_row.number}", policy.group_row.weak))
        for what, why in rows:
            if why:
                yield title, f"{title}: {what} is weak: {why}"


def unusable_policy(policy: IsakmpPolicy) -> str | None:
    """That and why a policy is never negotiated; None where it is."""
    never = list(never_negotiated(policy))
    return f"crypto isakmp policy {policy.priority} is never negotiated: {'; '.join(never)}" if never else None


def never_negotiated(policy: IsakmpPolicy) -> Iterable[str]:
    """Why a policy is not offered or accepted, one text for each attribute; empty where it is."""
    if policy.encryption_row is None:
        yield "encryption des (the default of IOS) is refused by RFC 8247: type encryption aes"
    if policy.group_row is None:
        yield "group 1 (the default of IOS) is refused by RFC 8247: type group 14 or higher"
    if policy.authentication != "pre-share":
        yield f"authentication {policy.authentication or 'rsa-sig'} is not available: type authentication pre-share"


def _weak_ipsec(config: Config) -> _Found:
    for transform_set in config.ipsec.transform_sets.values():
        title = f"crypto ipsec transform-set {transform_set.name}"
        row = transform_set.encryption
        if row is not None and row.weak:
            yield title, f"{title}: {row.ios_transform} is weak: {row.weak}"
        integrity = transform_set.integrity
        if integrity is not None and integrity.weak:
            yield title, f"{title}: {integrity.ios} is weak: {integrity.weak}"
    for profile in config.ipsec.profiles.values():
        title = f"crypto ipsec profile {profile.name}"
        group = GROUP_BY_NUMBER.get(profile.pfs_group or 0)
        if group is not None and group.weak:
            yield title, f"{title}: set pfs group{group.number} is weak: {group.weak}"


# --- tunnels ---------------------------------------------------------------------------------------


def _same_tunnels(config: Config) -> _Found:
    seen: dict[object, str] = {}
    for interface in config.interfaces.values():
        tunnel = interface.tunnel
        if tunnel is None or tunnel.source is None or tunnel.destination is None:
            continue
        identity = (tunnel.source, tunnel.destination, tunnel.mode, tunnel.key)
        if identity in seen:
            text = f"{interface.name} has the same source, destination, mode and key as {seen[identity]}"
            yield _interface(interface.name), text
        seen.setdefault(identity, interface.name)


def _downed(config: Config) -> _Found:
    """Why tunnels stay down, but for what is said elsewhere; once for all tunnels with the same cause."""
    known = set(missing_references(config))
    down: dict[str, list[str]] = {}
    for interface in config.interfaces.values():
        if interface.tunnel is None:
            continue
        misread = _misread(config, interface)
        reasons = [_not_understood(line) for line in misread]
        if len(misread) > 1:
            first = without_secrets(misread[0].text)
            reasons = [f"{len(misread)} lines are not understood, the first is '{first}': correct or remove them"]
        for text in dict.fromkeys((*reasons, *_incomplete(config, interface))):
            if f"{interface.name}: {text}" not in known:
                down.setdefault(text, []).append(interface.name)
    for text, names in down.items():
        listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        yield _interface(names[0]), f"{listed} {'stays' if len(names) == 1 else 'stay'} down: {text}"


def tunnel_problems(config: Config, name: str) -> tuple[str, ...]:
    """Why the configuration keeps tunnel `name` down, whatever its mode; empty where it does not.

    A tunnel whose lines, or whose cryptographic lines, were not all understood stays down: what was
    misread might have protected it better than what was read. GRE tunnels are asked about too, because a
    line that was not understood may have been their protection.
    """
    interface = config.interfaces.get(name)
    if interface is None or interface.tunnel is None:
        return ()
    reasons = (_not_understood(line) for line in _misread(config, interface))
    return tuple(dict.fromkeys((*reasons, *_incomplete(config, interface))))


def _incomplete(config: Config, interface: Interface) -> Iterator[str]:
    tunnel = interface.tunnel
    assert tunnel is not None
    over_ipv6 = tunnel.mode in (TunnelMode.GRE_IPV6, TunnelMode.IPSEC_IPV6)
    for word, address in (("source", tunnel.source), ("destination", tunnel.destination)):
        if address is None or isinstance(address, str) or (address.version == 6) == over_ipv6:
            continue
        yield f"tunnel mode {tunnel.mode.value} needs an IPv{6 if over_ipv6 else 4} {word}, {address} is none"
    if tunnel.protection is None:
        if tunnel.mode.ipsec:
            yield f"tunnel mode {tunnel.mode.value} needs tunnel protection ipsec profile"
        return
    if not tunnel.mode.ipsec:
        yield "tunnel protection with tunnel mode gre is not available: type tunnel mode ipsec ipv4"
    if not config.isakmp.enabled:
        yield "ISAKMP is turned off (no crypto isakmp enable)"
    profile = config.ipsec.profiles.get(tunnel.protection)
    if profile is None:
        yield _no_profile(tunnel.protection)
        return
    unknown = _unknown_sets(config, profile)
    if profile.transform_sets and len(unknown) == len(profile.transform_sets):
        for missing in unknown:
            yield f"IPsec profile {profile.name}: transform set {missing} does not exist"


def _misread(config: Config, interface: Interface) -> list[StoredLine]:
    """The lines that were not understood and may have been about this tunnel or its protection."""
    title, tunnel = _interface(interface.name), interface.tunnel
    profile = None if tunnel is None else tunnel.protection
    return [
        line
        for line in config.stored
        if line.unknown
        and (
            _of_tunnel(line, interface.name, title)
            or (tunnel is not None and profile is not None and _concerns(config, line, profile, tunnel.destination))
        )
    ]


def _of_tunnel(line: StoredLine, name: str, title: str) -> bool:
    if not line.path:
        return _begins(line.text, "interface", name)
    crypto = _begins(line.text, "tunnel") or _begins(line.text, "crypto")
    return line.path[0] == title and (len(line.path) > 1 or crypto)


def _not_understood(line: StoredLine) -> str:
    where = f" in {without_secrets(line.path[0])}" if line.path else ""
    return f"the line '{without_secrets(line.text)}'{where} is not understood: correct it, or remove it with no"


#: Sections of crypto that mean nothing to a tunnel unless a line of its profile names them, which is then unknown too.
_UNRELATED = (
    ("crypto", "isakmp", "profile"),
    ("crypto", "isakmp", "client"),
    ("crypto", "map"),
    ("crypto", "dynamic-map"),
    ("crypto", "ikev2"),
    ("crypto", "pki"),
    ("crypto", "ca"),
    ("crypto", "key"),
    ("crypto", "gdoi"),
    ("crypto", "gkm"),
    ("crypto", "vpn"),
    ("crypto", "ssl"),
    ("crypto", "provisioning"),
    ("crypto", "identity"),
)


def _concerns(config: Config, line: StoredLine, profile_name: str, destination: object) -> bool:
    """Whether an unknown line may have meant the protection of a tunnel with this profile and destination."""
    first = line.path[0] if line.path else line.text
    if not _begins(first, "crypto") or any(_begins(first, *words) for words in _UNRELATED):
        return False
    if _begins(first, "crypto", "ipsec", "profile"):
        return _names(first, 3, (profile_name,))
    if _begins(first, "crypto", "ipsec", "transform-set"):
        profile = config.ipsec.profiles.get(profile_name)
        sets = (profile.transform_sets if profile is not None else ()) or (_DEFAULT_SET,)
        return _names(first, 3, sets)
    if _begins(first, "crypto", "keyring") or _begins(first, "crypto", "isakmp", "key"):
        return _may_match(line.text, destination)
    if _begins(first, "crypto", "isakmp", "peer"):
        return _may_match(first, destination)
    return True


def _begins(text: str, *words: str) -> bool:
    """Whether the line's first words, perhaps abbreviated and behind a `no`, are `words`."""
    typed = text.lower().split()
    if typed[:1] in (["no"], ["default"]):
        typed = typed[1:]
    return len(typed) >= len(words) and all(
        word.lower().startswith(part) for part, word in zip(typed, words, strict=False)
    )


def _names(text: str, at: int, names: Iterable[str]) -> bool:
    typed = text.split()
    if typed[:1] == ["no"]:
        typed = typed[1:]
    return len(typed) <= at or typed[at] in names


def _may_match(text: str, destination: object) -> bool:
    """Whether a line about keys may be for this peer: it names a network around it, or none that can be read."""
    if not isinstance(destination, IPv4Address):
        return True
    words = text.split()
    addresses = [word for word in words if word.count(".") == 3 and word.replace(".", "").isdecimal()]
    try:
        everyone = int(IPv4Address(addresses[0])) == 0
        mask = addresses[1] if len(addresses) > 1 else ("0" if everyone else "32")
        return destination in IPv4Network(f"{addresses[0]}/{mask}", strict=False)
    except (IndexError, ValueError):
        return True
