"""show crypto ikev2 …: its SAs and sessions, and what it is configured to negotiate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import address_text, argument, counters, joined, pad
from seikan.cli.status import CryptoStatus, Ikev2Sa, IpsecSa, Need, Status
from seikan.config.defaults_ikev2 import DEFAULT, every_policy, every_proposal
from seikan.config.model import Config
from seikan.config.model_ikev2 import (
    Ikev2Dpd,
    Ikev2Identity,
    Ikev2Match,
    Ikev2Policy,
    Ikev2Profile,
    Ikev2Proposal,
)
from seikan.wire.constants import (
    ENCRYPTION_BY_NAME,
    GROUP_BY_NUMBER,
    HASH_BY_NAME,
    INTEGRITY_BY_NAME,
    Encryption,
    Group,
    Hash,
    Integrity,
)
from seikan.wire.selector import Network, Selector

CRYPTO = frozenset({Need.CRYPTO})
NOTHING: frozenset[Need] = frozenset()

_TABLE = "Tunnel-id Local                 Remote                fvrf/ivrf            Status "
_TABLE_IPV6 = "Tunnel-id    fvrf/ivrf              Status"
_NO_VRF = "none/none"
_HIGHEST_PORT = 65535


# --- words ------------------------------------------------------------------------------------------------------------


def cipher_words(row: Encryption | None) -> tuple[str, str]:
    """`AES-CBC` and the size of its key in bits, as in `Encr: AES-CBC, keysize: 256`."""
    if row is None:
        return "None", "0"
    name = row.ios_proposal or row.name
    return name.removesuffix(f"-{row.key_bits}").upper(), str(row.key_bits)


def hash_words(row: Hash | Integrity | None) -> str:
    """`SHA256`; of HMAC-SHA1 the 96 bits that are sent: `SHA96`."""
    if row is None:
        return "None"
    return "SHA96" if isinstance(row, Integrity) and row.ios_proposal == "sha1" else row.ios_proposal.upper()


def group_words(row: Group) -> str:
    """`DH_GROUP_2048_MODP/Group 14`, `DH_GROUP_256_ECP/Group 19`."""
    if row.name.startswith("modp"):
        name = f"{row.name.removeprefix('modp')}_MODP"
    elif row.name.startswith("ecp"):
        name = f"{row.name.removeprefix('ecp')}_ECP"
    else:
        name = row.name.upper()
    return f"DH_GROUP_{name}/Group {row.number}"


def _group_name(number: int) -> str:
    row = GROUP_BY_NUMBER.get(number)
    return row.name.upper() if row is not None else str(number)


# --- SAs --------------------------------------------------------------------------------------------------------------


def _crypto(status: Status) -> CryptoStatus:
    return status.crypto or CryptoStatus(isakmp_enabled=False, isakmp_sas=(), tunnels=())


def _chosen(status: Status, arguments: Arguments) -> list[Ikev2Sa]:
    remote, local = argument(arguments, "remote"), argument(arguments, "local")
    return [sa for sa in _crypto(status).ikev2_sas if remote in (None, sa.remote) and local in (None, sa.local)]


def _suite(sa: Ikev2Sa) -> Iterator[str]:
    cipher, bits = cipher_words(sa.encryption)
    quantum = ", QR" if sa.ppk else ""
    yield (
        f"      Encr: {cipher}, keysize: {bits}, PRF: {hash_words(sa.prf)}, Hash: {hash_words(sa.integrity)}, "
        f"DH Grp:{sa.group or 0}, Auth sign: {sa.local_authentication or 'Unknown - 0'}, "
        f"Auth verify: {sa.remote_authentication or 'Unknown - 0'}{quantum}"
    )
    if sa.additional_groups:
        yield f"      PQC Key Exchange: {' '.join(map(_group_name, sa.additional_groups))}"
    yield f"      Life/Active Time: {sa.lifetime}/{int(sa.active or 0)} sec"


def _head(sa: Ikev2Sa) -> Iterator[str]:
    local = f"{address_text(sa.local)}/{sa.local_port}"
    remote = f"{address_text(sa.remote)}/{sa.remote_port}"
    if sa.local.version == 4:
        yield _TABLE
        yield f"{sa.tunnel_id:<10}{pad(local, 22)}{pad(remote, 22)}{_NO_VRF:<21}{pad(sa.state, 7)}"
        return
    yield _TABLE_IPV6
    yield f"{sa.tunnel_id:<11}{_NO_VRF:<22}{pad(sa.state, 7)}"
    yield f"Local  {local}"
    yield f"Remote {remote}"


def _pair(left: str, right: str) -> str:
    return f"      {left:<34}{right}"


def _detail(status: Status, sa: Ikev2Sa) -> Iterator[str]:
    local, remote = sa.spis if sa.initiator else sa.spis[::-1]
    mine, its = sa.message_ids
    dpd = _dpd_of(status.running, sa.profile)
    yield f"      CE id: 0, Session-id: {sa.tunnel_id}"
    yield f"      Local spi: {local.hex().upper()}       Remote spi: {remote.hex().upper()}"
    done = {"READY": "Negotiation done", "DELETE": "Being deleted"}.get(sa.state, "Negotiation in progress")
    yield f"      Status Description: {done}"
    yield f"      Local id: {sa.local_identity or 'none'}"
    yield f"      Remote id: {sa.peer_identity or 'none'}"
    yield _pair(f"Local req msg id:  {mine}", f"Remote req msg id:  {its}")
    yield _pair(f"Local next msg id: {mine}", f"Remote next msg id: {its}")
    yield _pair(f"Local req queued:  {mine}", f"Remote req queued:  {its}")
    yield _pair(f"Local window:      {sa.window}", f"Remote window:      {sa.window}")
    yield f"      DPD configured for {sa.dpd} seconds, retry {dpd.retry if dpd and sa.dpd else 0}"
    yield f"      {'IETF Std Fragmentation ' if sa.fragmentation else 'Fragmentation not '} configured."
    if sa.additional_groups:
        yield f"      Quantum-safe Encryption using PQC: {' '.join(map(_group_name, sa.additional_groups))}"
    if sa.ppk:
        yield "      Quantum-Safe Encryption using PPK is enabled"
    yield "      Dynamic Route Update: disabled"
    yield "      Extended Authentication not configured."
    where = joined(("inside" if sa.nat_local else "", "outside" if sa.nat_remote else ""))
    yield f"      NAT-T is detected {where}" if where else "      NAT-T is not detected"
    yield "      Cisco Trust Security SGT is disabled"
    yield f"      Initiator of SA : {'Yes' if sa.initiator else 'No'}"
    yield f"      MOBIKE: {'agreed' if sa.mobike else 'not agreed'}, resumed: {'yes' if sa.resumed else 'no'}"
    expires = "unknown" if sa.expires is None else f"{int(sa.expires)} sec"
    yield f"      Rekeys: {sa.rekeys}, expires in: {expires}, profile: {sa.profile or 'none'}, for: {sa.tunnel}"


def _dpd_of(config: Config, profile: str | None) -> Ikev2Dpd | None:
    found = config.ikev2.profiles.get(profile or "")
    return (found.dpd if found is not None else None) or config.ikev2.dpd


def show_sa(status: Status, arguments: Arguments) -> Iterator[str]:
    sas = _chosen(status, arguments)
    for version in (4, 6):
        yield f" IPv{version} Crypto IKEv2  SA "
        yield ""
        for sa in sas:
            if sa.local.version != version:
                continue
            yield from _head(sa)
            yield from _suite(sa)
            if "detailed" in arguments:
                yield from _detail(status, sa)
            yield ""


# --- sessions ---------------------------------------------------------------------------------------------------------


def _range(network: Network, port: int) -> str:
    low, high = (port, port) if port else (0, _HIGHEST_PORT)
    first, last = address_text(network.network_address), address_text(network.broadcast_address)
    return f"{first}/{low} - {last}/{high}"


def _children(status: Status, sa: Ikev2Sa) -> Iterator[tuple[tuple[int, int], Selector | None, IpsecSa | None]]:
    """The pairs of an IKE SA, each with its traffic and its inbound SA."""
    by_spi = {
        child.spi: (flow.selector, child)
        for tunnel in _crypto(status).tunnels
        for flow in tunnel.flows
        for child in flow.sas
        if child.inbound
    }
    for spis in sa.child_spis:
        selector, child = by_spi.get(spis[0], (None, None))
        yield spis, selector, child


def _session(status: Status, sa: Ikev2Sa, detailed: bool) -> Iterator[str]:
    word = "UP-ACTIVE" if sa.child_spis else "UP-IDLE" if sa.state == "READY" else "DOWN-NEGOTIATING"
    yield f"Session-id:{sa.tunnel_id}, Status:{word}, IKE count:1, CHILD count:{len(sa.child_spis)}"
    yield ""
    yield from _head(sa)
    yield from _suite(sa)
    if detailed:
        yield from _detail(status, sa)
    for (inbound, outbound), selector, child in _children(status, sa):
        if selector is not None:
            yield f"Child sa: local selector  {_range(selector.local, selector.local_port)}"
            yield f"          remote selector {_range(selector.remote, selector.remote_port)}"
        else:
            yield "Child sa:"
        yield f"          ESP spi in/out: 0x{inbound:X}/0x{outbound:X}  "
        if detailed and child is not None:
            cipher, bits = cipher_words(child.transform.encryption)
            yield "          AH spi in/out: 0x0/0x0  "
            yield "          CPI in/out: 0x0/0x0  "
            yield f"          Encr: {cipher}, keysize: {bits}, esp_hmac: {hash_words(child.transform.integrity)}"
            mode = "transport" if child.transform.transport else "tunnel"
            yield f"          ah_hmac: None, comp: IPCOMP_NONE, mode {mode}"
    yield ""


def show_session(status: Status, arguments: Arguments) -> Iterator[str]:
    for version in (4, 6):
        yield f" IPv{version} Crypto IKEv2 Session "
        yield ""
        for sa in _crypto(status).ikev2_sas:
            if sa.local.version == version:
                yield from _session(status, sa, "detailed" in arguments)


# --- what is configured -----------------------------------------------------------------------------------------------


def _wanted(arguments: Arguments, known: Mapping[str, object], what: str) -> tuple[list[str], list[str]]:
    """The names to show, and what to say where the one that was typed is not there."""
    name = argument(arguments, "name")
    if name is None:
        return list(known), []
    return ([str(name)], []) if str(name) in known else ([], [f"% There is no IKEv2 {what} {name}"])


def _words(names: Iterable[str]) -> str:
    return " ".join(names) or "none"


def _proposal(proposal: Ikev2Proposal) -> Iterator[str]:
    yield f" IKEv2 proposal: {proposal.name} "
    ciphers = [ENCRYPTION_BY_NAME.get(name) for name in proposal.encryption]
    named = zip(proposal.encryption, ciphers, strict=True)
    yield f"     Encryption : {_words((row.ios_proposal if row else name).upper() for name, row in named)}"
    integrities = [hash_words(INTEGRITY_BY_NAME.get(name)) for name in proposal.integrity if name in INTEGRITY_BY_NAME]
    integrities += ["MD596"] * ("md5" in proposal.integrity)
    yield f"     Integrity  : {_words(integrities)}"
    prfs = [HASH_BY_NAME[name].ios_proposal.upper() for name in proposal.prf if name in HASH_BY_NAME]
    implied = [name for name in proposal.integrity if name in INTEGRITY_BY_NAME]
    prfs = prfs or [INTEGRITY_BY_NAME[name].ios_proposal.upper() for name in implied]
    yield f"     PRF        : {_words(prfs)}"
    groups = [(number, GROUP_BY_NUMBER.get(number)) for number in proposal.groups]
    yield f"     DH Group   : {_words(group_words(row) if row else f'Group {number}' for number, row in groups)}"
    for number, exchanges in sorted(proposal.additional.items()):
        optional = " Optional" if 0 in exchanges else ""
        names = " ".join(_group_name(exchange) for exchange in exchanges if exchange)
        yield f"     PQC Key Exchange{f' {number}' if number > 1 else ''}: {names}{optional}"
    weak = [row.weak for row in (*ciphers, *(row for _, row in groups)) if row is not None and row.weak]
    for reason in dict.fromkeys(weak):
        yield f"     weak       : {reason}"


def show_proposal(status: Status, arguments: Arguments) -> Iterator[str]:
    proposals = every_proposal(status.running.ikev2)
    names, wrong = _wanted(arguments, proposals, "proposal")
    yield from wrong
    for name in names:
        yield from _proposal(proposals[name])


def _policy(policy: Ikev2Policy) -> Iterator[str]:
    yield f" IKEv2 policy : {policy.name}"
    yield f"      Match fvrf : {policy.fvrf or ('any' if policy.name == DEFAULT else 'global')}"
    for address in policy.local_addresses or (None,):
        yield f"      Match address local : {address_text(address, 'any')}"
    for name in policy.proposals or (DEFAULT,):
        yield f"      Proposal    : {name}"


def show_policy(status: Status, arguments: Arguments) -> Iterator[str]:
    policies = every_policy(status.running.ikev2)
    names, wrong = _wanted(arguments, policies, "policy")
    yield from wrong
    for name in names:
        yield ""
        yield from _policy(policies[name])


def _matched(match: Ikev2Match) -> str:
    """One line below `Identities:`, in the words of `match identity remote`."""
    if match.any:
        return "any"
    if match.network is not None:
        mask = match.network.netmask if isinstance(match.network, IPv4Network) else f"/{match.network.prefixlen}"
        return f"address {address_text(match.network.network_address)} {mask}"
    named = (
        ("fqdn", match.fqdn),
        ("fqdn domain", match.domain),
        ("email", match.email),
        ("email domain", match.email_domain),
        ("key-id", match.key_id),
    )
    return next((f"{kind} {name}" for kind, name in named if name is not None), "")


def _identity(identity: Ikev2Identity | None) -> str:
    return "none" if identity is None else joined((identity.kind, identity.value or ""))


def _dpd(dpd: Ikev2Dpd | None) -> str:
    if dpd is None:
        return "disabled"
    return f"interval {dpd.interval}, retry-interval {dpd.retry}, {'periodic' if dpd.periodic else 'on-demand'}"


def _references(status: Status, name: str) -> int:
    """How many IPsec profiles, crypto map entries and IKEv2 SAs use a profile."""
    config = status.running
    entries = [entry for owner in config.crypto_maps.values() for entry in owner.entries.values()]
    entries += [entry for template in config.dynamic_maps.values() for entry in template.entries.values()]
    users = [profile.ikev2_profile for profile in config.ipsec.profiles.values()]
    users += [entry.ikev2_profile for entry in entries]
    users += [sa.profile for sa in _crypto(status).ikev2_sas]
    return users.count(name)


def _profile(status: Status, profile: Ikev2Profile) -> Iterator[str]:
    yield f"IKEv2 profile: {profile.name}"
    if profile.description:
        yield f" Description: {profile.description}"
    yield f" Ref Count: {_references(status, profile.name)}"
    yield " Match criteria: "
    yield f"  Fvrf: {profile.match_fvrf or 'global'}"
    yield "  Local address/interface: " + ("none" if not profile.match_local else "")
    for local in profile.match_local:
        yield f"   {local if isinstance(local, str) else address_text(local)}"
    yield "  Identities: " + ("none" if not profile.identities else "")
    for identity in profile.identities:
        yield f"   {_matched(identity)} "
    yield "  Certificate maps: " + ("none" if not profile.certificate_maps else "")
    for name in profile.certificate_maps:
        yield f"   {name}"
    yield f" Local identity: {_identity(profile.identity_local)}"
    yield " Remote identity: none"
    yield f" Local authentication method: {profile.local_authentication or 'none'}"
    yield f" Remote authentication method(s): {_words(profile.remote_authentications)}"
    yield " EAP options: none"
    yield f" Keyring: {profile.keyring or 'none'}"
    trustpoints = dict.fromkeys((profile.sign_trustpoint or "", *profile.verify_trustpoints))
    yield f" Trustpoint(s): {_words(name for name in trustpoints if name)}"
    yield f" Lifetime: {profile.lifetime or Ikev2Profile.DEFAULT_LIFETIME} seconds"
    yield f" DPD: {_dpd(profile.dpd)}"
    yield f" NAT-keepalive: {f'{profile.nat_keepalive} seconds' if profile.nat_keepalive else 'disabled'}"
    yield f" Ivrf: {profile.ivrf or 'none'}"
    yield f" Virtual-template: {profile.virtual_template or 'none'}"
    yield " mode auto: none"
    yield " AAA AnyConnect EAP authentication mlist: none"
    yield " AAA EAP authentication mlist: none"
    yield " AAA Accounting: none"
    yield " AAA group authorization: none"
    yield " AAA user authorization: none"
    if profile.shutdown:
        yield " Shutdown: nobody can use it"


def show_profile(status: Status, arguments: Arguments) -> Iterator[str]:
    profiles = status.running.ikev2.profiles
    names, wrong = _wanted(arguments, profiles, "profile")
    yield from wrong
    for name in names:
        yield ""
        yield from _profile(status, profiles[name])


# --- statistics -------------------------------------------------------------------------------------------------------

_RULE = "-" * 80


def show_stats(status: Status, arguments: Arguments) -> Iterator[str]:
    """SAs and requests in IOS's table, then every counter of IKEv2 by its name."""
    crypto = _crypto(status)
    counted = {name: count for name, count in crypto.counters.items() if name.startswith("ikev2")}
    ikev2 = status.running.ikev2
    yield _RULE
    yield f"{'':<26}Crypto IKEv2 SA Statistics"
    yield _RULE
    limits = f"Max IKEv2 SAs: {ikev2.max_sas or 0:<8}Max in nego(in/out): {ikev2.max_negotiating or 0}"
    yield f"System Resource Limit:   0        {limits}"
    for word, initiator in (("incoming", False), ("outgoing", True)):
        sas = [sa for sa in crypto.ikev2_sas if sa.initiator is initiator]
        active = sum(sa.state == "READY" for sa in sas)
        yield (
            f"Total {word} IKEv2 SA Count:    {len(sas):<9}active:        {active:<9}"
            f"negotiating: {len(sas) - active:<6}"
        )
    quantum = sum(bool(sa.ppk or sa.additional_groups) for sa in crypto.ikev2_sas)
    ppk = sum(sa.ppk for sa in crypto.ikev2_sas)
    yield f"Sessions with Quantum Resistance: {quantum:<8} Manual: {ppk:<8} Dynamic: 0"
    yield from counters("Counters:", counted)


_HELP = {
    "show": "Show running system information",
    "crypto": "Encryption module",
    "ikev2": "Show IKEv2 details",
    "sa": "Show IKEv2 SAs",
    "session": "Show IKEv2 active sessions",
    "detailed": "Show detailed information",
    "remote": "Show the SAs with one peer",
    "local": "Show the SAs of one address of this router",
    "<remote>": "Address of the peer",
    "<local>": "Address of this router",
    "proposal": "Show IKEv2 proposals",
    "policy": "Show IKEv2 policies",
    "profile": "Show IKEv2 profiles",
    "<name>": "Name",
    "stats": "Show IKEv2 SA statistics and counters",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show crypto ikev2 sa [detailed]", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ikev2 sa remote (<remote:ipv4>|<remote:ipv6>) [detailed]", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ikev2 sa local (<local:ipv4>|<local:ipv6>) [detailed]", _HELP, CRYPTO, show_sa),
    ShowCommand("show crypto ikev2 session [detailed]", _HELP, CRYPTO, show_session),
    ShowCommand("show crypto ikev2 proposal [<name:word>]", _HELP, NOTHING, show_proposal),
    ShowCommand("show crypto ikev2 policy [<name:word>]", _HELP, NOTHING, show_policy),
    ShowCommand("show crypto ikev2 profile [<name:word>]", _HELP, CRYPTO, show_profile),
    ShowCommand("show crypto ikev2 stats", _HELP, CRYPTO, show_stats),
)
