"""What two whole engines say when they do not agree: the diagnosis that shows up in the status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.config.model_ikev2 import Ikev2Identity, Ikev2Match
from seikan.ike.settings import EngineSettings, Ikev2Settings
from seikan.ike.status import Diagnosis
from seikan.wire.constants import ENCRYPTION_BY_NAME, GROUP_BY_NUMBER, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret

from .pair.ikev2 import GCM, PEER, ikev2_world, with_ikev2
from .pair.world import POLICY, TUNNEL, A, B, Side, World, with_tunnel

OTHER_SET = TransformSet("OTHER", ENCRYPTION_BY_NAME["aes-cbc-256"], INTEGRITY_BY_NAME["hmac-sha256-128"])


def passive(base: EngineSettings) -> EngineSettings:
    return with_tunnel(base, initiate=False)


def other_policy(row: IsakmpPolicy) -> Callable[[EngineSettings], EngineSettings]:
    return lambda base: passive(replace(base, policies=(row,)))


def diagnosed(side: Side) -> Diagnosis:
    (tunnel,) = side.engine.status(side.world.now).tunnels
    assert tunnel.diagnosis is not None
    return tunnel.diagnosis


def test_policies_that_differ() -> None:
    other = replace(POLICY, priority=5, encryption="aes-cbc-256", group=19)
    world = World(10, change_b=other_policy(other))
    world.a.initiate()
    world.b.initiate()
    world.run(5.0)
    found = diagnosed(world.b)
    assert (found.kind, found.peer) == ("no-proposal", str(A))
    assert found.text.startswith(f"no isakmp policy in common with peer {A}: ")
    assert {row.attribute for row in found.mismatches} == {"isakmp encryption", "isakmp group"}
    assert found.advice["ios"] == (
        "crypto isakmp policy 15",
        " encr aes",
        " hash sha",
        " authentication pre-share",
        " group 14",
    )
    assert found in world.b.engine.status(world.now).diagnoses


def test_transform_sets_that_differ() -> None:
    world = World(11, change_b=lambda base: passive(with_tunnel(base, transform_sets=(OTHER_SET,))))
    world.a.initiate()
    world.run(0.1)
    world.b.initiate()
    world.run(10.0)
    found = diagnosed(world.b)
    assert found.kind == "child-no-proposal"
    assert found.advice["ios"] == (
        "crypto ipsec transform-set SEIKAN esp-aes esp-sha-hmac",
        "crypto ipsec profile ProtectTheTunnel",
        " set transform-set OTHER SEIKAN",
    )


def test_the_newest_errors_are_kept_and_forgotten_when_all_is_well() -> None:
    few = Ikev2Settings(kept_errors=2)
    world = World(13, change_b=lambda base: replace(other_policy(replace(POLICY, group=19))(base), ikev2=few))
    world.a.initiate()
    world.b.initiate()
    world.run(300.0)
    kept = world.b.engine.status(world.now).diagnoses
    assert len(kept) == 2
    assert kept[0].at >= kept[1].at
    world.b.engine.configure(replace(world.b.settings, policies=(POLICY,)), world.now)
    world.run(300.0)
    (tunnel,) = world.b.engine.status(world.now).tunnels
    assert tunnel.up
    assert tunnel.diagnosis is None


def begun_by_a(seed: int, change_b: Callable[[EngineSettings], EngineSettings], seconds: float = 20.0) -> World:
    """A asks and B, which differs, answers."""
    world = ikev2_world(seed, change_b=lambda base: with_tunnel(change_b(base), initiate=False))
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(seconds)
    return world


def test_ikev2_proposals_that_differ() -> None:
    other = replace(GCM, name="other", groups=(GROUP_BY_NUMBER[14],))
    world = begun_by_a(20, lambda base: with_ikev2(base, proposals=(other,)))
    here, there = diagnosed(world.b), diagnosed(world.a)
    assert (here.kind, there.kind) == ("no-proposal", "no-proposal")
    assert here.advice["ios"] == ("crypto ikev2 proposal other", " group 14 19")
    assert "    proposals = aes256gcm16-prfsha256-modp2048" in here.advice["swanctl-peer"]


def test_keys_that_differ() -> None:
    other = replace(PEER, local_key=Secret(b"another one"), remote_key=Secret(b"another one"))
    world = begun_by_a(21, lambda base: with_ikev2(base, peers=(other,)))
    assert diagnosed(world.b).kind == "wrong-key"
    assert diagnosed(world.b).advice["ios"] == ("crypto ikev2 keyring K", " peer ANY", "  pre-shared-key <key>")
    assert diagnosed(world.a).kind == "peer-refused"
    for side in (world.a, world.b):
        for row in side.engine.status(world.now).diagnoses:
            assert "another one" not in str(row)


def test_an_identity_that_no_profile_matches() -> None:
    world = ikev2_world(
        22,
        change=lambda base: with_ikev2(base, identity_local=Ikev2Identity("fqdn", "a.example.net")),
        change_b=lambda base: with_tunnel(
            with_ikev2(base, identities=(Ikev2Match(fqdn="x.example.net"),)), initiate=False
        ),
    )
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(20.0)
    found = diagnosed(world.b)
    assert found.kind == "wrong-identity"
    assert found.advice["ios"] == ("crypto ikev2 profile P", " match identity remote fqdn a.example.net")
    assert found.advice["ios-peer"][-1] == " identity local fqdn x.example.net"


def test_a_key_that_is_not_there() -> None:
    elsewhere = replace(PEER, networks=(IPv4Network("203.0.113.0/24"),))
    world = begun_by_a(23, lambda base: with_ikev2(base, peers=(elsewhere,)))
    assert diagnosed(world.b).kind == "no-key"
    assert "crypto ikev2 keyring K" in diagnosed(world.b).advice["ios"]


def test_a_way_of_proof_that_is_not_asked_for() -> None:
    world = begun_by_a(24, lambda base: with_ikev2(base, remote_authentications=("rsa-sig",)))
    found = diagnosed(world.b)
    assert found.kind == "authentication-method"
    assert " authentication local rsa-sig" in found.advice["ios-peer"]


def test_transform_sets_of_ikev2_that_differ() -> None:
    world = begun_by_a(25, lambda base: with_tunnel(with_ikev2(base), transform_sets=(OTHER_SET,)))
    assert diagnosed(world.b).kind == "child-no-proposal"
    assert diagnosed(world.a).kind == "child-no-proposal"


def test_a_peer_that_speaks_the_other_version() -> None:
    world = begun_by_a(26, lambda base: with_tunnel(replace(base, policies=(POLICY,)), ikev2_profile=None), 5.0)
    found = diagnosed(world.b)
    assert found.kind == "version"
    assert "begins IKEv2" in found.text
    assert found.advice["ios"] == ("crypto ipsec profile ProtectTheTunnel", " set ikev2-profile <profile>")


def test_a_peer_that_begins_the_older_version() -> None:
    world = ikev2_world(28, change=lambda base: replace(base, policies=(POLICY,)), change_b=with_ikev2)
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(5.0)
    assert not world.b.engine.status(world.now).isakmp_sas
    assert "begins IKEv1" in diagnosed(world.b).text


def test_a_peer_that_is_not_there() -> None:
    world = ikev2_world(27)
    world.b.crash()
    world.a.initiate()
    world.run(60.0)
    found = diagnosed(world.a)
    assert found.kind == "no-answer"
    assert f" permit udp host {B} host {A} eq 500" in found.advice["ios"]


def test_a_firewall_that_does_not_know_of_nat_traversal() -> None:
    """IKE_SA_INIT on port 500 has an answer; all that follows, on port 4500, has none."""
    world = ikev2_world(29, nat=True)
    world.forward = lambda _side, path, _data: path.local_port != 4500
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(120.0)
    found = diagnosed(world.a)
    assert found.kind == "nat-in-the-way"
    assert f" permit udp host {A} host {B} eq 4500" in found.advice["ios-peer"]
