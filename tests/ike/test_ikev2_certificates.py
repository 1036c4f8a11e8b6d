"""Two engines that prove themselves by certificates (RFC 7296 section 2.15, RFC 7427, RFC 4945)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from cryptography import x509
from tests.crypto.authority import DAY, NOW, Authority, Key, key

from seikan.config.model_ikev2 import (
    CertificateCriterion,
    CertificateMap,
    Ikev2Identity,
    Ikev2Match,
    PostQuantumKey,
)
from seikan.crypto.signatures import PrivateKey
from seikan.ike.settings import EngineSettings, TrustpointSettings
from seikan.ike.status import Diagnosis
from seikan.wire.constants import GROUP_BY_NUMBER
from seikan.wire.secret import Secret

from .pair.ikev2 import GCM, PEER, ikev2_world, with_ikev2
from .pair.world import REAL_KEY_PAIR, TUNNEL, Network, Side, World, with_tunnel

ROOT = Authority("root")
MIDDLE = Authority("middle", issuer=ROOT)
OTHER = Authority("other")
METHOD = {"p256": "ecdsa-sig", "p384": "ecdsa-sig", "p521": "ecdsa-sig", "rsa2048": "rsa-sig", "ed25519": "eddsa-sig"}
SHOWN = {"rsa-sig": "RSA", "ecdsa-sig": "ECDSA", "eddsa-sig": "EdDSA"}
ANYBODY = (Ikev2Match(any=True),)


def trustpoint(
    own: bytes,
    kind: str = "p256",
    *,
    middle: tuple[bytes, ...] = (),
    roots: tuple[bytes, ...] = (ROOT.der,),
    **fields: Any,
) -> TrustpointSettings:
    plain = TrustpointSettings("CA", roots, (own, *middle), PrivateKey(key(kind)), ("none",))
    return replace(plain, **fields)


def named(text: str, issuer: Authority = ROOT, kind: str = "p256", **fields: Any) -> bytes:
    own: Key = key(kind)
    names = [x509.DNSName(text), *fields.pop("names", ())]
    return issuer.issue(text, own=own, names=names, **fields)


def certified(base: EngineSettings, name: str, **changes: Any) -> EngineSettings:
    """A side with a certificate for `name`, whose trustpoint and profile may be changed."""
    point = changes.pop("point", None) or trustpoint(named(name))
    profile: dict[str, Any] = {
        "identities": ANYBODY,
        "identity_local": Ikev2Identity("fqdn", name),
        "local_authentication": "ecdsa-sig",
        "remote_authentications": ("ecdsa-sig", "rsa-sig", "eddsa-sig"),
        "sign": point,
        "verify": (point,),
        "peers": (),
    }
    return with_ikev2(base, **(profile | changes))


def certified_world(
    seed: int, a: dict[str, Any] | None = None, b: dict[str, Any] | None = None, network: Network | None = None
) -> World:
    """A asks, B answers."""
    world = ikev2_world(
        seed,
        network,
        change=lambda base: certified(base, "a.example.net", **(a or {})),
        change_b=lambda base: with_tunnel(certified(base, "b.example.net", **(b or {})), initiate=False),
    )
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    return world


def diagnosed(side: Side) -> Diagnosis:
    (tunnel,) = side.engine.status(side.world.now).tunnels
    assert tunnel.diagnosis is not None
    return tunnel.diagnosis


@pytest.mark.parametrize("kind", sorted(METHOD))
def test_every_kind_of_key(kind: str) -> None:
    fields = {
        name: {
            "point": trustpoint(named(f"{name}.example.net", kind=kind), kind),
            "local_authentication": METHOD[kind],
            "remote_authentications": (METHOD[kind],),
        }
        for name in ("a", "b")
    }
    world = certified_world(1, fields["a"], fields["b"])
    world.run(10.0)
    world.assert_converged()
    for side, peer in ((world.a, "b.example.net"), (world.b, "a.example.net")):
        (sa,) = side.engine.status(world.now).ikev2_sas
        shown = SHOWN[METHOD[kind]]
        assert (sa.peer_identity, sa.local_authentication, sa.remote_authentication) == (peer, shown, shown)


@pytest.mark.parametrize("seed", range(6))
def test_chains_in_pieces_over_a_bad_network(seed: int) -> None:
    """Certificates of an authority between, which the peer does not have."""
    point = trustpoint(named("a.example.net", MIDDLE), middle=(MIDDLE.der,))
    network = Network(loss=0.2, duplicate=0.2, delay=(0.001, 0.2))
    world = certified_world(10 + seed, {"point": point, "fragmentation": 576}, {"fragmentation": 576}, network)
    world.run(90.0)
    world.assert_converged()
    assert world.a.engine.status(world.now).counters["ikev2_fragments_sent"] >= 3


def test_without_an_identity_a_side_is_the_subject_of_its_certificate() -> None:
    world = certified_world(2, {"identity_local": None})
    world.run(10.0)
    world.assert_converged()
    (sa,) = world.b.engine.status(world.now).ikev2_sas
    assert sa.peer_identity == "cn=a.example.net,o=Example"


def test_a_key_on_one_side_and_a_certificate_on_the_other() -> None:
    world = certified_world(
        3,
        {"remote_authentications": ("pre-share",), "peers": (PEER,)},
        {"local_authentication": "pre-share", "identity_local": Ikev2Identity("fqdn", "b"), "peers": (PEER,)},
    )
    world.run(10.0)
    world.assert_converged()
    (sa,) = world.a.engine.status(world.now).ikev2_sas
    assert (sa.local_authentication, sa.remote_authentication) == ("ECDSA", "PSK")


def test_a_profile_by_certificate_map() -> None:
    def having(text: str) -> tuple[CertificateMap, ...]:
        return (CertificateMap("M", MappingProxyType({10: (CertificateCriterion("subject-name", "co", text),)})),)

    world = certified_world(4, b={"identities": (), "certificate_maps": having("cn = a.example.net")})
    world.run(10.0)
    world.assert_converged()
    world = certified_world(5, b={"identities": (), "certificate_maps": having("cn = x")})
    world.run(10.0)
    assert not world.a.up
    assert diagnosed(world.b).kind == "wrong-identity"


# What is wrong with A's certificate, and what B says of it.
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "not of its identity": ({"identity_local": Ikev2Identity("fqdn", "c.example.net")}, "wrong-certificate"),
    "unknown issuer": (
        {"point": trustpoint(named("a.example.net", OTHER), roots=(ROOT.der, OTHER.der))},
        "unknown-issuer",
    ),
    "without the authority between": ({"point": trustpoint(named("a.example.net", MIDDLE))}, "unknown-issuer"),
    "key of another": (
        {"point": trustpoint(named("a.example.net"), key=PrivateKey(key("p256", 7)))},
        "wrong-signature",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_certificate_that_proves_nothing(name: str) -> None:
    changes, kind = BAD[name]
    world = certified_world(6, changes)
    world.run(10.0)
    assert not world.a.up
    assert not world.b.up
    assert diagnosed(world.b).kind == kind
    assert diagnosed(world.a).kind == "peer-refused"


def test_an_expired_certificate_is_told_by_who_sees_it() -> None:
    world = certified_world(7, {"point": trustpoint(named("a.example.net", end=NOW + timedelta(hours=1)))})
    world.b.clock = NOW + timedelta(hours=2)
    world.run(10.0)
    found = diagnosed(world.b)
    assert found.kind == "certificate-expired"
    assert found.mismatches[0].local.startswith("it is 2026-01-02 05:")
    told = {row.text for row in world.b.engine.status(world.now).diagnoses}
    assert told == {found.text}, "each attempt is told as another failure"
    world = certified_world(8, {"point": trustpoint(named("a.example.net", start=NOW + DAY, end=NOW + 2 * DAY))})
    world.run(10.0)
    found = diagnosed(world.a)
    assert found.kind == "certificate-not-yet-valid"
    assert "ios" in found.advice


def test_a_clock_that_is_wrong_is_told_from_a_certificate_that_is() -> None:
    """By B's clock nothing is valid, not even its own certificate; it still answers and says so."""
    pre_shared = {"local_authentication": "pre-share", "peers": (PEER,), "identity_local": None}
    world = certified_world(9, {"remote_authentications": ("pre-share",), "peers": (PEER,)}, pre_shared)
    world.b.clock = NOW - 400 * DAY
    world.run(10.0)
    assert not world.a.up
    assert diagnosed(world.b).kind == "clock-skew"


def test_the_kind_of_key_has_to_be_the_one_that_is_asked_for() -> None:
    world = certified_world(11, b={"remote_authentications": ("rsa-sig",)})
    world.run(10.0)
    assert diagnosed(world.b).kind == "authentication-method"
    world = certified_world(12, {"local_authentication": "rsa-sig"})
    world.run(10.0)
    assert diagnosed(world.a).kind == "no-certificate"
    assert "is for ecdsa-sig" in diagnosed(world.a).text


def test_nothing_to_sign_with_is_told_before_anything_is_sent() -> None:
    for changes in ({"sign": None}, {"sign": trustpoint(named("a.example.net"), key=None)}):
        world = certified_world(13, changes)
        world.run(10.0)
        assert diagnosed(world.a).kind == "no-certificate"
        assert world.b.engine.status(world.now).counters.get("messages_received", 0) == 0


def test_a_revoked_certificate_by_the_crl_that_is_here() -> None:
    own = named("a.example.net", serial=77)
    point = trustpoint(named("b.example.net"), revocation=("crl",), crls=(ROOT.crl(77),))
    world = certified_world(14, {"point": trustpoint(own)}, {"point": point})
    world.run(10.0)
    assert diagnosed(world.b).kind == "revoked"
    good = trustpoint(named("b.example.net"), revocation=("crl",), crls=(ROOT.crl(78),))
    world = certified_world(15, {"point": trustpoint(own)}, {"point": good})
    world.run(10.0)
    world.assert_converged()
    assert "ikev2_revocation_questions" not in world.b.engine.status(world.now).counters


@pytest.mark.parametrize("asking", ["a", "b"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, None),
        ("the certificate was revoked", "revoked"),
        ("it cannot be found out whether the certificate was revoked (crl: no route)", "revocation-unknown"),
    ],
)
def test_revocation_is_asked_of_the_world(asking: str, answer: str | None, kind: str | None) -> None:
    point = trustpoint(named(f"{asking}.example.net"), revocation=("crl", "ocsp"))
    changes = {"point": point}
    world = certified_world(16, a=changes) if asking == "a" else certified_world(16, b=changes)
    side = world.a if asking == "a" else world.b
    side.revocation = answer
    world.run(10.0)
    assert side.engine.status(world.now).counters["ikev2_revocation_questions"] >= 1
    if kind is None:
        world.assert_converged()
    else:
        assert not world.a.up
        assert diagnosed(side).kind == kind


def test_no_private_key_is_shown() -> None:
    world = certified_world(17, {"local_authentication": "rsa-sig"})
    world.run(5.0)
    assert "private key>" not in str(world.a.engine.status(world.now))
    assert "BEGIN" not in repr(world.a.settings)


def test_a_network_that_loses_what_is_long_is_told_before_the_last_try() -> None:
    """The certificates make IKE_AUTH longer than what a path with a small MTU lets through without fragments."""
    point = trustpoint(named("a.example.net", MIDDLE, "rsa2048"), "rsa2048", middle=(MIDDLE.der,))
    world = certified_world(31, {"point": point, "local_authentication": "rsa-sig"})
    world.forward = lambda side, path, data: len(data) < 1220
    world.run(15.0)
    assert diagnosed(world.a).kind == "mtu-black-hole"
    world.forward = lambda side, path, data: True
    world.run(30.0)
    assert world.a.up


def test_a_way_that_loses_what_is_long_is_told_from_a_peer_that_refuses() -> None:
    """IKE_SA_INIT passes, and IKE_AUTH with its certificates does not, until IKE cuts it itself (RFC 7383)."""
    point = trustpoint(
        named("a.example.net", MIDDLE, names=[x509.DNSName(f"a{n}.example.net") for n in range(60)]),
        middle=(MIDDLE.der,),
    )
    world = certified_world(20, {"point": point})
    world.forward = lambda _side, _path, data: len(data) <= 1400
    world.run(120.0)
    found = diagnosed(world.a)
    assert found.kind == "mtu-black-hole"
    assert found.advice["ios"] == ("crypto ikev2 fragmentation mtu 1280",)
    cut = {"point": point, "fragmentation": 1280}
    world = certified_world(21, cut, {"fragmentation": 1280})
    world.forward = lambda _side, _path, data: len(data) <= 1400
    world.run(10.0)
    world.assert_converged()


@pytest.mark.parametrize("seed", range(3))
def test_everything_at_once(seed: int) -> None:
    """Certificates of a chain, two key exchanges, a post-quantum key, in fragments, over a network that loses some."""
    ppk = PostQuantumKey("both", Secret(b"q" * 32), required=True)
    fields: dict[str, Any] = {
        "proposals": (replace(GCM, additional=((GROUP_BY_NUMBER[36],),)),),
        "peers": (replace(PEER, local_key=None, remote_key=None, ppk=ppk),),
        "fragmentation": 576,
        "lifetime": 200,
    }
    point = trustpoint(named("a.example.net", MIDDLE), middle=(MIDDLE.der,))
    world = ikev2_world(
        30 + seed,
        Network(loss=0.1 * seed, duplicate=0.1, delay=(0.001, 0.1)),
        change=lambda base: certified(base, "a.example.net", point=point, **fields),
        change_b=lambda base: with_tunnel(certified(base, "b.example.net", **fields), initiate=False),
        key_pair=REAL_KEY_PAIR,
    )
    world.a.initiate()
    world.b.engine.initiate(TUNNEL, world.now)
    world.run(60.0)
    world.assert_converged()
    world.run(240.0)
    world.assert_converged()
    for side in (world.a, world.b):
        (sa,) = side.engine.status(world.now).ikev2_sas
        assert (sa.remote_authentication, sa.additional_groups, sa.ppk) == ("ECDSA", (36,), True)
        assert sa.rekeys >= 1 or seed
