"""From configuration to what the engine is told of IKEv2: pure functions of a `Config` and of what else the router has.

What cannot be negotiated is left out here: algorithms that Seikan does not have, proposals that lack something, and
profiles with a problem. What uses such a profile has that problem for its own and does not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from seikan.config.defaults_ikev2 import DEFAULT, every_policy, every_proposal
from seikan.config.model import Config
from seikan.config.model_ikev2 import CertificateChain, ChainCertificate, Ikev2Policy, Ikev2Profile, Ikev2Proposal
from seikan.config.validate import ikev2_profile_problems
from seikan.crypto.key_exchange import available
from seikan.crypto.signatures import PrivateKey
from seikan.ike.settings import (
    Ikev2PolicySettings,
    Ikev2ProfileSettings,
    Ikev2ProposalSettings,
    Ikev2Settings,
    TrustpointSettings,
)
from seikan.wire.constants import (
    ENCRYPTION_BY_NAME,
    GROUP_BY_NUMBER,
    HASH_BY_NAME,
    HASHES,
    INTEGRITY_BY_NAME,
    Group,
    Hash,
    Integrity,
)
from seikan.wire.secret import Secret

Address = IPv4Address | IPv6Address

SIGNATURES = ("rsa-sig", "ecdsa-sig", "eddsa-sig")
DEFAULT_NAT_KEEPALIVE = 20  # seconds
_SETTINGS = Ikev2Settings()
_PRF_OF = {row.ios_proposal: row for row in HASHES}


@dataclass(frozen=True, slots=True)
class Held:
    """What a router has beside its configuration: private keys, certificates in files, revocation lists, a secret.

    `addresses` gives those of an interface, its primary ones, as they are now.
    """

    addresses: Callable[[str], tuple[Address, ...]] = lambda name: ()
    key: Callable[[str], PrivateKey | None] = lambda label: None
    file: Callable[[str], bytes | None] = lambda name: None
    crls: Callable[[str], tuple[bytes, ...]] = lambda trustpoint: ()
    ticket_key: Secret | None = None


def ikev2_settings(config: Config, held: Held) -> Ikev2Settings:
    """Everything of `crypto ikev2 …` and of the trustpoints that its profiles use."""
    ikev2 = config.ikev2
    return Ikev2Settings(
        policies=policies(config),
        profiles=tuple(profiles(config, held)),
        cookie_challenge=_first(ikev2.cookie_challenge, _SETTINGS.cookie_challenge),
        fragmentation=_first(ikev2.fragmentation, _SETTINGS.fragmentation),
        max_sas=ikev2.max_sas or 0,
        max_negotiating=ikev2.max_negotiating or 0,
        window=_first(ikev2.window, _SETTINGS.window),
        redirect_client=ikev2.redirect_client,
        max_redirects=_first(ikev2.max_redirects, _SETTINGS.max_redirects),
        redirect_gateway=ikev2.redirect_gateway,
        quick_crash_detection=ikev2.quick_crash_detection,
        mobike=ikev2.mobike,
        kept_errors=_first(ikev2.diagnose_errors, _SETTINGS.kept_errors),
        ticket_key=held.ticket_key,
    )


def _first(typed: int | None, default: int) -> int:
    return default if typed is None else typed


# --- proposals and policies -------------------------------------------------------------------------------------------


def policies(config: Config) -> tuple[Ikev2PolicySettings, ...]:
    """In the order in which they are tried: as typed, the default one last. Those without a proposal are left out."""
    known = {name: proposal_settings(proposal) for name, proposal in every_proposal(config.ikev2).items()}
    found = []
    for policy in every_policy(config.ikev2).values():
        proposals = tuple(_usable(known, policy))
        if proposals:
            found.append(Ikev2PolicySettings(policy.name, policy.local_addresses, proposals))
    return tuple(found)


def _usable(known: dict[str, Ikev2ProposalSettings | None], policy: Ikev2Policy) -> Iterator[Ikev2ProposalSettings]:
    for name in policy.proposals or (DEFAULT,):
        proposal = known.get(name)
        if proposal is not None:
            yield proposal


def proposal_settings(proposal: Ikev2Proposal) -> Ikev2ProposalSettings | None:
    """None where nothing is left that can be negotiated: a cipher, what protects integrity, a PRF and a group."""
    encryptions = tuple(ENCRYPTION_BY_NAME[name] for name in proposal.encryption if name in ENCRYPTION_BY_NAME)
    integrities = tuple(INTEGRITY_BY_NAME[name] for name in proposal.integrity if name in INTEGRITY_BY_NAME)
    if not integrities:
        encryptions = tuple(row for row in encryptions if row.aead)
    prfs = tuple(HASH_BY_NAME[name] for name in proposal.prf if name in HASH_BY_NAME and name != "md5")
    if not proposal.prf:
        prfs = _prfs_of(integrities)
    groups = tuple(row for number in proposal.groups if (row := _group(number)) is not None)
    additional = tuple(_additional(numbers) for _, numbers in sorted(proposal.additional.items()))
    if not (encryptions and prfs and groups and all(additional)):
        return None
    return Ikev2ProposalSettings(proposal.name, encryptions, integrities, prfs, groups, additional)


def _prfs_of(integrities: Iterable[Integrity]) -> tuple[Hash, ...]:
    """Without `prf` those of the same hashes hold, as in IOS."""
    return tuple(_PRF_OF[row.ios_proposal] for row in integrities)


def _group(number: int) -> Group | None:
    """None where this installation cannot exchange keys so: an older `cryptography` has no ML-KEM."""
    row = GROUP_BY_NUMBER.get(number)
    return row if row is not None and available(row) else None


def _additional(numbers: Iterable[int]) -> tuple[Group | None, ...]:
    """0 is the peer's leave to do without; empty where none that was typed is to be had, which must not go unseen."""
    return tuple(_group(number) for number in numbers if number == 0 or _group(number) is not None)


# --- profiles ---------------------------------------------------------------------------------------------------------


def profiles(config: Config, held: Held) -> Iterator[Ikev2ProfileSettings]:
    """Those that can be used, by the order of the configuration; not those of interfaces without an address."""
    for profile in config.ikev2.profiles.values():
        if ikev2_profile_problems(config, profile.name):
            continue
        locals_ = tuple(_locals(profile, held))
        if profile.match_local and not locals_:
            continue
        keyring = config.ikev2.keyrings.get(profile.keyring or "")
        keepalive = _first(profile.nat_keepalive, _first(config.ikev2.nat_keepalive, DEFAULT_NAT_KEEPALIVE))
        yield Ikev2ProfileSettings(
            name=profile.name,
            locals=locals_,
            identities=profile.identities,
            certificate_maps=tuple(config.pki.maps[name] for name in profile.certificate_maps),
            identity_local=profile.identity_local,
            local_authentication=profile.local_authentication,
            local_key=profile.local_key,
            remote_authentications=profile.remote_authentications,
            remote_key=profile.remote_key,
            peers=() if keyring is None else tuple(keyring.peers.values()),
            keyring=profile.keyring,
            sign=_sign(config, profile, held),
            verify=tuple(_verify(config, profile, held)),
            lifetime=profile.lifetime or Ikev2Profile.DEFAULT_LIFETIME,
            dpd=profile.dpd or config.ikev2.dpd,
            nat_keepalive=keepalive,
            template=profile.virtual_template,
            initial_contact_force=profile.initial_contact_force,
            reconnect=profile.reconnect,
            redirect_auth=profile.redirect_auth,
        )


def _locals(profile: Ikev2Profile, held: Held) -> Iterator[Address]:
    for local in profile.match_local:
        if isinstance(local, str):
            yield from held.addresses(local)
        else:
            yield local


# --- trustpoints ------------------------------------------------------------------------------------------------------


def key_labels(config: Config, trustpoint: str) -> tuple[str, ...]:
    """What the key pair of a trustpoint may be called: without `rsakeypair` as the trustpoint itself, which is what an
    import calls it, or as the router, which is what `crypto key generate` calls one without a label.
    """
    typed = config.pki.trustpoints[trustpoint].key_pair
    return (trustpoint, config.full_name) if typed is None else (typed,)


def trustpoint_key(config: Config, trustpoint: str, held: Held) -> PrivateKey | None:
    """The first of them that there is."""
    return next((key for label in key_labels(config, trustpoint) if (key := held.key(label)) is not None), None)


def trustpoint_settings(config: Config, name: str, held: Held) -> TrustpointSettings:
    """A trustpoint with what its chain, the key store and the revocation lists have of it."""
    chain = config.pki.chains.get(name, CertificateChain(name))
    authorities = tuple(_octets(chain, held, "ca"))
    own = tuple(_octets(chain, held, "", "self-signed"))
    return TrustpointSettings(
        name=name,
        authorities=authorities,
        certificates=(*own, *authorities) if own else (),
        key=trustpoint_key(config, name, held) if own else None,
        revocation=config.pki.trustpoints[name].revocation,
        crls=held.crls(name),
    )


def certificate_octets(certificate: ChainCertificate, held: Held) -> bytes | None:
    """DER, from the configuration or from the file that it names."""
    return certificate.der or (held.file(certificate.file) if certificate.file is not None else None)


def _octets(chain: CertificateChain, held: Held, *kinds: str) -> Iterator[bytes]:
    for certificate in chain.certificates:
        octets = certificate_octets(certificate, held) if certificate.kind in kinds else None
        if octets is not None:
            yield octets


def _sign(config: Config, profile: Ikev2Profile, held: Held) -> TrustpointSettings | None:
    """The named trustpoint; without a name the first that has a certificate and its key."""
    if profile.local_authentication not in SIGNATURES:
        return None
    if profile.sign_trustpoint is not None:
        return trustpoint_settings(config, profile.sign_trustpoint, held)
    made = (trustpoint_settings(config, name, held) for name in config.pki.trustpoints)
    return next((trustpoint for trustpoint in made if trustpoint.key is not None), None)


def _verify(config: Config, profile: Ikev2Profile, held: Held) -> Iterator[TrustpointSettings]:
    """The named ones; without a name all."""
    if any(method in SIGNATURES for method in profile.remote_authentications):
        for name in profile.verify_trustpoints or config.pki.trustpoints:
            yield trustpoint_settings(config, name, held)
