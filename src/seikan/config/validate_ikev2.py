"""IKEv2: what keeps its proposals, policies, keyrings and profiles from working, and what about them surprises."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config import defaults_ikev2, misread
from seikan.config.commands.ikev2 import ENCRYPTION, GROUP, INTEGRITY, PRF, weaknesses
from seikan.config.commands.ikev2_keyring import write_network, write_value
from seikan.config.commands.ikev2_profile import write_match
from seikan.config.model import Address, Config, CryptoMapEntry, IpsecProfile
from seikan.config.model_ikev2 import (
    CertificateChain,
    Ikev2Keyring,
    Ikev2Peer,
    Ikev2Policy,
    Ikev2Profile,
    Ikev2Proposal,
    Network,
)
from seikan.config.references import Found, missing_in_ikev2
from seikan.wire.constants import ENCRYPTION_BY_NAME, GROUP_BY_NUMBER
from seikan.wire.prefixes import Prefixes

SIGNATURES = ("rsa-sig", "ecdsa-sig", "eddsa-sig")
_DER_SEQUENCE, _LONG_LENGTH = 0x30, 0x82  # of a certificate (X.690 sections 8.9 and 8.1.3.5)


def ikev2(config: Config) -> Found:
    """Everything worth telling about IKEv2."""
    yield from _proposals(config)
    yield from _policies(config)
    yield from _keyrings(config)
    yield from _profiles(config)
    yield from _ambiguous(config)
    yield from _certificates(config)
    yield from _phase_two(config)
    yield from _peers(config)


# --- proposals and policies ------------------------------------------------------------------------


def unusable_proposal(proposal: Ikev2Proposal) -> tuple[str, ...]:
    """Why a proposal is never negotiated: what it lacks (RFC 7296 section 3.3). Empty where it is."""
    ciphers = [ENCRYPTION_BY_NAME[name] for name in proposal.encryption if name not in ENCRYPTION.never]
    integrity = [name for name in proposal.integrity if name not in INTEGRITY.never]
    prf = [name for name in proposal.prf if name not in PRF.never]
    aead = any(row.aead for row in ciphers)
    lacks = []
    if not ciphers:
        lacks.append("type encryption aes-cbc-256 or aes-gcm-256")
    elif not aead and not integrity:
        lacks.append(f"encryption {ciphers[0].ios_proposal} needs integrity: type integrity sha512 sha256")
    elif not prf and not integrity:
        lacks.append(f"encryption {ciphers[0].ios_proposal} without integrity needs prf: type prf sha512 sha256")
    if not any(number not in GROUP.never for number in proposal.groups):
        lacks.append("type group 19 14 or others")
    return tuple(lacks)


def _proposals(config: Config) -> Found:
    for proposal in config.ikev2.proposals.values():
        title = f"crypto ikev2 proposal {proposal.name}"
        lacks = unusable_proposal(proposal)
        if lacks:
            yield title, f"{title} is never negotiated: {'; '.join(lacks)}"
        elif not proposal.integrity:
            for name, word in zip(proposal.encryption, ENCRYPTION.typed(proposal.encryption), strict=True):
                if name in ENCRYPTION_BY_NAME and not ENCRYPTION_BY_NAME[name].aead:
                    yield title, f"{title}: encryption {word} is left out, it needs integrity: type integrity sha256"
        yield from ((title, f"{title}: {text}") for text in weaknesses(proposal))


def _policies(config: Config) -> Found:
    ikev2 = config.ikev2
    seen: list[Ikev2Policy] = []
    for policy in ikev2.policies.values():
        title = f"crypto ikev2 policy {policy.name}"
        usable = [held for held in defaults_ikev2.proposals(ikev2, policy) if not unusable_proposal(held)]
        if not usable:
            named = " ".join(policy.proposals) or defaults_ikev2.DEFAULT
            yield title, f"{title} is never negotiated: proposal {named} is missing or incomplete"
        for other in seen:
            if (other.fvrf, set(other.local_addresses)) == (policy.fvrf, set(policy.local_addresses)):
                yield (
                    title,
                    f"ambiguous: crypto ikev2 policy {other.name} and {policy.name} match the same: {other.name} is "
                    "used, which is configured first",
                )
                break
        seen.append(policy)
    if ikev2.profiles and not ikev2.policies:
        title = f"crypto ikev2 profile {next(iter(ikev2.profiles))}"
        if not ikev2.default_policy:
            yield title, "there is no IKEv2 policy: type one, or default crypto ikev2 policy default"
        elif defaults_ikev2.proposal(ikev2, defaults_ikev2.DEFAULT) is None:
            yield title, "there is no IKEv2 proposal: type one and a policy, or default crypto ikev2 proposal default"


# --- keyrings --------------------------------------------------------------------------------------


def _who(peer: Ikev2Peer) -> Iterator[tuple[str, object]]:
    """Each of what a peer is found by: as it is typed, and as it is compared."""
    for network in peer.networks:
        yield f"address {write_network(network, bare_host=True)}", network
    if peer.hostname is not None:
        yield f"hostname {peer.hostname}", ("hostname", peer.hostname.lower())
    if peer.identity is not None:
        yield f"identity {write_value(peer.identity)}", (peer.identity.kind, (peer.identity.value or "").lower())


def _keyrings(config: Config) -> Found:
    for keyring in config.ikev2.keyrings.values():
        title = f"crypto ikev2 keyring {keyring.name}"
        first: dict[object, str] = {}
        for peer in keyring.peers.values():
            about = f"{title} peer {peer.name}"
            found = list(_who(peer))
            if not found:
                yield about, f"{about} is nobody's: type address, hostname or identity"
            for typed, compared in found:
                other = first.setdefault(compared, peer.name)
                if other != peer.name:
                    yield about, f"ambiguous: {title} has {typed} in peer {other} and peer {peer.name}: {other} is used"
            missing = [word for word, key in (("local", peer.local_key), ("remote", peer.remote_key)) if key is None]
            if len(missing) == 2:
                yield about, f"{about} has no key: type pre-shared-key"
            elif missing:
                yield about, f"{about} has a key for one direction only: type pre-shared-key {missing[0]}"
        yield from _for_everybody(config, keyring, title)


def _for_everybody(config: Config, keyring: Ikev2Keyring, title: str) -> Found:
    """A key that several peers have lets each of them claim to be another."""
    everybody = [peer for peer in keyring.peers.values() if any(net.prefixlen == 0 for net in peer.networks)]
    if not everybody:
        return
    find = _by_network(keyring)
    users = {held.name for held in config.ikev2.profiles.values() if held.keyring == keyring.name}
    open_to_all = any(
        held.keyring == keyring.name and held.virtual_template is not None for held in config.ikev2.profiles.values()
    )
    served = {
        peer
        for _, _, profile, peer in _known_peers(config)
        if profile.name in users and find.closest(peer) in everybody
    }
    for peer in everybody:
        if open_to_all or len(served) > 1:
            yield (
                f"{title} peer {peer.name}",
                f"{title} peer {peer.name}: this key is that of several peers: any of them can claim to be another; "
                "give each a peer of its own, or certificates",
            )


def _by_network(keyring: Ikev2Keyring) -> Prefixes[Ikev2Peer]:
    found: Prefixes[Ikev2Peer] = Prefixes()
    for peer in keyring.peers.values():
        for network in peer.networks:
            found.add(network, peer)
    return found


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


# --- profiles --------------------------------------------------------------------------------------


def ikev2_profile_problems(config: Config, name: str) -> tuple[str, ...]:
    """Why an IKEv2 profile that exists is of use to nobody; empty where it is, and where it does not exist."""
    profile = config.ikev2.profiles.get(name)
    if profile is None:
        return ()
    return (*map(misread.not_understood, misread.about_ikev2_profile(config, name)), *_lacking(config, profile))


def ikev2_profile_lacks(config: Config, name: str) -> tuple[str, ...]:
    """As `ikev2_profile_problems`, but for lines that were not understood."""
    profile = config.ikev2.profiles.get(name)
    return () if profile is None else tuple(_lacking(config, profile))


def _lacking(config: Config, profile: Ikev2Profile) -> Iterator[str]:
    """What a profile needs and has not."""
    if profile.shutdown:
        yield "it is shut down (no shutdown)"
    if not profile.identities and not profile.certificate_maps:
        yield "it matches nobody: type match identity remote"
    for side, used, key in (
        ("local", (profile.local_authentication,) if profile.local_authentication else (), profile.local_key),
        ("remote", profile.remote_authentications, profile.remote_key),
    ):
        if not used:
            yield f"it has no way to authenticate: type authentication {side} pre-share, rsa-sig or ecdsa-sig"
        if "pre-share" in used and key is None and profile.keyring is None:
            yield f"authentication {side} pre-share has no key: type keyring local"
    # Without `pki trustpoint` all trustpoints are tried, as in IOS.
    signed = next((method for method in profile.remote_authentications if method in SIGNATURES), None)
    if not config.pki.trustpoints:
        if profile.local_authentication in SIGNATURES and profile.sign_trustpoint is None:
            yield f"authentication local {profile.local_authentication} has no certificate: type crypto pki trustpoint"
        if signed is not None and not profile.verify_trustpoints:
            yield f"authentication remote {signed} has no authority to trust: type crypto pki trustpoint"
    needed = ("keyring", "trustpoint", "certificate map")
    yield from (text for text in missing_in_ikev2(config, profile) if text.startswith(needed))


def _profiles(config: Config) -> Found:
    for profile in config.ikev2.profiles.values():
        title = f"crypto ikev2 profile {profile.name}"
        known = set(missing_in_ikev2(config, profile))
        for text in misread.summed_up(misread.about_ikev2_profile(config, profile.name)):
            yield title, f"{title} is not used: {text}"
        for text in _lacking(config, profile):
            if text not in known:
                yield title, f"{title} is not used: {text}"
        keyring = config.ikev2.keyrings.get(profile.keyring or "")
        shared = "pre-share" in (profile.local_authentication, *profile.remote_authentications)
        if shared and keyring is not None and not keyring.peers:
            yield title, f"{title}: keyring {keyring.name} has no peer: type peer NAME in crypto ikev2 keyring"
        if profile.keyring is not None and not shared and profile.remote_authentications:
            yield title, f"{title}: keyring local {profile.keyring} is not used without authentication pre-share"
        if profile.redirect_auth and config.ikev2.redirect_gateway is None:
            yield title, f"{title}: redirect gateway auth has no gateway: type crypto ikev2 redirect gateway init"


def _ambiguous(config: Config) -> Found:
    """Different matches differ in how specific they are: two profiles with the same one are ambiguous."""
    seen: dict[str, list[Ikev2Profile]] = {}
    for profile in config.ikev2.profiles.values():
        typed = [
            (write_match(held).lower(), f"match identity remote {write_match(held)}") for held in profile.identities
        ]
        typed += [(f"certificate {name}", f"match certificate {name}") for name in profile.certificate_maps]
        for compared, text in typed:
            alike = seen.setdefault(compared, [])
            for other in alike:
                apart = other.match_local and profile.match_local and not {*other.match_local} & {*profile.match_local}
                if not apart and other.name != profile.name:
                    yield (
                        f"crypto ikev2 profile {profile.name}",
                        f"ambiguous: crypto ikev2 profile {other.name} and {profile.name} both have {text}: "
                        f"{other.name} is used, which is configured first",
                    )
                    break
            alike.append(profile)


# --- certificates ----------------------------------------------------------------------------------


def _certificates(config: Config) -> Found:
    for name, chain in config.pki.chains.items():
        title = f"crypto pki certificate chain {name}"
        if name not in config.pki.trustpoints:
            yield title, f"{title}: trustpoint {name} does not exist (crypto pki trustpoint {name})"
        for held in chain.certificates:
            if held.file is None and not _whole(held.der):
                words = " ".join(word for word in (held.kind, held.serial) if word)
                yield title, f"{title}: certificate {words} is not a whole certificate: import it again"
    for profile in config.ikev2.profiles.values():
        title = f"crypto ikev2 profile {profile.name}"
        every = tuple(config.pki.trustpoints)
        sign = every if profile.sign_trustpoint is None else (profile.sign_trustpoint,)
        if profile.local_authentication in SIGNATURES and _without(config, sign, ("", "self-signed")):
            yield title, f"{title}: {_none(sign)} no certificate of this router (crypto pki import {sign[0]})"
        verify = profile.verify_trustpoints or every
        if set(profile.remote_authentications) & set(SIGNATURES) and _without(config, verify, ("ca",)):
            yield title, f"{title}: {_none(verify)} no CA certificate (crypto pki authenticate {verify[0]})"


def _without(config: Config, names: tuple[str, ...], kinds: tuple[str, ...]) -> bool:
    """Whether there are such trustpoints, and none of them has a certificate of one of the kinds."""
    known = [name for name in names if name in config.pki.trustpoints]
    chains = (config.pki.chains.get(name, CertificateChain(name)) for name in known)
    return bool(known) and not any(held.kind in kinds for chain in chains for held in chain.certificates)


def _none(names: tuple[str, ...]) -> str:
    return f"trustpoint {names[0]} has" if len(names) == 1 else "its trustpoints have"


def _whole(der: bytes) -> bool:
    """Whether the octets are one DER sequence of the length that it says; what is in it is for others to see."""
    if len(der) < 4 or der[0] != _DER_SEQUENCE:
        return False
    return der[1] != _LONG_LENGTH or len(der) == 4 + int.from_bytes(der[2:4])


# --- who uses it -----------------------------------------------------------------------------------


def _users(config: Config) -> Iterator[tuple[str, IpsecProfile | CryptoMapEntry]]:
    for profile in config.ipsec.profiles.values():
        yield f"crypto ipsec profile {profile.name}", profile
    for word, maps in (("map", config.crypto_maps), ("dynamic-map", config.dynamic_maps)):
        for held in maps.values():
            yield from ((f"crypto {word} {held.name} {number}", entry) for number, entry in held.entries.items())


def _phase_two(config: Config) -> Found:
    """What of IKEv1 and IKEv2 does not go together."""
    for title, user in _users(config):
        if user.ikev2_profile is not None:
            if user.isakmp_profile is not None:
                yield title, f"{title}: isakmp-profile is not used: with ikev2-profile IKEv2 alone is negotiated"
            continue
        yield from ((title, f"{title}: {text}") for text in (*_group_of_ikev2(user), *_sets_of_ikev2(config, user)))
        if isinstance(user, IpsecProfile) and user.mixed_mode:
            yield title, f"{title}: mixed-mode needs IKEv2: type set ikev2-profile"


def unknown_to_ikev1(config: Config, user: IpsecProfile | CryptoMapEntry) -> tuple[str, ...]:
    """Why IKEv1, without an IKEv2 profile, has nothing to offer for it."""
    if user.ikev2_profile is not None:
        return ()
    sets = tuple(_sets_of_ikev2(config, user))
    return (*_group_of_ikev2(user), *(sets if len(sets) == len(user.transform_sets) else ()))


def _group_of_ikev2(user: IpsecProfile | CryptoMapEntry) -> Iterator[str]:
    group = GROUP_BY_NUMBER.get(user.pfs_group or 0)
    if group is not None and not group.ike_v1:
        yield f"IKEv1 has no group{group.number}: type set ikev2-profile, or another group"


def _sets_of_ikev2(config: Config, user: IpsecProfile | CryptoMapEntry) -> Iterator[str]:
    for name in user.transform_sets:
        held = config.ipsec.transform_sets.get(name)
        if held is not None and held.encryption is not None and held.encryption.esp is None:
            yield f"IKEv1 has no {held.encryption.ios_transform} (transform set {name}): type set ikev2-profile"


def _known_peers(config: Config) -> Iterator[tuple[str, str, Ikev2Profile, Address]]:
    """The peers that are known by their address: title, short name, IKEv2 profile and address."""
    profiles = config.ikev2.profiles
    for interface in config.interfaces.values():
        tunnel = interface.tunnel
        used = None if tunnel is None else config.ipsec.profiles.get(tunnel.protection or "")
        profile = None if used is None else profiles.get(used.ikev2_profile or "")
        if tunnel is not None and profile is not None and tunnel.destination is not None:
            yield f"interface {interface.name}", interface.name, profile, tunnel.destination
    for crypto_map in config.crypto_maps.values():
        for number, entry in crypto_map.entries.items():
            profile = profiles.get(entry.ikev2_profile or "")
            if profile is not None:
                title = f"crypto map {crypto_map.name} {number}"
                yield from ((title, title, profile, peer.address) for peer in entry.peers)


def _peers(config: Config) -> Found:
    find = {name: _by_network(keyring) for name, keyring in config.ikev2.keyrings.items()}
    for title, name, profile, peer in _known_peers(config):
        networks = [held.network for held in profile.identities]
        by_address = all(network is not None for network in networks) and not profile.certificate_maps
        if networks and by_address and not any(_within(peer, network) for network in networks if network is not None):
            yield (
                title,
                f"{name}: ikev2 profile {profile.name} does not match {peer}: type {_match_for(peer)}, unless the peer "
                "is behind NAT and has another identity",
            )
        keyring = config.ikev2.keyrings.get(profile.keyring or "")
        shared = profile.local_authentication == "pre-share" and profile.local_key is None
        if shared and keyring is not None and keyring.peers and find[keyring.name].closest(peer) is None:
            named = any(held.hostname or held.identity for held in keyring.peers.values())
            if not named:
                yield title, f"{name}: keyring {keyring.name} has no key for {peer}: type a peer with address {peer}"


def _match_for(peer: Address) -> str:
    mask = " 255.255.255.255" if peer.version == 4 else "/128"
    return f"match identity remote address {peer}{mask}"
