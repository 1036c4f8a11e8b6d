"""What a peer that has a key could try against others with IKEv2, and what must come of it: nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from types import MappingProxyType

import pytest
from tests.crypto.authority import Authority

from seikan.config.model_ikev2 import CertificateCriterion, CertificateMap, Ikev2Match, Ikev2Peer
from seikan.crypto.key_exchange import generate_key_pair
from seikan.ike.effects import Path
from seikan.ike.settings import Ikev2ProfileSettings
from seikan.ike.states import Role
from seikan.ike.v2.child import Child
from seikan.ike.v2.proposals import ChildChoice
from seikan.ike.v2.sa import ChildExchange, Ikev2Sa
from seikan.wire.constants import GROUP_BY_NUMBER
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import AuthMethod, CertEncoding, Exchange, Notify
from seikan.wire.v2.errors import InvalidSyntax
from seikan.wire.v2.header import pull_header
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Authentication, Certificate, KeyExchange, Notification

from .pair.hub import DOMAIN, HUB
from .pair.ikev2 import EVERYWHERE, ikev2_world
from .pair.ikev2_hub import Ikev2Hub, hub_settings
from .pair.world import TRANSFORM, TUNNEL, Side
from .test_ikev2 import up
from .test_ikev2_attacks import count, deliver, forged, sa_of
from .test_ikev2_certificates import certified_world, named, trustpoint

NAME = f"a.{DOMAIN}"
OWN = Secret(b"of its own")


def test_whoever_forges_where_its_proof_comes_from_takes_nobodys_place() -> None:
    """The response of IKE_SA_INIT goes to a NAT's address, IKE_AUTH comes from the place of the one to be robbed."""
    world = Ikev2Hub(1)
    victim = world.joins("198.51.100.1", identity=NAME)
    world.connect(victim)
    world.assert_exactly([victim])
    thief = world.joins("192.168.1.2", nat=world.nat("203.0.113.1"), identity=NAME)

    def forward(side: Side, path: Path, data: bytes) -> bool:
        if side is thief and pull_header(data).exchange == Exchange.IKE_AUTH:
            deliver(world.hub, data, Path(HUB, 4500, victim.address, 500))
            return False
        return True

    world.forward = forward
    thief.initiate()
    world.run(1.0)
    (tunnel,) = (tunnel for tunnel in world.hub.engine._core.tunnels.values() if tunnel.session)
    assert len(tunnel.established()) == 1
    world.run(30.0)
    world.assert_exactly([victim])
    assert victim.downs == world.hub.downs == 0


@pytest.mark.parametrize("row", ["hostname", "address"])
def test_the_key_of_all_does_not_prove_who_has_one_of_its_own(row: str) -> None:
    own = Ikev2Peer(NAME, local_key=OWN, remote_key=OWN)
    if row == "hostname":
        own, claimed = replace(own, hostname=NAME), NAME
    else:
        own, claimed = replace(own, networks=(type(EVERYWHERE)("198.51.100.7/32"),)), None
    world = Ikev2Hub(2, configured=hub_settings(own))
    if claimed is not None:
        thief = world.joins("198.51.100.66", identity=claimed)
    else:
        thief = world.joins("198.51.100.7", nat=world.nat("203.0.113.9"))
    world.connect(thief, seconds=20.0)
    assert not thief.up
    assert count(world.hub, "identity_theft") >= 1
    assert not world.hub.access


def test_a_certificate_that_nobody_verifies_matches_no_certificate_map() -> None:
    """The profile is for whoever has the certificate, and also takes pre-shared keys of those whom it names."""
    wanted = CertificateMap("BOSS", MappingProxyType({10: (CertificateCriterion("subject-name", "co", "cn=boss"),)}))
    world = Ikev2Hub(
        3,
        configured=hub_settings(
            identities=(Ikev2Match(fqdn="boss.example"),),
            certificate_maps=(wanted,),
            remote_authentications=("ecdsa-sig", "pre-share"),
        ),
    )
    thief = world.joins("198.51.100.66", identity=NAME)
    shown = Certificate(CertEncoding.X509_SIGNATURE, Authority("self").issue("boss"))
    thief.engine._tunnels.v2.auth.certificates.request_of = lambda profiles: [shown]  # type: ignore[method-assign]
    world.connect(thief)
    assert not thief.up
    assert not world.hub.access


def test_sha1_is_not_taken_of_who_can_do_better() -> None:
    sides = {
        name: {
            "point": trustpoint(named(f"{name}.example.net", kind="rsa2048"), "rsa2048"),
            "local_authentication": "rsa-sig",
            "remote_authentications": ("rsa-sig",),
        }
        for name in ("a", "b")
    }
    world = certified_world(4, sides["a"], sides["b"])
    certificates = world.a.engine._tunnels.v2.auth.certificates
    prove = certificates.prove

    def weakly(sa: Ikev2Sa, profile: Ikev2ProfileSettings, octets: bytes) -> Authentication:
        sa.peer_hashes = ()
        proof = prove(sa, profile, octets)
        assert proof.method == AuthMethod.RSA
        return proof

    certificates.prove = weakly  # type: ignore[method-assign]
    world.run(10.0)
    assert not world.a.up
    assert not world.b.up
    assert count(world.b, "authentication_failed") >= 1


def test_esp_goes_nowhere_before_somebody_has_answered_from_there() -> None:
    """RFC 4555 section 3.7: not the pairs that are there, and none that is made meanwhile."""
    world = Ikev2Hub(5)
    spoke = world.joins("198.51.100.1", identity=NAME)
    world.connect(spoke)
    elsewhere = Path(HUB, 500, IPv4Address("203.0.113.77"), 500)
    deliver(world.hub, forged(spoke, [Notification(Notify.UPDATE_SA_ADDRESSES)]), elsewhere)
    (child,) = spoke.engine._core.tunnels[TUNNEL].children
    spoke.engine._tunnels.children.soft_expired(child)
    spoke.drain()
    world.run(30.0)
    assert world.hub.plane.sas()
    assert {row.path.remote for row in world.hub.plane.sas()} == {spoke.address}


def test_an_older_move_that_comes_late_is_none() -> None:
    """RFC 4555 section 3.5: with a window of several requests they may overtake each other."""
    world = Ikev2Hub(6)
    spoke = world.joins("198.51.100.1", identity=NAME)
    world.connect(spoke)
    first, second = (forged(spoke, [Notification(Notify.UPDATE_SA_ADDRESSES)]) for _ in range(2))
    places = [Path(HUB, 500, IPv4Address(f"203.0.113.{number}"), 500) for number in (1, 2)]
    deliver(world.hub, second, places[1])
    deliver(world.hub, first, places[0])
    assert sa_of(world.hub).path == places[1]


@pytest.mark.parametrize(("offered", "chosen", "used"), [(19, 19, 20), (19, 20, 19), (20, 19, 19)])
def test_perfect_forward_secrecy_is_of_one_group_or_none(offered: int, chosen: int, used: int) -> None:
    world = up(ikev2_world(7))
    pair = generate_key_pair(GROUP_BY_NUMBER[offered])
    exchange = ChildExchange(sa_of(world.a), Role.INITIATOR, 1000, world.now, group=offered, key_pair=pair)
    choice = ChildChoice(1, TRANSFORM, bytes(4), GROUP_BY_NUMBER[chosen], False, ())
    peer = generate_key_pair(GROUP_BY_NUMBER[offered]).public
    with pytest.raises(InvalidSyntax):
        Child._shared(exchange, choice, Chain((KeyExchange(used, peer),), (b"",)))
