"""Lines that would mend a failed negotiation, to paste at one end: in words of IOS, and of strongSwan's swanctl.conf.

Names that only the peer knows are those of `PEER`; what stands in angle brackets is for a person to fill in. Nothing
here is secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.config.model_ikev2 import Ikev2Match
from seikan.ike.effects import Address
from seikan.ike.identity import Identity
from seikan.ike.policy import negotiable
from seikan.ike.settings import Ikev2ProposalSettings, PhaseTwo
from seikan.ike.status import Mismatch
from seikan.ike.v2.proposals import usable_sets
from seikan.wire.constants import ENCRYPTIONS, GROUP_BY_NUMBER, GROUPS, HASHES, INTEGRITIES, Group, IdentityType
from seikan.wire.selector import Network, Selector

PEER = "SEIKAN"  # names a proposal, a policy, a transform set at the other end
KEY = "<key>"
Advice = Mapping[str, tuple[str, ...]]  # lines by dialect
IOS, IOS_PEER, SWANCTL_PEER = "ios", "ios-peer", "swanctl-peer"

# What strongSwan calls the rows of `wire.constants`, where it is not what they are called here.
_SWANCTL = {
    "3des-cbc": "3des",
    "aes-cbc-128": "aes128",
    "aes-cbc-192": "aes192",
    "aes-cbc-256": "aes256",
    "aes-gcm-16-128": "aes128gcm16",
    "aes-gcm-16-192": "aes192gcm16",
    "aes-gcm-16-256": "aes256gcm16",
    "chacha20-poly1305": "chacha20poly1305",
    "hmac-sha1-96": "sha1",
    "hmac-sha256-128": "sha256",
    "hmac-sha384-192": "sha384",
    "hmac-sha512-256": "sha512",
    "ml-kem-768": "mlkem768",
    "ml-kem-1024": "mlkem1024",
}
_PROPOSAL_LINES: Mapping[str, frozenset[str]] = {
    "encryption": frozenset(row.ios_proposal for row in ENCRYPTIONS if row.ios_proposal),
    "integrity": frozenset(row.ios_proposal for row in INTEGRITIES),
    "prf": frozenset(row.ios_proposal for row in HASHES),
    "group": frozenset(str(row.number) for row in GROUPS if not row.kem),
}
_WEAK = {
    **{row.ios_proposal: row.weak for row in ENCRYPTIONS if row.weak},
    **{row.ios_proposal: row.weak for row in HASHES if row.weak},
    **{str(row.number): row.weak for row in GROUPS if row.weak},
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the engine knows of a negotiation that failed. `detail` is what it said of it, `name` the tunnel's.

    `own` tells that it is this side's certificate; `subject`, `issuer` and `trustpoint` are of the one in question.
    """

    name: str
    local: Address
    remote: Address
    version: int = 2
    policies: tuple[IsakmpPolicy, ...] = ()
    proposals: tuple[Ikev2ProposalSettings, ...] = ()
    phase_two: PhaseTwo | None = None
    selectors: tuple[Selector, ...] = ()
    profile: str | None = None
    keyring: str | None = None
    peer: str | None = None  # what the keyring calls it
    key_in_profile: bool = False  # `authentication remote pre-share key …`
    matches: tuple[Ikev2Match, ...] = ()
    identity: Identity | None = None  # what the peer says it is
    own_identity: str | None = None
    remote_methods: tuple[str, ...] = ()
    subject: str | None = None
    issuer: str | None = None
    trustpoint: str | None = None
    own: bool = False
    octets: int = 0
    fragmentation: bool = False


def advice(here: Iterable[str] = (), there: Iterable[str] = (), swanctl: Iterable[str] = ()) -> Advice:
    """By dialect, those without a line left out."""
    rows = {IOS: tuple(here), IOS_PEER: tuple(there), SWANCTL_PEER: tuple(swanctl)}
    return {dialect: lines for dialect, lines in rows.items() if lines}


def _swanctl(name: str) -> str:
    return _SWANCTL.get(name, name)


def connection(*lines: str) -> tuple[str, ...]:
    """Lines of the peer's connection in swanctl.conf, whatever it is called there."""
    return ("connections {", "  <connection> {", *(f"    {line}" for line in lines), "  }", "}")


def child(*lines: str) -> tuple[str, ...]:
    """Lines of the peer's child in swanctl.conf."""
    return connection("children {", "  <child> {", *(f"    {line}" for line in lines), "  }", "}")


# --- algorithms -----------------------------------------------------------------------------------------------------


def _additional(row: Ikev2ProposalSettings) -> list[str]:
    words = [
        " ".join("none" if one is None else one.name if one.kem else str(one.number) for one in groups)
        for groups in row.additional
    ]
    return [f" additional-key-exchange {number} {line}" for number, line in enumerate(words, 1) if line]


def proposal_lines(name: str, row: Ikev2ProposalSettings) -> list[str]:
    """A proposal as it is typed in IOS."""
    lines = [f"crypto ikev2 proposal {name}", f" encryption {' '.join(one.ios_proposal for one in row.encryptions)}"]
    if any(not one.aead for one in row.encryptions):
        lines.append(f" integrity {' '.join(one.ios_proposal for one in row.integrities)}")
    lines.append(f" prf {' '.join(one.ios_proposal for one in row.prfs)}")
    lines.append(f" group {' '.join(str(one.number) for one in row.groups)}")
    return lines + _additional(row)


def swanctl_proposal(row: Ikev2ProposalSettings) -> str:
    """A proposal as `proposals` of swanctl.conf; AEAD ciphers and others are two."""
    texts = []
    for aead in dict.fromkeys(one.aead for one in row.encryptions):
        words = [_swanctl(one.name) for one in row.encryptions if one.aead is aead]
        words += [] if aead else [_swanctl(one.name) for one in row.integrities]
        words += [f"prf{one.name}" for one in row.prfs] + [_swanctl(one.name) for one in row.groups]
        for number, groups in enumerate(row.additional, 1):
            words += [f"ke{number}_{'none' if one is None else _swanctl(one.name)}" for one in groups]
        texts.append("-".join(words))
    return ", ".join(texts)


def _strong(row: Ikev2ProposalSettings) -> Ikev2ProposalSettings:
    """Without what nobody should be advised to turn on, unless there is nothing else."""
    return replace(
        row,
        encryptions=tuple(one for one in row.encryptions if not one.weak) or row.encryptions,
        prfs=tuple(one for one in row.prfs if not one.weak) or row.prfs,
        groups=tuple(one for one in row.groups if not one.weak) or row.groups,
    )


def _line_of(row: Ikev2ProposalSettings, attribute: str) -> list[str]:
    return {
        "encryption": [one.ios_proposal for one in row.encryptions],
        "integrity": [one.ios_proposal for one in row.integrities],
        "prf": [one.ios_proposal for one in row.prfs],
        "group": [str(one.number) for one in row.groups],
    }.get(attribute, [])


def _closest(facts: Facts, rows: Sequence[Mismatch]) -> Ikev2ProposalSettings:
    """The proposal that `rows` are about: the one that has all that they say this side has."""
    for proposal in facts.proposals:
        own = {row.attribute: _line_of(proposal, row.attribute.removeprefix("ikev2 ")) for row in rows}
        if all(set(row.local.split(", ")) <= set(own[row.attribute]) for row in rows):
            return proposal
    return facts.proposals[0]


def ikev2_proposal(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Here what the peer has beside our own, there what we have."""
    if not facts.proposals:
        return advice()
    closest = _closest(facts, mismatches)
    here: list[str] = []
    for row in mismatches:
        attribute, theirs = row.attribute.removeprefix("ikev2 "), row.remote.split(", ")
        known = [word for word in theirs if word in _PROPOSAL_LINES.get(attribute, ())]
        if not known:
            here = []
            break
        own = _line_of(closest, attribute)
        here += [f" ! {word} is weak: {_WEAK[word]}" for word in known if word in _WEAK]
        here.append(f" {attribute} {' '.join((*own, *(word for word in known if word not in own)))}")
    if here:
        here.insert(0, f"crypto ikev2 proposal {closest.name}")
    strong = _strong(closest)
    there = [*proposal_lines(PEER, strong), f"crypto ikev2 policy {PEER}", f" proposal {PEER}"]
    return advice(here, there, connection("version = 2", f"proposals = {swanctl_proposal(strong)}"))


def _isakmp_lines(number: int, policy: IsakmpPolicy) -> list[str]:
    encryption, group = policy.encryption_row, policy.group_row
    return [
        f"crypto isakmp policy {number}",
        f" encr {encryption.ios_policy if encryption else 'des'}",
        f" hash {policy.hash_row.ios}",
        " authentication pre-share",
        f" group {group.number if group else 1}",
        f" lifetime {policy.lifetime_seconds}",
    ]


def isakmp_policy(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """As `ikev2_proposal`, of IKEv1."""
    policies = negotiable(facts.policies)
    if not policies:
        return advice(
            ["crypto isakmp policy 10", " encr aes 256", " hash sha256", " authentication pre-share", " group 14"]
        )
    policy = next((row for row in policies if not (row.encryption_row and row.encryption_row.weak)), policies[0])
    theirs = {row.attribute.removeprefix("isakmp "): row.remote for row in mismatches}
    encryption = {row.name: row.ios_policy for row in ENCRYPTIONS if row.ios_policy}
    hashes = {row.name: row.ios for row in HASHES}
    lines: dict[str, Mapping[str, str]] = {
        "encryption": {word: f" encr {typed}" for word, typed in encryption.items()},
        "hash": {word: f" hash {typed}" for word, typed in hashes.items()},
        "authentication": {"pre-share": " authentication pre-share"},
        "group": {word: f" group {word}" for word in _PROPOSAL_LINES["group"]},
    }
    free = max(row.priority for row in facts.policies) + 10
    words = {
        "encryption": policy.encryption_row.name if policy.encryption_row else "",
        "hash": policy.hash_row.name,
        "authentication": "pre-share",
        "group": str(policy.group_row.number) if policy.group_row else "",
        **theirs,
    }
    typed = [known.get(words[name]) for name, known in lines.items()] if set(theirs) <= set(lines) else [None]
    here = [line for line in typed if line is not None]
    cipher = _swanctl(policy.encryption_row.name) if policy.encryption_row else ""
    group = _swanctl(policy.group_row.name) if policy.group_row else ""
    return advice(
        [f"crypto isakmp policy {free}", *here] if theirs and len(here) == len(typed) else (),
        _isakmp_lines(10, policy),
        connection("version = 1", f"proposals = {cipher}-{policy.hash_row.name}-{group}"),
    )


def algorithms(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Of an IKE SA, in either version."""
    return ikev2_proposal(facts, mismatches) if facts.version == 2 else isakmp_policy(facts, mismatches)


def swanctl_esp(phase_two: PhaseTwo) -> str:
    """The transform sets as `esp_proposals` of swanctl.conf."""
    group = GROUP_BY_NUMBER.get(phase_two.pfs_group or 0)
    texts = []
    for row in usable_sets(phase_two.transform_sets):
        words = [_swanctl(row.encryption.name)] if row.encryption else []
        words += (
            [_swanctl(row.integrity.name)] if row.integrity and not (row.encryption and row.encryption.aead) else []
        )
        texts.append("-".join([*words, *([_swanctl(group.name)] if group else [])]))
    return ", ".join(texts)


def _set_words(row: TransformSet) -> str:
    words = [row.encryption.ios_transform] if row.encryption else []
    words += [row.integrity.ios] if row.integrity and not (row.encryption and row.encryption.aead) else []
    return " ".join(words)


def group_words(group: Group | int) -> str:
    return f"group{group if isinstance(group, int) else group.number}"


def _place(phase_two: PhaseTwo) -> str | None:
    """Where `set …` is typed: `PhaseTwo.name` is "profile P" or "crypto map M 10"."""
    if phase_two.name.startswith("profile "):
        return f"crypto ipsec {phase_two.name}"
    return f"{phase_two.name} ipsec-isakmp" if phase_two.name.startswith("crypto map ") else None


def transform_sets(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Transform sets and PFS: here what the peer has, there what we have."""
    phase_two = facts.phase_two
    usable = usable_sets(phase_two.transform_sets) if phase_two else ()
    if phase_two is None or not usable:
        return advice()
    theirs = {row.attribute.removeprefix("ipsec "): row.remote for row in mismatches}
    own = {row.attribute.removeprefix("ipsec "): row.local for row in mismatches}
    here: list[str] = []
    place = _place(phase_two)
    encryptions = {word: row for row in ENCRYPTIONS for word in (row.ios_transform, row.name)}
    integrities = {word: row for row in INTEGRITIES for word in (row.ios, row.name)}
    base = next(
        (
            row
            for row in usable
            if row.encryption and own.get("encryption") in (None, row.encryption.ios_transform, row.encryption.name)
        ),
        usable[0],
    )
    if place is not None and theirs and set(theirs) <= {"encryption", "integrity", "pfs"}:
        cipher = encryptions.get(theirs.get("encryption", "").split(", ")[0], base.encryption)
        check = integrities.get(theirs.get("integrity", "").split(", ")[0], base.integrity)
        known = theirs.get("encryption", "").split(", ")[0] in encryptions or "encryption" not in theirs
        if cipher is not None and known and (cipher.aead or check is not None):
            if {"encryption", "integrity"} & set(theirs):
                words = _set_words(TransformSet("", cipher, None if cipher.aead else check))
                here.append(f"crypto ipsec transform-set {PEER} {words}")
            here.append(place)
            if {"encryption", "integrity"} & set(theirs):
                here.append(f" set transform-set {' '.join(row.name for row in phase_two.transform_sets)} {PEER}")
            if "pfs" in theirs:
                group = theirs["pfs"].split(", ")[0].replace(" ", "")
                here.append(" no set pfs" if group == "none" else f" set pfs {group}")
    there = [
        f"crypto ipsec transform-set {PEER} {_set_words(usable[0])}",
        " mode transport" if usable[0].transport else " mode tunnel",
        f"crypto ipsec profile {PEER}",
        f" set transform-set {PEER}",
        f" set pfs {group_words(phase_two.pfs_group)}" if phase_two.pfs_group else " no set pfs",
    ]
    return advice(here, there, child(f"esp_proposals = {swanctl_esp(phase_two)}"))


# --- traffic --------------------------------------------------------------------------------------------------------


def _acl_side(network: Network, port: int) -> str:
    tail = f" eq {port}" if port else ""
    if network.prefixlen == network.max_prefixlen:
        return f"host {network.network_address}{tail}"
    if not network.prefixlen:
        return f"any{tail}"
    return f"{network.network_address} {network.hostmask}{tail}" if network.version == 4 else f"{network}{tail}"


def acl_line(row: Selector) -> str:
    """A line of an access list that permits the traffic of a selector, outbound."""
    protocol = {0: "ip" if row.local.version == 4 else "ipv6", 1: "icmp", 6: "tcp", 17: "udp", 47: "gre"}
    word = protocol.get(row.protocol, str(row.protocol))
    return f" permit {word} {_acl_side(row.local, row.local_port)} {_acl_side(row.remote, row.remote_port)}"


def _swanctl_ts(networks: Iterable[tuple[Network, int, int]]) -> str:
    texts = [
        f"{network}[{protocol}/{port or '%any'}]" if protocol else str(network) for network, protocol, port in networks
    ]
    return ",".join(dict.fromkeys(texts))


def traffic(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """The peer has to protect the same traffic, seen from its side."""
    rows = [row.mirrored() for row in facts.selectors]
    if not rows:
        return advice()
    if all(row.any for row in rows):
        there = ["interface Tunnel0", " tunnel mode ipsec ipv4", f" tunnel protection ipsec profile {PEER}"]
    else:
        four = [row for row in rows if row.local.version == 4]
        six = [row for row in rows if row.local.version == 6]
        there = [f"ip access-list extended {PEER}", *map(acl_line, four)] if four else []
        there += [f"ipv6 access-list {PEER}", *map(acl_line, six)] if six else []
    local = _swanctl_ts((row.local, row.protocol, row.local_port) for row in rows)
    remote = _swanctl_ts((row.remote, row.protocol, row.remote_port) for row in rows)
    return advice((), there, child(f"local_ts = {local}", f"remote_ts = {remote}"))


# --- who is who -----------------------------------------------------------------------------------------------------

_MATCH_V2: Mapping[int, str] = {
    IdentityType.FQDN: "fqdn",
    IdentityType.USER_FQDN: "email",
    IdentityType.KEY_ID: "key-id",
}
_MATCH_V1: Mapping[int, str] = {IdentityType.FQDN: "host", IdentityType.USER_FQDN: "user", IdentityType.KEY_ID: "group"}


def match_line(identity: Identity, version: int) -> str | None:
    """The line of a profile that would match an identity; None where only a certificate map can."""
    remote = " remote" if version == 2 else ""
    if identity.address is not None:
        if identity.address.version == 4:
            return f" match identity{remote} address {identity.address} 255.255.255.255"
        return f" match identity{remote} address {'' if version == 2 else 'ipv6 '}{identity.address}/128"
    word = (_MATCH_V2 if version == 2 else _MATCH_V1).get(identity.kind)
    return None if word is None else f" match identity{remote} {word} {identity.name}"


def _wanted(matches: Iterable[Ikev2Match]) -> tuple[str, str] | None:
    """What a peer could call itself to be matched: the word of IOS and the value."""
    for row in matches:
        host = row.network is not None and row.network.prefixlen == row.network.max_prefixlen
        for word, value in (
            ("fqdn", row.fqdn),
            ("email", row.email),
            ("key-id", row.key_id),
            ("address", str(row.network.network_address) if row.network is not None and host else None),
        ):
            if value is not None:
                return word, value
    return None


def identities(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Here a line that matches the peer, there the identity that is expected."""
    here: list[str] = []
    if facts.identity is not None and facts.profile is not None:
        line = match_line(facts.identity, facts.version)
        kind = "ikev2" if facts.version == 2 else "isakmp"
        here = [f"crypto {kind} profile {facts.profile}", line] if line is not None else []
    wanted = _wanted(facts.matches)
    if wanted is None:
        return advice(here)
    word, value = wanted
    shown = f"keyid:{value}" if word == "key-id" else value
    there = ["crypto ikev2 profile <profile>", f" identity local {word} {value}"]
    return advice(here, there, connection("local {", f"  id = {shown}", "}"))


def _address_words(address: Address) -> str:
    return f"{address} 255.255.255.255" if address.version == 4 else f"{address}/128"


def _ring(facts: Facts) -> list[str]:
    """As far as the peer in the keyring of the profile: the one that is there, or else a new one."""
    head = [f"crypto ikev2 keyring {facts.keyring or PEER}"]
    if facts.peer is not None:
        return [*head, f" peer {facts.peer}"]
    return [*head, f" peer {PEER}", f"  address {_address_words(facts.remote)}"]


def _keys_here(facts: Facts) -> list[str]:
    if facts.key_in_profile and facts.profile is not None:
        words = f"pre-share key {KEY}"
        return [
            f"crypto ikev2 profile {facts.profile}",
            f" authentication remote {words}",
            f" authentication local {words}",
        ]
    return [*_ring(facts), f"  pre-shared-key {KEY}"]


def keys(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """The same key at both ends; which one is not told."""
    if facts.version == 1:
        word = "address" if facts.remote.version == 4 else "address ipv6"
        suffix = "" if facts.remote.version == 4 else "/128"
        return advice(
            [f"crypto isakmp key {KEY} {word} {facts.remote}{suffix}"],
            [f"crypto isakmp key {KEY} {word} {facts.local}{suffix}"],
            ("secrets {", "  ike-<name> {", f"    id = {facts.local}", f'    secret = "{KEY}"', "  }", "}"),
        )

    there = ["crypto ikev2 keyring <keyring>", f" peer {PEER}", f"  address {_address_words(facts.local)}"]
    identity = facts.own_identity or str(facts.local)
    return advice(
        _keys_here(facts),
        [*there, f"  pre-shared-key {KEY}"],
        ("secrets {", "  ike-<name> {", f"    id = {identity}", f'    secret = "{KEY}"', "  }", "}"),
    )


def post_quantum_key(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """RFC 8784."""
    here = [*_ring(facts), f"  ppk manual id <id> key {KEY}"]
    there = ["crypto ikev2 keyring <keyring>", f" peer {PEER}", f"  ppk manual id <id> key {KEY}"]
    secret = ("secrets {", "  ppk-<name> {", "    id = <id>", f'    secret = "{KEY}"', "  }", "}")
    return advice(here, there, (*connection("ppk_id = <id>"), *secret))


def profile(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """A profile that matches the peer and knows how it proves itself."""
    lines = [f"crypto ikev2 profile {facts.profile or PEER}"]
    line = None if facts.identity is None else match_line(facts.identity, 2)
    lines.append(line or f" match identity remote address {_address_words(facts.remote)}")
    lines += [
        " authentication remote pre-share",
        " authentication local pre-share",
        f" keyring local {facts.keyring or PEER}",
    ]
    return advice(lines)


def methods(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Each end proves itself by what the other asks for; `remote_methods` are asked for here."""
    wanted = facts.remote_methods[0] if facts.remote_methods else "pre-share"
    here = [f"crypto ikev2 profile {facts.profile or PEER}", " authentication remote <method of the peer>"]
    there = ["crypto ikev2 profile <profile>", f" authentication local {wanted}"]
    return advice(here, there, connection("local {", f"  auth = {'psk' if wanted == 'pre-share' else 'pubkey'}", "}"))


# --- certificates ---------------------------------------------------------------------------------------------------


def enrolment(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """A new certificate for whoever has the one that is no good."""
    enrol = f"crypto pki enroll {facts.trustpoint if facts.own and facts.trustpoint else '<trustpoint>'}"
    if facts.own:
        return advice([enrol])
    return advice((), [enrol], connection("local {", "  certs = <file of the new certificate>", "}"))


def revocation(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Go on where it cannot be found out, until the CRL can be had again."""
    if facts.trustpoint is None:
        return advice()
    return advice([f"crypto pki trustpoint {facts.trustpoint}", " revocation-check crl none"])


def named_as_certified(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """The subject is what every certificate has."""
    there = ["crypto ikev2 profile <profile>", " identity local dn"]
    return advice((), there, connection("local {", f'  id = "{facts.subject or "<subject of the certificate>"}"', "}"))


def clock(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    return advice(["ntp server <address>"], ["ntp server <address>"])


def authority(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Trust the issuer here, or send a certificate of an issuer that is trusted."""
    here = [
        "crypto pki trustpoint PEER-CA",
        " enrollment terminal",
        " revocation-check none",
        "crypto pki authenticate PEER-CA",
    ]
    if facts.profile is not None:
        here += [f"crypto ikev2 profile {facts.profile}", " pki trustpoint PEER-CA verify"]
    there = ["crypto ikev2 profile <profile>", " pki trustpoint <trustpoint of the right authority> sign"]
    return advice(
        here, there, connection("local {", "  certs = <certificate, and what is between it and the root>", "}")
    )


def certificate(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Somebody has to show a certificate."""
    if facts.own:
        name = facts.trustpoint or "<trustpoint>"
        return advice(
            [
                f"crypto pki enroll {name}",
                f"crypto ikev2 profile {facts.profile or '<profile>'}",
                f" pki trustpoint {name} sign",
            ]
        )
    return advice(
        (),
        ["crypto ikev2 profile <profile>", " authentication local rsa-sig", " pki trustpoint <trustpoint> sign"],
        connection("send_cert = always", "local {", "  auth = pubkey", "  certs = <file>", "}"),
    )


# --- the way between --------------------------------------------------------------------------------------------------


def _permit(ports: Sequence[int], source: Address, target: Address) -> list[str]:
    head = "ip access-list extended" if source.version == 4 else "ipv6 access-list"
    return [
        f"{head} <list of the outside interface>",
        *(f" permit udp host {source} host {target} eq {port}" for port in ports),
    ]


def _nft(ports: Sequence[int]) -> str:
    return f"# nft add rule inet filter input udp dport {{ {', '.join(map(str, ports))} }} accept"


def ports(numbers: Sequence[int], facts: Facts) -> Advice:
    """Let UDP through at both ends."""
    return advice(
        _permit(numbers, facts.remote, facts.local), _permit(numbers, facts.local, facts.remote), [_nft(numbers)]
    )


def all_ports(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    return ports((500, 4500), facts)


def nat_port(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    return ports((4500,), facts)


def fragmentation(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Messages in pieces that pass (RFC 7383); with it on already, in smaller ones."""
    line = f"crypto ikev2 fragmentation mtu {576 if facts.fragmentation else 1280}"
    return advice([line], [line], connection("fragmentation = yes"))


def look_there(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Only the other end knows."""
    show = "show crypto ikev2 diagnose error" if facts.version == 2 else "debug crypto isakmp"
    return advice((), [show], ["# swanctl --log"])


def version(facts: Facts, mismatches: Sequence[Mismatch]) -> Advice:
    """Both ends in one version of IKE."""
    name = facts.phase_two.name if facts.phase_two is not None else ""
    place = f"crypto ipsec {name}" if name.startswith("profile ") else None
    here = (
        []
        if place is None
        else [place, " no set ikev2-profile" if facts.version == 2 else " set ikev2-profile <profile>"]
    )
    there = [
        "crypto ipsec profile <profile>",
        " set ikev2-profile <profile>" if facts.version == 2 else " no set ikev2-profile",
    ]
    return advice(here, there, connection(f"version = {facts.version}"))
