"""Certificates: what they say, whom they are of, and which paths hold."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from seikan.crypto.certificates import (
    MAX_CHAIN,
    AlternativeNames,
    CertificateRefused,
    Problem,
    UnusableFile,
    alternative_names,
    authority_hash,
    belongs,
    certifies,
    crl_urls,
    fingerprint,
    is_authority,
    issuer_der,
    load_certificates,
    load_pkcs12,
    ocsp_urls,
    public_key,
    self_issued,
    serial_number,
    subject_der,
    subject_text,
    validate,
    validity,
)
from seikan.crypto.signatures import PrivateKey
from seikan.wire.v2.constants import IdType

from .authority import DAY, NOW, Authority, key, name, usage

ROOT = Authority("Root")
SUB = Authority("Sub", issuer=ROOT, path_length=0)
LEAF = SUB.issue(
    names=[
        x509.DNSName("r1.example.com"),
        x509.RFC822Name("ops@example.com"),
        x509.IPAddress(IPv4Address("192.0.2.1")),
        x509.IPAddress(IPv6Address("2001:db8::1")),
        x509.IPAddress(IPv4Network("10.0.0.0/8")),
    ]
)


def refused(*sent: bytes, authorities: tuple[bytes, ...] = (ROOT.der,)) -> CertificateRefused:
    with pytest.raises(CertificateRefused) as raised:
        validate(sent, authorities, NOW)
    return raised.value


# --- one certificate ------------------------------------------------------------------------------------------------


def test_what_a_certificate_says() -> None:
    assert subject_text(LEAF) == "CN=r1.example.com,O=Example"
    assert subject_der(LEAF) == name("r1.example.com").public_bytes()
    assert issuer_der(LEAF) == subject_der(SUB.der)
    assert serial_number(LEAF) == x509.load_der_x509_certificate(LEAF).serial_number
    assert validity(LEAF) == (NOW - DAY, NOW + DAY)
    assert (is_authority(LEAF), is_authority(SUB.der)) == (False, True)
    assert (self_issued(ROOT.der), self_issued(SUB.der)) == (True, False)
    assert fingerprint(LEAF) == hashlib.sha256(LEAF).digest()
    assert alternative_names(LEAF) == AlternativeNames(
        (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")), ("r1.example.com",), ("ops@example.com",)
    )
    assert alternative_names(ROOT.der) == AlternativeNames()


def test_an_authority_is_named_by_the_hash_of_its_key() -> None:
    """RFC 7296 section 3.7."""
    info = ROOT.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert authority_hash(ROOT.der) == hashlib.sha1(info).digest()


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (IdType.IPV4_ADDR, IPv4Address("192.0.2.1").packed, True),
        (IdType.IPV4_ADDR, IPv4Address("10.0.0.0").packed, False),  # a network is nobody's address
        (IdType.IPV6_ADDR, IPv6Address("2001:db8::1").packed, True),
        (IdType.FQDN, b"R1.example.com", True),
        (IdType.FQDN, b"r2.example.com", False),
        (IdType.FQDN, b"\xff", False),
        (IdType.RFC822_ADDR, b"ops@example.com", True),
        (IdType.RFC822_ADDR, b"r1.example.com", False),
        (IdType.DER_ASN1_DN, name("r1.example.com").public_bytes(), True),
        (IdType.DER_ASN1_DN, name("Sub").public_bytes(), False),
        (IdType.KEY_ID, b"r1.example.com", False),
    ],
)
def test_an_identity_is_one_of_the_certificate_or_is_not(kind: int, data: bytes, expected: bool) -> None:
    """RFC 4945 section 3.1; a CN that looks like a host name is none."""
    assert certifies(LEAF, kind, data) is expected
    assert not certifies(SUB.issue(), IdType.FQDN, b"r1.example.com")


def test_where_to_ask_for_revocation() -> None:
    def place(url: str) -> x509.UniformResourceIdentifier:
        return x509.UniformResourceIdentifier(url)

    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.OCSP, place("http://a.example/ocsp")),
            x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.CA_ISSUERS, place("http://a.example/ca")),
        ]
    )
    points = x509.CRLDistributionPoints([x509.DistributionPoint([place("http://a.example/crl")], None, None, None)])
    der = ROOT.issue(extensions=[(access, False), (points, False)])
    assert ocsp_urls(der) == ("http://a.example/ocsp",)
    assert crl_urls(der) == ("http://a.example/crl",)
    assert ocsp_urls(LEAF) == crl_urls(LEAF) == ()


# --- files ----------------------------------------------------------------------------------------------------------


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def test_files_of_certificates() -> None:
    both = (LEAF, SUB.der)
    parsed = [x509.load_der_x509_certificate(der) for der in both]
    assert load_certificates(LEAF) == (LEAF,)
    assert load_certificates(b"".join(pem(der) for der in both)) == both
    assert set(load_certificates(pkcs7.serialize_certificates(parsed, Encoding.PEM))) == set(both)
    assert set(load_certificates(pkcs7.serialize_certificates(parsed, Encoding.DER))) == set(both)
    for wrong in (b"", b"nothing", LEAF[:-1], pem(LEAF)[:200]):
        with pytest.raises(UnusableFile):
            load_certificates(wrong)


def test_pkcs12_holds_a_key_and_its_certificates() -> None:
    own = key("p256")
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    parsed = [x509.load_der_x509_certificate(der) for der in (LEAF, SUB.der)]
    data = pkcs12.serialize_key_and_certificates(b"r1", own, parsed[0], parsed[1:], BestAvailableEncryption(b"sesame"))
    bundle = load_pkcs12(data, b"sesame")
    assert bundle.certificates == (LEAF, SUB.der)
    assert bundle.key == PrivateKey(own)
    assert belongs(bundle.key, LEAF)
    assert not belongs(bundle.key, SUB.der)
    for octets, passphrase in ((data, b"wrong"), (data[:-5], b"sesame"), (b"nothing", b"")):
        with pytest.raises(UnusableFile):
            load_pkcs12(octets, passphrase)
    without = pkcs12.serialize_key_and_certificates(b"x", None, parsed[0], None, BestAvailableEncryption(b"s"))
    with pytest.raises(UnusableFile, match="without private key"):
        load_pkcs12(without, b"s")


# --- paths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384", "p521", "ed25519"])
def test_a_path_of_every_kind_of_key(kind: str) -> None:
    root = Authority(f"Root {kind}", kind)
    sub = Authority(f"Sub {kind}", kind, root)
    leaf = sub.issue(own=key(kind))
    assert validate([leaf, sub.der], [ROOT.der, root.der], NOW) == (leaf, sub.der, root.der)
    assert isinstance(public_key(leaf), rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)


def test_paths_are_found_whatever_else_is_sent_and_in_whatever_order() -> None:
    other = Authority("Other")
    assert validate([LEAF, other.der, ROOT.der, SUB.der], [ROOT.der], NOW) == (LEAF, SUB.der, ROOT.der)
    # The trustpoint of a subordinate authority trusts that one itself.
    assert validate([LEAF], [SUB.der], NOW) == (LEAF, SUB.der)
    # A peer's certificate that is trusted itself.
    assert validate([LEAF], [LEAF], NOW) == (LEAF,)
    # Two authorities of one name: the one with the right key is taken.
    twin = Authority("Sub", issuer=ROOT, number=1)
    assert validate([LEAF, twin.der, SUB.der], [ROOT.der], NOW) == (LEAF, SUB.der, ROOT.der)


def test_an_expired_certificate_tells_both_dates() -> None:
    der = SUB.issue(start=NOW - 2 * DAY, end=NOW - DAY)
    problem = refused(der, SUB.der).problem
    assert (problem.kind, problem.not_before, problem.not_after, problem.now) == (
        Problem.EXPIRED,
        NOW - 2 * DAY,
        NOW - DAY,
        NOW,
    )
    assert problem.text == "the certificate of CN=r1.example.com,O=Example expired 2026-01-01 03:04:05 UTC"


def test_a_certificate_of_tomorrow_tells_both_dates() -> None:
    """What a router whose clock was not set sees."""
    der = SUB.issue(start=NOW + DAY, end=NOW + 2 * DAY)
    problem = refused(der, SUB.der).problem
    assert (problem.kind, problem.not_before) == (Problem.NOT_YET_VALID, NOW + DAY)
    assert "not valid before 2026-01-03 03:04:05 UTC, which is still to come here" in problem.text


def test_the_dates_are_inclusive_and_hold_for_authorities_too() -> None:
    """RFC 5280 section 4.1.2.5."""
    der = ROOT.issue(start=NOW, end=NOW)
    assert validate([der], [ROOT.der], NOW)
    with pytest.raises(CertificateRefused):
        validate([der], [ROOT.der], NOW + timedelta(seconds=1))
    old = Authority("Old", end=NOW - DAY)
    problem = refused(old.issue(), authorities=(old.der,)).problem
    assert (problem.kind, problem.subject) == (Problem.EXPIRED, "CN=Old,O=Example")


def test_an_unknown_issuer_is_named() -> None:
    problem = refused(LEAF).problem
    assert problem.kind is Problem.UNKNOWN_ISSUER
    assert problem.text == (
        "the issuer of CN=r1.example.com,O=Example, CN=Sub,O=Example, is no authority of the trustpoint"
    )
    stranger = Authority("Stranger")
    assert "CN=Stranger" in refused(stranger.issue(), stranger.der).problem.text
    assert "self-signed" in refused(stranger.der).problem.text
    assert refused().problem.kind is Problem.UNKNOWN_ISSUER


def test_a_signature_of_somebody_of_the_same_name_is_bad() -> None:
    impostor = Authority("Root", number=1)
    problem = refused(impostor.issue()).problem
    assert problem.kind is Problem.BAD_SIGNATURE
    assert "not by CN=Root" in problem.text
    broken = bytearray(LEAF)
    broken[-1] ^= 1
    assert refused(bytes(broken), SUB.der).problem.kind in (Problem.BAD_SIGNATURE, Problem.MALFORMED)


@pytest.mark.parametrize(
    ("authority", "kind"),
    [
        (Authority("No authority", issuer=ROOT, authority=False), Problem.WRONG_USAGE),
        (Authority("No signing", issuer=ROOT, extensions=[(usage(digital_signature=True), True)]), Problem.WRONG_USAGE),
        (Authority("Too deep", issuer=SUB), Problem.CONSTRAINED),  # SUB may have none below it
        (
            Authority(
                "Narrow", issuer=ROOT, extensions=[(x509.NameConstraints([x509.DNSName("example.org")], None), True)]
            ),
            Problem.CONSTRAINED,
        ),
    ],
    ids=lambda value: getattr(value, "text", ""),
)
def test_an_authority_does_what_it_may(authority: Authority, kind: Problem) -> None:
    leaf = authority.issue(names=[x509.DNSName("r1.example.com")])
    assert refused(leaf, authority.der, SUB.der).problem.kind is kind


def test_the_length_of_a_path_holds_where_the_library_does_not_look() -> None:
    root = Authority("Ed root", "ed25519", path_length=1)
    first = Authority("Ed 1", "ed25519", root)
    assert validate([first.issue(), first.der], [root.der], NOW)
    second = Authority("Ed 2", "ed25519", first)
    problem = refused(second.issue(), second.der, first.der, authorities=(root.der,)).problem
    assert problem.text == "CN=Ed root,O=Example may have 1 authorities below it, and has 2"


def test_name_constraints_that_hold_and_such_that_cannot_be_checked() -> None:
    limits = [(x509.NameConstraints([x509.DNSName("example.com")], None), True)]
    narrow = Authority("Narrow", issuer=ROOT, extensions=limits)
    leaf = narrow.issue(names=[x509.DNSName("r1.example.com")])
    assert validate([leaf, narrow.der], [ROOT.der], NOW)
    modern = Authority("Modern", "ed25519", extensions=limits)
    leaf = modern.issue(names=[x509.DNSName("r1.example.com")])
    problem = refused(leaf, authorities=(modern.der,)).problem
    assert problem.kind is Problem.CONSTRAINED
    assert "cannot be checked" in problem.text


def test_an_end_certificate_is_for_signing_in_ipsec() -> None:
    """RFC 4945 section 5.1.3.2 and 5.1.3.12."""

    def purposes(*oids: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
        return x509.ExtendedKeyUsage(oids), False

    taken = (
        [(usage(digital_signature=True), True)],
        [(usage(content_commitment=True), True)],
        [purposes(ExtendedKeyUsageOID.IPSEC_IKE)],
        [purposes(ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)],
        [purposes(ExtendedKeyUsageOID.SERVER_AUTH)],
    )
    for extensions in taken:
        assert validate([ROOT.issue(extensions=extensions)], [ROOT.der], NOW)
    for wrong in ([(usage(key_encipherment=True), True)], [purposes(ExtendedKeyUsageOID.CODE_SIGNING)]):
        assert refused(ROOT.issue(extensions=wrong)).problem.kind is Problem.WRONG_USAGE
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    assert validate([ROOT.issue(extensions=[(unknown, False)])], [ROOT.der], NOW)
    problem = refused(ROOT.issue(extensions=[(unknown, True)])).problem
    assert problem.kind is Problem.WRONG_USAGE
    assert "1.2.3.4" in problem.text


def test_short_keys_and_broken_hashes_are_weak() -> None:
    """RFC 8247 section 4; the library makes no certificate with SHA-1 any more, so one says that it has it."""
    root = Authority("Root RSA", "rsa2048")
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    leaf = root.issue().replace(sha256, sha1)
    problem = refused(leaf, authorities=(root.der,)).problem
    assert problem.kind is Problem.WEAK
    assert "signed with SHA1" in problem.text
    problem = refused(ROOT.issue(own=key("rsa1024"))).problem
    assert problem.kind is Problem.WEAK
    assert "1024 bits" in problem.text
    weak = Authority("Weak", "rsa1024")
    assert refused(weak.issue(), authorities=(weak.der,)).problem.kind is Problem.WEAK


def test_a_chain_ends_and_forged_ones_cost_little() -> None:
    chain = [ROOT]
    for number in range(MAX_CHAIN):
        chain.append(Authority(f"Level {number}", issuer=chain[-1]))
    sent = [chain[-1].issue(), *(authority.der for authority in chain[:0:-1])]
    assert refused(*sent).problem.kind is Problem.UNKNOWN_ISSUER
    assert len(validate([chain[-4].issue(), *sent], [ROOT.der], NOW)) == MAX_CHAIN - 1
    # Authorities that all have the same name and key, in as many orders as there are.
    twins = [Authority("Twin", issuer=Authority("Twin")).der for _ in range(30)]
    assert refused(Authority("Twin").issue(), *twins).problem.kind is Problem.UNKNOWN_ISSUER


SIGNED = len(x509.load_der_x509_certificate(LEAF).tbs_certificate_bytes)


@given(st.integers(4, 3 + SIGNED), st.integers(1, 255))
def test_a_changed_certificate_is_refused(place: int, change: int) -> None:
    """Any octet of what is signed, which begins behind the outer header of four octets."""
    changed = bytearray(LEAF)
    changed[place] ^= change
    refused(bytes(changed), SUB.der)


@given(st.binary(max_size=200))
def test_random_octets_are_no_certificate(data: bytes) -> None:
    assert refused(data).problem.kind is Problem.MALFORMED
