"""Key pairs and certificates as they are imported, asked for and described."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import AuthorityInformationAccessOID
from tests.crypto.authority import Authority, Key
from tests.crypto.authority import key as new_key

from seikan.crypto import pki
from seikan.crypto.pki import PkiError
from seikan.wire.secret import Secret

PASSWORD = Secret(b"open sesame")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Example CA")


def issue(authority: Authority, common: str, key: Key, *, crl: str | None = None, ocsp: str | None = None) -> bytes:
    """A certificate for `key` that says where to ask whether it was revoked."""
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if crl is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        extensions.append((x509.CRLDistributionPoints([point]), False))
    if ocsp is not None:
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        extensions.append((x509.AuthorityInformationAccess([access]), False))
    return authority.issue(common, own=key, names=[x509.DNSName(common)], extensions=extensions)


def pkcs12_file(authority: Authority, key: Key, der: bytes, password: Secret = PASSWORD) -> bytes:
    own = x509.load_der_x509_certificate(der)
    return pkcs12.serialize_key_and_certificates(
        b"r1", key, own, [authority.certificate], BestAvailableEncryption(bytes(password))
    )


def pem(key: Key, *, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def framed(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def test_a_pkcs12_file_has_a_key_its_certificate_and_authorities(authority: Authority) -> None:
    key = new_key("p256")
    own = issue(authority, "r1.example.net", key)
    data = pkcs12_file(authority, key, own)
    for given in (data, base64.encodebytes(data)):
        bundle = pki.open_pkcs12(given, PASSWORD)
        assert (bundle.certificate, bundle.authorities) == (own, (authority.der,))
        assert bundle.key is not None
        assert pki.belongs_to(own, bundle.key)


@pytest.mark.parametrize("password", [Secret(b""), Secret(b"wrong")])
def test_a_wrong_password_is_said_without_any_password(authority: Authority, password: Secret) -> None:
    key = new_key("p256")
    with pytest.raises(PkiError, match="wrong passphrase") as error:
        pki.open_pkcs12(pkcs12_file(authority, key, issue(authority, "r1", key)), password)
    assert "sesame" not in str(error.value)
    assert error.value.__context__ is None or error.value.__suppress_context__


def test_pem_blocks_come_in_any_order_and_indented(authority: Authority) -> None:
    key = new_key("p256")
    own = issue(authority, "r1.example.net", key)
    parts = [framed(authority.der), pem(key, password=bytes(PASSWORD)), framed(own)]
    for order in ((0, 1, 2), (2, 0, 1)):
        text = b"\n".join(parts[place] for place in order).replace(b"\n", b"\n   ")
        bundle = pki.open_pem(text, PASSWORD)
        assert (bundle.certificate, bundle.authorities) == (own, (authority.der,))
    with pytest.raises(PkiError, match="none of the certificates"):
        pki.open_pem(parts[0] + pem(new_key("p256", 9)))
    with pytest.raises(PkiError, match="passphrase is needed"):
        pki.open_pem(parts[1] + parts[2])
    with pytest.raises(PkiError, match="more than one"):
        pki.open_pem(pem(key) + pem(key))


def test_a_key_is_kept_and_found_again_and_never_printed() -> None:
    for kind, bits, shown in (("ec", 384, "EC"), ("rsa", 2048, "RSA")):
        key = pki.generate(kind, bits)
        kept = pki.key_pem(key)
        assert "PRIVATE" not in f"{kept!r} {kept}"
        again = pki.load_key(bytes(kept))
        assert again == key
        assert (pki.describe_key(again).kind, pki.describe_key(again).bits) == (shown, bits)


@pytest.mark.parametrize("text", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_said_so(text: bytes) -> None:
    with pytest.raises(PkiError, match="no certificate"):
        pki.certificate_der(text)


def test_a_certificate_is_described_as_ios_writes_it(authority: Authority) -> None:
    der = issue(
        authority, "r1.example.net", new_key("p256"), crl="http://crl.example.net/1.crl", ocsp="http://ocsp.example.net"
    )
    assert pki.certificate_der(base64.b64encode(der)) == pki.certificate_der(framed(der)) == der
    found = pki.describe_certificate(der)
    assert (found.subject, found.issuer) == (("cn=r1.example.net", "o=Example"), ("cn=Example CA", "o=Example"))
    assert len(found.serial) % 2 == 0
    assert int(found.serial, 16) == x509.load_der_x509_certificate(der).serial_number
    assert (found.crl_points, found.ocsp) == (("http://crl.example.net/1.crl",), ("http://ocsp.example.net",))
    assert (found.authority, found.key, found.alternative_names) == (False, "EC 256 bits", ("r1.example.net",))
    assert [len(group) for group in found.sha1.split()] == [8] * 5
    assert pki.describe_certificate(authority.der).authority


@pytest.mark.parametrize("subject", ["CN=r1.example.net,O=Example", "cn = r1.example.net, o = Example"])
def test_a_request_names_the_subject_as_typed(subject: str) -> None:
    key = pki.generate("ec", 256)
    request = x509.load_pem_x509_csr(pki.certificate_request(key, subject, ["r1.example.net"]).encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=r1.example.net,O=Example"
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["r1.example.net"]


def test_a_subject_that_is_no_name_is_said_so() -> None:
    with pytest.raises(PkiError, match="CN=r1"):
        pki.certificate_request(pki.generate("ec", 256), "just words")
