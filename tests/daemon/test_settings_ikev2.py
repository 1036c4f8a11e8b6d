"""What the engine is told of IKEv2 under a configuration, and what is left out of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Any

import pytest

from seikan.config.model import Config, Ipsec, IpsecProfile, Isakmp, IsakmpPolicy, Tunnel, TunnelMode
from seikan.config.model_ikev2 import (
    CertificateChain,
    ChainCertificate,
    Ikev2,
    Ikev2Dpd,
    Ikev2Keyring,
    Ikev2Match,
    Ikev2Peer,
    Ikev2Policy,
    Ikev2Profile,
    Ikev2Proposal,
    Pki,
    Trustpoint,
)
from seikan.config.parse import parse
from seikan.config.validate import ikev2_profile_problems
from seikan.daemon.settings import Negotiable, Protected, engine_settings, overlays, sessions
from seikan.daemon.settings_ikev2 import Held, ikev2_settings
from seikan.ike.settings import FlowSettings, PhaseTwo
from seikan.wire.constants import GROUP_BY_NUMBER, Group
from seikan.wire.secret import Secret
from seikan.wire.selector import ANY_IPV4, ANY_IPV6

POLICY = IsakmpPolicy(1, "aes-cbc-128", None, "pre-share", 14)
HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")
PROPOSAL = Ikev2Proposal("P", ("des", "aes-cbc-256"), ("md5", "hmac-sha256-128"), (), (1, 14, 19))
PEER = Ikev2Peer("there", local_key=Secret(b"k"), remote_key=Secret(b"k"))
PROFILE = Ikev2Profile(
    "ROAD",
    identities=(Ikev2Match(any=True),),
    local_authentication="pre-share",
    remote_authentications=("pre-share",),
    keyring="RING",
)


def ikev2(**named: Any) -> Ikev2:
    keyrings = MappingProxyType({"RING": Ikev2Keyring("RING", MappingProxyType({"there": PEER}))})
    return Ikev2(**{"keyrings": keyrings, **named})


def policy_names(config: Ikev2) -> list[tuple[str, list[str]]]:
    told = ikev2_settings(Config(ikev2=config), Held()).policies
    return [(policy.name, [proposal.name for proposal in policy.proposals]) for policy in told]


def test_the_default_policy_is_tried_last_and_can_be_removed() -> None:
    typed = ikev2(
        proposals=MappingProxyType({"P": PROPOSAL}),
        policies=MappingProxyType({"ONE": Ikev2Policy("ONE", proposals=("P", "absent")), "TWO": Ikev2Policy("TWO")}),
    )
    assert policy_names(typed) == [("ONE", ["P"]), ("TWO", ["default"]), ("default", ["default"])]
    assert policy_names(replace(typed, default_policy=False)) == [("ONE", ["P"]), ("TWO", ["default"])]
    assert policy_names(replace(typed, default_proposal=False)) == [("ONE", ["P"])]


def test_what_is_typed_for_the_default_proposal_holds() -> None:
    typed = replace(PROPOSAL, name="default", groups=(5,))
    [policy] = ikev2_settings(Config(ikev2=ikev2(proposals=MappingProxyType({"default": typed}))), Held()).policies
    assert [group.number for group in policy.proposals[0].groups] == [5]


def test_a_proposal_has_what_can_be_negotiated_and_the_prfs_of_its_integrity() -> None:
    typed = replace(PROPOSAL, additional=MappingProxyType({2: (37,), 1: (36, 0)}))
    policies = MappingProxyType({"ONE": Ikev2Policy("ONE", proposals=("P",))})
    config = Config(ikev2=ikev2(proposals=MappingProxyType({"P": typed}), policies=policies))
    [proposal] = ikev2_settings(config, Held()).policies[0].proposals
    assert [row.name for row in proposal.encryptions] == ["aes-cbc-256"]
    assert [row.name for row in proposal.integrities] == ["hmac-sha256-128"]
    assert [row.name for row in proposal.prfs] == ["sha256"]
    assert [row.number for row in proposal.groups] == [14, 19]
    assert proposal.additional == ((GROUP_BY_NUMBER[36], None), (GROUP_BY_NUMBER[37],))


def test_what_the_installation_cannot_exchange_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An additional exchange without which the peer was not to be is not left out in silence: the proposal goes."""
    monkeypatch.setattr("seikan.daemon.settings_ikev2.available", lambda group: not group.kem)
    both, alone = replace(PROPOSAL, groups=(19, 36)), replace(PROPOSAL, additional=MappingProxyType({1: (36,)}))
    optional = replace(PROPOSAL, additional=MappingProxyType({1: (36, 0)}))
    assert [row.number for row in told_groups(both)] == [19]
    assert told_groups(alone) == ()
    assert [row.number for row in told_groups(optional)] == [14, 19]


def told_groups(proposal: Ikev2Proposal) -> tuple[Group, ...]:
    """The groups of the one proposal that a policy names; () where the policy goes with it."""
    policies = MappingProxyType({"ONE": Ikev2Policy("ONE", proposals=("P",))})
    config = Config(ikev2=ikev2(proposals=MappingProxyType({"P": proposal}), policies=policies))
    return next((row.proposals[0].groups for row in ikev2_settings(config, Held()).policies if row.name == "ONE"), ())


@pytest.mark.parametrize(
    ("lacking", "wanted"),
    [
        ({"identities": ()}, "match identity remote"),
        ({"local_authentication": None}, "authentication local"),
        ({"remote_authentications": ()}, "authentication remote"),
        ({"keyring": "NONE"}, "keyring NONE"),
        ({"sign_trustpoint": "NONE"}, "trustpoint NONE"),
        ({"certificate_maps": ("NONE",)}, "certificate map NONE"),
        ({"shutdown": True}, "shut down"),
    ],
)
def test_a_profile_with_a_problem_is_left_out_and_says_so(lacking: dict[str, Any], wanted: str) -> None:
    whole = Config(ikev2=ikev2(profiles=MappingProxyType({"ROAD": PROFILE})))
    assert [profile.name for profile in ikev2_settings(whole, Held()).profiles] == ["ROAD"]
    broken = Config(ikev2=ikev2(profiles=MappingProxyType({"ROAD": replace(PROFILE, **lacking)})))
    assert wanted in "\n".join(ikev2_profile_problems(broken, "ROAD"))
    assert ikev2_settings(broken, Held()).profiles == ()


@pytest.mark.parametrize(
    ("typed", "octets"),
    [
        ((), 0),
        (("crypto ikev2 fragmentation",), 1280),
        (("crypto ikev2 fragmentation mtu 1400",), 1400),
        (("crypto ikev2 fragmentation mtu 1400", "no crypto ikev2 fragmentation"), 0),
    ],
)
def test_messages_are_cut_only_where_that_was_typed(typed: tuple[str, ...], octets: int) -> None:
    config = parse("".join(f"{line}\n" for line in typed)).config
    assert ikev2_settings(config, Held()).fragmentation == octets


def test_a_profile_has_its_keyrings_peers_and_the_global_dpd() -> None:
    config = Config(ikev2=ikev2(profiles=MappingProxyType({"ROAD": PROFILE}), dpd=Ikev2Dpd(30, 5)))
    [profile] = ikev2_settings(config, Held()).profiles
    assert (profile.peers, profile.dpd, profile.lifetime) == ((PEER,), Ikev2Dpd(30, 5), 86400)


def test_a_profile_of_an_interface_holds_for_its_addresses_and_for_none_without() -> None:
    bound = replace(PROFILE, match_local=("eth0",))
    config = Config(ikev2=ikev2(profiles=MappingProxyType({"ROAD": bound})))
    both = (HERE, IPv6Address("2001:db8::1"))
    [profile] = ikev2_settings(config, Held({"eth0": both}.get)).profiles  # type: ignore[arg-type]
    assert profile.locals == both
    assert ikev2_settings(config, Held()).profiles == ()


def test_a_trustpoint_has_its_chain_and_verifies_only_where_it_has_no_certificate_of_its_own() -> None:
    chain = CertificateChain("CA", (ChainCertificate("01", "ca", b"root"), ChainCertificate("02", "", b"own")))
    only = CertificateChain("OTHER", (ChainCertificate("03", "ca", file="nvram:other.cer"),))
    profile = replace(PROFILE, local_authentication="rsa-sig", remote_authentications=("rsa-sig",))
    config = Config(
        ikev2=ikev2(profiles=MappingProxyType({"ROAD": profile})),
        pki=Pki(
            trustpoints=MappingProxyType({"CA": Trustpoint("CA", key_pair="PAIR"), "OTHER": Trustpoint("OTHER")}),
            chains=MappingProxyType({"CA": chain, "OTHER": only}),
        ),
    )
    asked: list[str] = []

    def key(label: str) -> None:
        asked.append(label)

    held = Held(key=key, file=lambda name: b"file" if name == "nvram:other.cer" else None, crls=lambda name: (b"crl",))
    [told] = ikev2_settings(config, held).profiles
    first, second = told.verify
    assert (first.authorities, first.certificates, first.crls) == ((b"root",), (b"own", b"root"), (b"crl",))
    assert (second.authorities, second.certificates, second.key) == ((b"file",), (), None)
    assert set(asked) == {"PAIR"}


def protected(owner: str, profile: str | None, interface: str | None = None) -> Protected:
    flow = FlowSettings(owner, 0, ANY_IPV4, PhaseTwo("P", (), None, 3600, 0, 64))
    return Protected(HERE, THERE, flow, interface=interface, ikev2_profile=profile)


def test_ikev1_and_ikev2_between_the_same_ends_are_sessions_of_their_own() -> None:
    rows = [protected("Tunnel0", "ROAD"), protected("Tunnel1", "ROAD"), protected("Tunnel2", None)]
    assert [(session.name, session.ikev2_profile, len(session.flows)) for session in sessions(Config(), rows)] == [
        ("Tunnel0", "ROAD", 2),
        ("Tunnel2", None, 1),
    ]
    maps = [protected("eth0", None, "eth0"), protected("eth0", "ROAD", "eth0")]
    assert len({session.name for session in sessions(Config(), maps)}) == 2


def test_ikev2_goes_on_where_isakmp_is_turned_off() -> None:
    wanted = Negotiable(sessions(Config(), [protected("Tunnel0", "ROAD"), protected("Tunnel2", None)]))
    off = Config(isakmp=Isakmp(enabled=False, policies={1: POLICY}), ikev2=ikev2(profiles={"ROAD": PROFILE}))
    told = engine_settings(off, wanted, lambda name: None)
    assert ([tunnel.name for tunnel in told.tunnels], told.policies, told.enabled) == (["Tunnel0"], (), True)
    only_ikev1 = Negotiable(sessions(Config(), [protected("Tunnel2", None)]))
    assert not engine_settings(off, only_ikev1, lambda name: None).enabled
    on = replace(off, isakmp=replace(off.isakmp, enabled=True))
    assert len(engine_settings(on, wanted, lambda name: None).tunnels) == 2


@pytest.mark.parametrize(
    ("tunnel", "carried"),
    [
        (Tunnel(mode=TunnelMode.IPSEC_IPV4), (ANY_IPV4,)),
        (Tunnel(mode=TunnelMode.IPSEC_IPV6), (ANY_IPV6,)),
        (Tunnel(mode=TunnelMode.IPSEC_IPV4, overlay=6), (ANY_IPV6,)),
        (Tunnel(mode=TunnelMode.IPSEC_DUAL_OVERLAY), (ANY_IPV4, ANY_IPV6)),
        (
            Tunnel(mode=TunnelMode.IPSEC_DUAL_OVERLAY, destination=IPv6Address("2001:db8::1")),
            (ANY_IPV6, ANY_IPV4),
        ),
        (Tunnel(mode=TunnelMode.IPSEC_IPV4, protection="MIXED"), (ANY_IPV4, ANY_IPV6)),
    ],
)
def test_a_tunnel_carries_the_families_of_its_mode(tunnel: Tunnel, carried: tuple[object, ...]) -> None:
    profile = IpsecProfile("MIXED", mixed_mode=True)
    assert overlays(Config(ipsec=Ipsec(profiles=MappingProxyType({"MIXED": profile}))), tunnel) == carried
