"""What is predicted of two engines' settings is what the two engines do, whatever the settings are."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.ike.pair.ikev2 import PEER, with_ikev2
from tests.ike.pair.world import KEY, POLICY, TUNNEL, A, B, World, with_tunnel
from tests.ike.pair.world import settings as configured

from seikan.config.model import IdentityMatch, IsakmpPolicy, Keyring, PreSharedKey, SelfIdentity, TransformSet
from seikan.config.model_ikev2 import Ikev2Identity, Ikev2Match, Ikev2Peer, PostQuantumKey
from seikan.daemon.prediction.negotiation import negotiate
from seikan.daemon.prediction.stages import Negotiation
from seikan.ike.settings import (
    DynamicEntrySettings,
    DynamicMapSettings,
    EngineSettings,
    FlowSettings,
    Ikev2PolicySettings,
    Ikev2ProfileSettings,
    Ikev2ProposalSettings,
    Ikev2Settings,
    PhaseTwo,
    ProfileSettings,
    TemplateSettings,
    TunnelSettings,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME, GROUP_BY_NUMBER, HASH_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret
from seikan.wire.selector import ANY_IPV4, Selector

EXAMPLES = 80
#: Without shrinking, which takes minutes: the ladder of the two engines tells what happened. `derandomize` is to be
#: taken out, and EXAMPLES raised, to look further than the tests do every time.
FREELY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
LONG_ENOUGH = 70.0  # seconds of virtual time: several attempts of both sides
OTHER_KEY = Secret(b"not the same")
OTHER_PPK = PostQuantumKey("Q", OTHER_KEY)
WIDE, NARROW, FAR = IPv4Network("10.1.0.0/16"), IPv4Network("10.1.5.0/24"), IPv4Network("10.2.0.0/16")
T = TypeVar("T")


def mostly(usual: T, *others: T) -> st.SearchStrategy[T]:
    """Most settings are right most of the time, or no negotiation would ever come to its end."""
    return st.sampled_from([usual] * 9 * max(1, len(others)) + [*others] * 2)


policies = st.builds(
    lambda rows: tuple(replace(row, priority=number) for number, row in enumerate(rows, 1)),
    st.lists(
        st.builds(
            IsakmpPolicy,
            st.just(0),
            mostly("aes-cbc-128", "aes-cbc-256", "des"),
            mostly(None, "sha256"),
            mostly("pre-share", "rsa-sig"),
            mostly(14, 19),
            mostly(None, 600),
        ),
        min_size=1,
        max_size=3,
    ),
)
AES = ENCRYPTION_BY_NAME["aes-cbc-128"]
transform_sets = st.lists(
    st.builds(
        TransformSet,
        st.just("T"),
        mostly(AES, ENCRYPTION_BY_NAME["aes-cbc-256"], ENCRYPTION_BY_NAME["aes-gcm-16-256"]),
        mostly(INTEGRITY_BY_NAME["hmac-sha1-96"], INTEGRITY_BY_NAME["hmac-sha256-128"], None),
        mostly(False, True),
    ),
    min_size=1,
    max_size=2,
).map(tuple)
phase_twos = st.builds(
    PhaseTwo,
    st.just("profile P"),
    transform_sets,
    mostly(None, 14, 19),
    st.sampled_from([600, 3600]),
    st.sampled_from([0, 4608000]),
    st.just(64),
)


def key_entries(peer: IPv4Address, name: str) -> st.SearchStrategy[PreSharedKey]:
    """A key for the peer, for everybody, for the peer's name, or for somebody else."""
    networks = [IPv4Network("0.0.0.0/0"), IPv4Network("192.0.2.0/24"), None]
    return st.builds(
        lambda secret, network: PreSharedKey(secret, network, hostname=name if network is None else None),
        mostly(KEY, OTHER_KEY),
        mostly(IPv4Network((int(peer), 32)), *networks),
    )


matches = st.lists(
    mostly(
        IdentityMatch(network=IPv4Network("10.1.0.0/16")),
        IdentityMatch(network=IPv4Network("192.0.2.0/24")),
        IdentityMatch(domain="example.com"),
        IdentityMatch(host="a.example.com"),
    ),
    max_size=2,
).map(tuple)


@st.composite
def selectors(draw: st.DrawFn, *, turned: bool) -> Selector:
    """Any to any, or between networks of which the two sides' choices often fit."""
    if draw(mostly(True, False)):
        return ANY_IPV4
    pair = (draw(mostly(WIDE, NARROW)), FAR)
    found = Selector(*(pair[::-1] if turned == draw(mostly(True, False)) else pair))
    return replace(found, protocol=draw(mostly(0, 6)))


@st.composite
def routers(draw: st.DrawFn, local: IPv4Address, remote: IPv4Address, name: str, peer: str) -> EngineSettings:
    """A router with one peer: its own phase 1 in all ways that the configuration has, and one flow or two."""
    rings = draw(st.lists(st.lists(key_entries(remote, peer), min_size=1, max_size=2), max_size=2))
    keyrings = tuple(Keyring(f"R{number}", keys=tuple(keys)) for number, keys in enumerate(rings))
    profile = None
    if draw(st.booleans()):
        held = tuple(ring.name for ring in keyrings if draw(st.booleans()))
        profile = ProfileSettings(
            "P",
            held,
            draw(matches),
            draw(mostly(None, SelfIdentity("address"), SelfIdentity("fqdn"))),
            draw(mostly(False, True)),
            None,
            None,
            None,
        )
    flows: list[FlowSettings] = []
    for number in range(draw(mostly(1, 2))):
        flow = FlowSettings(
            TUNNEL,
            number,
            draw(selectors(turned=local == B)),
            draw(phase_twos),
            initiate=draw(mostly(True, False)),
            transport=draw(mostly(False, True)),
        )
        if flow.selector not in [other.selector for other in flows]:
            flows.append(flow)
    tunnel = TunnelSettings(
        TUNNEL,
        local,
        remote,
        tuple(flows),
        draw(mostly(None, name)),
        "P" if profile is not None and draw(st.booleans()) else None,
    )
    return EngineSettings(
        name,
        draw(mostly(True, True, True, True, False)),
        draw(policies),
        tuple(draw(st.lists(key_entries(remote, peer), min_size=draw(mostly(1, 0)), max_size=2))),
        keyrings,
        (tunnel,),
        aggressive_mode=draw(st.booleans()),
        identity=draw(mostly("address", "hostname")),
        profiles=() if profile is None else (profile,),
    )


@st.composite
def hubs(draw: st.DrawFn) -> EngineSettings:
    """A router at B that knows its peers by their profile: Virtual-Templates, or a dynamic crypto map."""
    base = draw(routers(B, A, "b.example.com", "a.example.com"))
    template = bool(base.profiles) and draw(st.booleans())
    profiles = tuple(replace(row, template=1 if template else None) for row in base.profiles)
    if template:
        return replace(
            base,
            tunnels=(),
            profiles=profiles,
            templates=(TemplateSettings(1, draw(st.sampled_from([None, B])), ANY_IPV4, draw(phase_twos)),),
        )
    entries = tuple(
        DynamicEntrySettings(
            number,
            draw(mostly((Selector(FAR, WIDE),), (), (Selector(WIDE, FAR),))),
            draw(phase_twos),
            draw(st.sampled_from([None, "P"])) if profiles else None,
        )
        for number in range(10, 10 * draw(st.integers(2, 3)), 10)
    )
    return replace(
        base, tunnels=(), profiles=profiles, dynamic_maps=(DynamicMapSettings("FastEthernet0/0", B, 100, entries),)
    )


def outcome(here: EngineSettings, there: EngineSettings, seed: int) -> tuple[World, Negotiation]:
    """The two engines after they had time enough, and what was predicted."""
    predicted = negotiate(here, there, A, B)
    world = World(seed, change=lambda base: here, change_b=lambda base: there)
    for side in (world.a, world.b):
        for owner in dict.fromkeys(
            [
                *(flow.owner for tunnel in side.settings.tunnels for flow in tunnel.flows),
                *(row.owner for row in side.settings.dynamic_maps),
            ]
        ):
            side.engine.initiate(owner, world.now)
            side.drain()
    world.run(LONG_ENOUGH)
    return world, predicted


def assert_predicted(here: EngineSettings, there: EngineSettings, seed: int) -> None:
    world, predicted = outcome(here, there, seed)
    for side, verdicts in ((world.a, predicted.here), (world.b, predicted.there)):
        for verdict in verdicts:
            key = (verdict.settings.owner, verdict.settings.number)
            assert (key in side.flows_up) is verdict.up, (
                f"{side.name} flow {key}: predicted {verdict}\nphase 1 {predicted.phase1_here}\n"
                f"{predicted.phase1_there}\nengines: {side.flows_up}\n{world.story()}"
            )


def proposals(names: tuple[str, ...]) -> st.SearchStrategy[Ikev2ProposalSettings]:
    return st.builds(
        Ikev2ProposalSettings,
        st.just("P"),
        st.lists(mostly(*(ENCRYPTION_BY_NAME[name] for name in names)), min_size=1, max_size=2, unique=True).map(tuple),
        mostly((INTEGRITY_BY_NAME["hmac-sha256-128"],), (INTEGRITY_BY_NAME["hmac-sha1-96"],)),
        mostly((HASH_BY_NAME["sha256"],), (HASH_BY_NAME["sha1"], HASH_BY_NAME["sha256"])),
        st.lists(mostly(GROUP_BY_NUMBER[19], GROUP_BY_NUMBER[14]), min_size=1, max_size=2, unique=True).map(tuple),
    )


def peers(peer: IPv4Address, name: str) -> st.SearchStrategy[Ikev2Peer]:
    """An entry of a keyring, by the peer's address or its identity; with another key for each way at times."""
    return st.builds(
        lambda networks, named, keys, ppk: Ikev2Peer(
            "X",
            networks=() if named else networks,
            identity=Ikev2Identity("fqdn", name) if named else None,
            local_key=keys[0],
            remote_key=keys[1],
            ppk=ppk,
        ),
        mostly((IPv4Network((int(peer), 32)),), (IPv4Network("0.0.0.0/0"),), (IPv4Network("192.0.2.0/24"),)),
        mostly(False, False, False, True),
        mostly((KEY, KEY), (KEY, OTHER_KEY), (OTHER_KEY, OTHER_KEY)),
        st.sampled_from(
            [None, None, *(PostQuantumKey("Q", KEY, required=row) for row in (True, False, False)), OTHER_PPK]
        ),
    )


ikev2_matches = st.lists(
    mostly(
        Ikev2Match(network=IPv4Network("10.1.0.0/16")),
        Ikev2Match(any=True),
        Ikev2Match(network=IPv4Network("192.0.2.0/24")),
        Ikev2Match(domain="example.com"),
    ),
    min_size=1,
    max_size=2,
).map(tuple)


@st.composite
def ikev2_routers(draw: st.DrawFn, local: IPv4Address, remote: IPv4Address, name: str, peer: str) -> EngineSettings:
    """A router with one peer and one flow by IKEv2; rarely by IKEv1."""
    base = draw(routers(local, remote, name, peer))
    own = base.tunnels[0]
    profile = Ikev2ProfileSettings(
        name="V2",
        locals=(),
        identities=draw(ikev2_matches),
        certificate_maps=(),
        identity_local=draw(mostly(None, Ikev2Identity("fqdn"), Ikev2Identity("address"))),
        local_authentication="pre-share",
        local_key=draw(mostly(None, None, None, KEY, OTHER_KEY)),
        remote_authentications=draw(mostly(("pre-share",), ("pre-share", "rsa-sig"), ("rsa-sig",))),
        remote_key=draw(mostly(None, None, None, KEY, OTHER_KEY)),
        peers=tuple(draw(st.lists(peers(remote, peer), min_size=1, max_size=2))),
        keyring="K",
        sign=None,
        verify=(),
        lifetime=86400,
        dpd=None,
        nat_keepalive=20,
        template=None,
    )
    offered = draw(st.lists(proposals(("aes-cbc-128", "aes-cbc-256", "aes-gcm-16-256")), min_size=1, max_size=2))
    profile_name = draw(mostly("V2", "V2", "V2", "V2", None))
    return replace(
        base,
        enabled=True,
        tunnels=(replace(own, flows=own.flows[:1], ikev2_profile=profile_name),),
        ikev2=Ikev2Settings((Ikev2PolicySettings("default", (), tuple(offered)),), (profile,)),
    )


@st.composite
def ikev2_hubs(draw: st.DrawFn) -> EngineSettings:
    """As `hubs`, for peers of IKEv2."""
    base = draw(ikev2_routers(B, A, "b.example.com", "a.example.com"))
    template = draw(st.booleans())
    profiles = tuple(replace(row, template=1 if template else None) for row in base.ikev2.profiles)
    base = replace(base, tunnels=(), ikev2=replace(base.ikev2, profiles=profiles))
    if template:
        return replace(base, templates=(TemplateSettings(1, draw(mostly(None, B)), ANY_IPV4, draw(phase_twos)),))
    permitted = draw(mostly((Selector(FAR, WIDE),), (), (Selector(WIDE, FAR),)))
    entry = DynamicEntrySettings(10, permitted, draw(phase_twos), ikev2_profile=draw(mostly("V2", None)))
    return replace(base, dynamic_maps=(DynamicMapSettings("FastEthernet0/0", B, 100, (entry,)),))


@FREELY
@given(
    routers(A, B, "a.example.com", "b.example.com"),
    routers(B, A, "b.example.com", "a.example.com"),
    st.integers(0, 2**16),
)
def test_two_configured_peers(here: EngineSettings, there: EngineSettings, seed: int) -> None:
    assert_predicted(here, there, seed)


@FREELY
@given(routers(A, B, "a.example.com", "b.example.com"), hubs(), st.integers(0, 2**16))
def test_a_peer_and_a_hub(here: EngineSettings, there: EngineSettings, seed: int) -> None:
    assert_predicted(here, there, seed)


@FREELY
@given(
    ikev2_routers(A, B, "a.example.com", "b.example.com"),
    ikev2_routers(B, A, "b.example.com", "a.example.com"),
    st.integers(0, 2**16),
)
def test_two_configured_peers_by_ikev2(here: EngineSettings, there: EngineSettings, seed: int) -> None:
    assert_predicted(here, there, seed)


@FREELY
@given(ikev2_routers(A, B, "a.example.com", "b.example.com"), ikev2_hubs(), st.integers(0, 2**16))
def test_a_peer_and_a_hub_by_ikev2(here: EngineSettings, there: EngineSettings, seed: int) -> None:
    assert_predicted(here, there, seed)


PPKS = (None, PostQuantumKey("Q", KEY), PostQuantumKey("Q", KEY, required=True), OTHER_PPK, PostQuantumKey("R", KEY))


@pytest.mark.parametrize("mine", PPKS, ids=range(len(PPKS)))
@pytest.mark.parametrize("theirs", PPKS, ids=range(len(PPKS)))
def test_post_quantum_keys(mine: PostQuantumKey | None, theirs: PostQuantumKey | None) -> None:
    ends = []
    for local, remote, key in ((A, B, mine), (B, A, theirs)):
        peer = replace(PEER, ppk=key)
        ends.append(with_ikev2(configured(local, remote), peers=(peer,)))
    assert_predicted(ends[0], ends[1], 1)


@pytest.mark.parametrize("groups", [(14, 19), (19, 14), (19,), (14,)], ids=str)
def test_aggressive_mode_offers_one_group(groups: tuple[int, ...]) -> None:
    policies = tuple(replace(POLICY, priority=number, group=group) for number, group in enumerate(groups, 1))
    here = replace(with_tunnel(configured(A, B), aggressive_identity="a.example.com"), policies=policies)
    there = with_tunnel(configured(B, A), initiate=False)
    there = replace(there, policies=(replace(POLICY, group=19),), aggressive_mode=True)
    assert_predicted(here, there, 1)
