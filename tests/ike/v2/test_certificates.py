"""What is read of certificates and of the payloads around them, whatever a peer sends."""

from __future__ import annotations

from contextlib import suppress

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.crypto.authority import Authority

from seikan.crypto.certificates import CertificateRefused, authority_hash
from seikan.crypto.signatures import OWN_HASHES
from seikan.ike.settings import TrustpointSettings
from seikan.ike.v2.certificates import (
    HASH_ALGORITHMS,
    names_of,
    own_chain,
    read_hash_algorithms,
    request,
    requested,
    sent,
)
from seikan.wire.v2.constants import CertEncoding, Notify
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Certificate, CertificateRequest, Payload

ROOT = Authority("root")
MIDDLE = Authority("middle", issuer=ROOT)
OWN = MIDDLE.issue("r1.example.net", names=[x509.DNSName("r1.example.net"), x509.RFC822Name("ops@example.net")])


def chain(*payloads: Payload) -> Chain:
    return Chain(payloads, tuple(b"" for _ in payloads))


def trustpoint(certificates: tuple[bytes, ...], authorities: tuple[bytes, ...]) -> TrustpointSettings:
    return TrustpointSettings("CA", authorities, certificates, None, ("none",))


def test_what_goes_along_is_what_is_between_this_side_and_a_root() -> None:
    assert own_chain(trustpoint((OWN, MIDDLE.der), (ROOT.der,))) == (OWN, MIDDLE.der)
    assert own_chain(trustpoint((OWN,), (ROOT.der, MIDDLE.der))) == (OWN, MIDDLE.der)
    assert own_chain(trustpoint((OWN,), (ROOT.der,))) == (OWN,)
    assert own_chain(trustpoint((ROOT.der,), (ROOT.der,))) == (ROOT.der,)
    assert own_chain(trustpoint((), (ROOT.der,))) == ()


def test_authorities_are_asked_for_by_the_hash_of_their_key() -> None:
    (payload,) = request([trustpoint((), (ROOT.der, MIDDLE.der)), trustpoint((), (ROOT.der,))])
    assert isinstance(payload, CertificateRequest)
    assert requested(chain(payload)) == {authority_hash(ROOT.der), authority_hash(MIDDLE.der)}
    assert requested(chain(CertificateRequest(CertEncoding.HASH_AND_URL, b"x" * 20))) == frozenset()
    assert request([]) == []


def test_only_certificates_are_certificates() -> None:
    rows = (Certificate(CertEncoding.CRL, b"crl"), Certificate(CertEncoding.X509_SIGNATURE, OWN))
    assert sent(chain(*rows)) == (OWN,)


def test_hash_algorithms_there_and_back() -> None:
    payload = HASH_ALGORITHMS
    assert payload.type == Notify.SIGNATURE_HASH_ALGORITHMS
    assert read_hash_algorithms(payload.data) == tuple(OWN_HASHES)
    assert read_hash_algorithms(b"\0\2\0\x63\0") == (2, 99)


def test_names_are_those_that_certificate_maps_look_at() -> None:
    names = names_of(OWN)
    assert names.subject == "cn=r1.example.net,o=Example"
    assert names.issuer == "cn=middle,o=Example"
    assert names.alternatives == ("r1.example.net", "ops@example.net")
    assert names.not_before < names.not_after


@settings(max_examples=150)
@given(st.integers(0, len(OWN) - 1), st.integers(1, 255), st.integers(0, 3))
def test_a_damaged_certificate_is_read_or_refused(where: int, how: int, cut: int) -> None:
    damaged = bytearray(OWN)
    damaged[where] ^= how
    octets = bytes(damaged[: len(damaged) - cut])
    with suppress(CertificateRefused):
        names = names_of(octets)
        assert isinstance(names.serial, int)
