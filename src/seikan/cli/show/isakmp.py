"""show crypto isakmp …: phase 1, its policies, keys and peers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seikan.cli.show.algorithms import (
    authentication_word,
    describe_authentication,
    describe_encryption,
    describe_group,
    describe_hash,
    encryption_word,
    hash_word,
    obstacles,
    weak_words,
    weaknesses,
)
from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import address_text, age, argument, counters, joined, pad
from seikan.cli.status import CryptoStatus, CryptoTunnel, IsakmpSa, Need, Status
from seikan.config.model import Config, IdentityMatch, IsakmpPolicy, IsakmpProfile, PreSharedKey, SelfIdentity

CRYPTO = frozenset({Need.CRYPTO})
NOTHING: frozenset[Need] = frozenset()

# The built-in policies of IOS 15 (Cisco, "Configuring Internet Key Exchange for IPsec VPNs", default IKE policies).
DEFAULT_POLICIES: tuple[IsakmpPolicy, ...] = tuple(
    IsakmpPolicy(65507 + place, encryption, hash_name, authentication, group)
    for place, (encryption, hash_name, authentication, group) in enumerate(
        (
            ("aes-cbc-128", "sha1", "rsa-sig", 5),
            ("aes-cbc-128", "sha1", "pre-share", 5),
            ("aes-cbc-128", "md5", "rsa-sig", 5),
            ("aes-cbc-128", "md5", "pre-share", 5),
            ("3des-cbc", "sha1", "rsa-sig", 2),
            ("3des-cbc", "sha1", "pre-share", 2),
            ("3des-cbc", "md5", "rsa-sig", 2),
            ("3des-cbc", "md5", "pre-share", 2),
        )
    )
)


def _suite(title: str, policy: IsakmpPolicy) -> Iterator[str]:
    yield f"{title} {policy.priority}"
    yield f"        encryption algorithm:   {describe_encryption(policy)}"
    yield f"        hash algorithm:         {describe_hash(policy)}"
    yield f"        authentication method:  {describe_authentication(policy)}"
    yield f"        Diffie-Hellman group:   {describe_group(policy)}"
    yield f"        lifetime:               {policy.lifetime_seconds} seconds, no volume limit"


def _default_policies() -> Iterator[str]:
    yield "Default IKE policy"
    for policy in DEFAULT_POLICIES:
        yield from _suite("Default protection suite of priority", policy)
        yield f"        not negotiated:         {', '.join(weak_words(policy))} must be typed"


def show_policy(status: Status, arguments: Arguments) -> Iterator[str]:
    policies = status.running.isakmp.policies
    yield ""
    if policies:
        yield "Global IKE policy"
        for number in sorted(policies):
            policy = policies[number]
            yield from _suite("Protection suite of priority", policy)
            for reason in weaknesses(policy):
                yield f"        weak:                   {reason}"
            for reason in obstacles(policy):
                yield f"        not negotiated:         {reason}"
    yield from _default_policies()


def show_default_policy(status: Status, arguments: Arguments) -> Iterator[str]:
    yield ""
    yield from _default_policies()


def _matched(identity: IdentityMatch) -> str:
    """One line of `Identities matched are`."""
    if identity.network is not None:
        mask = identity.network.netmask if identity.network.version == 4 else f"/{identity.network.prefixlen}"
        return joined(("ip-address", address_text(identity.network.network_address), str(mask), identity.vrf or ""))
    named = (
        ("fqdn", identity.host),
        ("fqdn domain", identity.domain),
        ("user-fqdn", identity.user),
        ("user-fqdn domain", identity.user_domain),
        ("group", identity.group),
    )
    return next((f"{kind} {name}" for kind, name in named if name is not None), "")


def _presented(config: Config, identity: SelfIdentity | None) -> str:
    """`ip-address`, or the kind of name and the name."""
    if identity is None:
        identity = SelfIdentity({"hostname": "fqdn"}.get(config.isakmp.identity, config.isakmp.identity))
    if identity.kind in ("fqdn", "user-fqdn"):
        return f"{identity.kind} {identity.name or config.hostname}"
    return "ip-address" if identity.kind == "address" else identity.kind


def _references(status: Status, name: str) -> int:
    """How many profiles, crypto maps and phase 1 SAs use an isakmp profile."""
    config = status.running
    entries = [entry for owner in config.crypto_maps.values() for entry in owner.entries.values()]
    entries += [entry for template in config.dynamic_maps.values() for entry in template.entries.values()]
    users = [profile.isakmp_profile for profile in config.ipsec.profiles.values()]
    users += [entry.isakmp_profile for entry in entries]
    users += [owner.isakmp_profile for owner in config.crypto_maps.values()]
    users += [sa.profile for sa in _crypto(status).isakmp_sas]
    return users.count(name)


def _profile(status: Status, profile: IsakmpProfile) -> Iterator[str]:
    config = status.running
    yield f"IKEv1 PROFILE {profile.name}"
    yield f"Ref Count = {_references(status, profile.name)}"
    if profile.description:
        yield f"   Description: {profile.description}"
    yield "   Identities matched are:"
    for identity in profile.identities:
        yield f"    {_matched(identity)} "
    yield "   Certificate maps matched are:"
    yield f"   Identity presented is: {_presented(config, profile.self_identity)}"
    yield f"   keyring(s): {' '.join(profile.keyrings) or '<none>'}"
    for name in profile.keyrings:
        if name not in config.keyrings:
            yield f"   keyring {name} is not configured"
    yield "   trustpoint(s): <all>"
    if profile.local_address is not None:
        local = profile.local_address
        yield f"   local address: {local if isinstance(local, str) else address_text(local)}"
    if profile.vrf is not None:
        yield f"   vrf: {profile.vrf}"
    if profile.initiate_aggressive:
        yield "   initiate mode: aggressive"
    if profile.keepalive is not None:
        kind = "periodic" if profile.keepalive.periodic else "on-demand"
        yield f"   keepalive: {profile.keepalive.interval} retry {profile.keepalive.retry} {kind}"
    if profile.virtual_template is not None:
        yield f"   virtual-template: {profile.virtual_template}"


def show_profile(status: Status, arguments: Arguments) -> Iterator[str]:
    profiles = status.running.isakmp.profiles
    wanted = argument(arguments, "name")
    if wanted is not None and str(wanted) not in profiles:
        yield f"% There is no ISAKMP profile {wanted}"
        return
    if not profiles:
        yield "No ISAKMP profile is configured; peers are matched by the address of their key."
    for name, profile in profiles.items():
        if wanted in (None, name):
            yield ""
            yield from _profile(status, profile)


def _key_owner(key: PreSharedKey) -> str:
    if key.hostname is not None:
        return key.hostname
    if key.network is not None:
        if key.network.prefixlen == 32:
            return str(key.network.network_address)
        return f"{key.network.network_address!s:<15}[{key.network.netmask!s:<15}]"
    return address_text(key.ipv6_address.ip) + f"/{key.ipv6_address.network.prefixlen}" if key.ipv6_address else ""


def show_key(status: Status, arguments: Arguments) -> Iterator[str]:
    """IOS prints the keys; Seikan prints whose they are, and leaves the keys to the configuration file."""
    rings: list[tuple[str, Iterable[PreSharedKey]]] = [("default", status.running.isakmp.keys)]
    rings += [(ring.name, ring.keys) for ring in status.running.keyrings.values()]
    yield "Keyring      Hostname/Address                            Preshared Key"
    yield ""
    for name, keys in rings:
        label = name
        for key in keys:
            yield f"{pad(label, 13)}{pad(_key_owner(key), 44)}<hidden>"
            label = ""


def _crypto(status: Status) -> CryptoStatus:
    return status.crypto or CryptoStatus(isakmp_enabled=False, isakmp_sas=(), tunnels=())


def _by_version(status: Status) -> tuple[list[IsakmpSa], list[IsakmpSa]]:
    sas = _crypto(status).isakmp_sas
    return [sa for sa in sas if sa.remote.version == 4], [sa for sa in sas if sa.remote.version == 6]


def show_sa(status: Status, arguments: Arguments) -> Iterator[str]:
    """`dst` is the responder and `src` the initiator, as in IOS."""
    ipv4, ipv6 = _by_version(status)
    yield "IPv4 Crypto ISAKMP SA"
    yield "dst             src             state          conn-id status"
    for sa in ipv4:
        source, destination = (sa.local, sa.remote) if sa.initiator else (sa.remote, sa.local)
        yield f"{destination!s:<16}{source!s:<16}{pad(sa.state, 15)}{sa.conn_id:>7} {sa.status}"
    yield ""
    yield "IPv6 Crypto ISAKMP SA"
    yield ""
    for sa in ipv6:
        source, destination = (sa.local, sa.remote) if sa.initiator else (sa.remote, sa.local)
        yield f" dst: {address_text(destination)}"
        yield f" src: {address_text(source)}"
        yield f" state: {pad(sa.state, 15)} conn-id: {sa.conn_id:>6} status: {sa.status}"
        yield ""


def show_sa_of_state(status: Status, arguments: Arguments) -> Iterator[str]:
    """`active` or `standby`, the form of IOS for pairs of routers. There is no other router that stands by."""
    yield "IPv4 Crypto ISAKMP SA"
    yield "dst             src             state          conn-id slot status"
    for sa in _by_version(status)[0] if "standby" not in arguments else ():
        source, destination = (sa.local, sa.remote) if sa.initiator else (sa.remote, sa.local)
        yield f"{destination!s:<16}{source!s:<16}{pad(sa.state, 15)}{sa.conn_id:>7}    0 {sa.status}"


def capabilities(sa: IsakmpSa) -> str:
    """The letters of the `Cap.` and `Capabilities` fields."""
    letters = (("D", sa.keepalive), ("N", sa.nat_traversal), ("F", sa.fragmentation))
    return "".join(letter for letter, present in letters if present)


def _suite_columns(policy: IsakmpPolicy | None) -> str:
    if policy is None:
        return " " * 20
    words = f"{encryption_word(policy):<5}{hash_word(policy):<7}{authentication_word(policy):<5}"
    return f"{words}{policy.group or 1:<3}"


def show_sa_detail(status: Status, arguments: Arguments) -> Iterator[str]:
    yield "Codes: C - IKE configuration mode, D - Dead Peer Detection"
    yield "       K - Keepalives, N - NAT-traversal"
    yield "       T - cTCP encapsulation, X - IKE Extended Authentication"
    yield "       psk - Preshared key, rsig - RSA signature"
    yield "       renc - RSA encryption"
    ipv4, ipv6 = _by_version(status)
    heads = ("IPv4 Crypto ISAKMP SA", ipv4), ("IPv6 Crypto ISAKMP SA", ipv6)
    for head, sas in heads:
        yield head
        yield ""
        if head.startswith("IPv4"):
            yield "C-id  Local           Remote          I-VRF  Status Encr Hash   Auth DH Lifetime Cap."
            yield ""
        for sa in sas:
            suite = _suite_columns(sa.policy)
            life = "" if sa.lifetime_remaining is None else age(sa.lifetime_remaining)
            ends = f"{pad(address_text(sa.local), 16)}{pad(address_text(sa.remote), 16)}"
            state = sa.status.partition(" ")[0]
            yield f"{sa.conn_id:<6}{ends}{'':<7}{pad(state, 7)}{suite}{life:<9}{capabilities(sa):<4}"
            yield f"       Engine-id:Conn-id =  SW:{sa.conn_id % 1000}"
            yield ""


def show_sa_count(status: Status, arguments: Arguments) -> Iterator[str]:
    sas = _crypto(status).isakmp_sas
    dead = sum(sa.status.endswith("(deleted)") for sa in sas)
    active = sum(sa.state == "QM_IDLE" and not sa.status.endswith("(deleted)") for sa in sas)
    yield f"Active ISAKMP SA's: {active}"
    yield "Standby ISAKMP SA's: 0"
    yield f"Currently being negotiated ISAKMP SA's: {len(sas) - dead - active}"
    yield f"Dead ISAKMP SA's: {dead}"


def show_peers(status: Status, arguments: Arguments) -> Iterator[str]:
    address = argument(arguments, "address")
    seen: set[tuple[object, ...]] = set()
    for sa in _crypto(status).isakmp_sas:
        peer = (sa.remote, sa.remote_port, sa.local)
        if peer in seen or (address is not None and sa.remote != address):
            continue
        seen.add(peer)
        yield f"Peer: {address_text(sa.remote)} Port: {sa.remote_port} Local: {address_text(sa.local)}"
        yield f" Phase1 id: {sa.peer_identity or '(none)'}"


def show_counters(status: Status, arguments: Arguments) -> Iterator[str]:
    """Seikan's own: every counter of the engine and every drop, by its name."""
    crypto = _crypto(status)
    yield f"ISAKMP is {'ON' if crypto.isakmp_enabled else 'OFF'}"
    yield from counters("Engine counters:", crypto.counters)
    yield from counters("Drops of no tunnel:", crypto.drops)
    yield from counters("In clear though a crypto map protects it, by interface:", crypto.not_ipsec)
    for tunnel in crypto.tunnels:
        yield from counters(f"Drops of {_owner(tunnel)}:", tunnel.drops)


def _owner(tunnel: CryptoTunnel) -> str:
    if tunnel.mode != "map":
        return tunnel.interface
    entry = joined((tunnel.crypto_map_tag, str(tunnel.map_sequence or "")))
    return f"{tunnel.interface}, crypto map {entry}, peer {address_text(tunnel.remote)}"


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "isakmp": "Show ISAKMP",
    "sa": "Show ISAKMP Security Associations",
    "detail": "Show ISAKMP SA Detail",
    "count": "Show ISAKMP SA count",
    "active": "Show the SAs that this router uses",
    "standby": "Show the SAs that this router holds for another one",
    "tag": "Show one ISAKMP profile",
    "<name>": "Name of the ISAKMP profile",
    "policy": "Show ISAKMP protection suite policy",
    "default": "Show ISAKMP default",
    "profile": "Show ISAKMP profiles",
    "key": "Show ISAKMP preshared keys",
    "peers": "Show ISAKMP peer structures",
    "counters": "Show counters and drops of ISAKMP and of the data plane",
    "stats": "Show counters and drops of ISAKMP and of the data plane",
    "<address>": "IP address of the peer",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto isakmp sa", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto isakmp sa detail", _HELP, CRYPTO, show_sa_detail),
    ShowCommand("show crypto isakmp sa count", _HELP, CRYPTO, show_sa_count),
    ShowCommand("show crypto isakmp sa (active|standby)", _HELP, CRYPTO, show_sa_of_state),
    ShowCommand("show crypto isakmp policy", _HELP, NOTHING, show_policy),
    ShowCommand("show crypto isakmp default policy", _HELP, NOTHING, show_default_policy),
    ShowCommand("show crypto isakmp profile [tag <name:word>]", _HELP, CRYPTO, show_profile),
    ShowCommand("show crypto isakmp key", _HELP, NOTHING, show_key),
    ShowCommand("show crypto isakmp peers [<address:ipv4>|<address:ipv6>]", _HELP, CRYPTO, show_peers),
    ShowCommand("show crypto isakmp counters", _HELP, CRYPTO, show_counters),
    ShowCommand("show crypto isakmp stats", _HELP, CRYPTO, show_counters),
)
