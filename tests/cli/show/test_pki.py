"""show crypto pki … and show crypto key …, line by line and without trailing blanks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from tests.cli.show.example import STATUS, render, trimmed

from seikan.cli.status import Certificate, KeyPair, PkiStatus, Status
from seikan.config.model_ikev2 import Pki, Trustpoint

DAY = timedelta(days=1)
OWN = Certificate(
    trustpoint="CA",
    kind="",
    serial="0A02",
    storage="the running configuration",
    issuer=("cn=Example CA", "o=Example"),
    subject=("cn=r3", "o=Example"),
    not_before=STATUS.now - DAY,
    not_after=STATUS.now + DAY,
    usage="General Purpose",
    alternative_names=("r3.example.net",),
    crl_points=("http://crl.example.net/1.crl",),
    ocsp=("http://ocsp.example.net",),
    key="RSA 2048 bits",
    signature="sha256WithRSAEncryption",
    md5="1468DC18 250BDFCF 769C29DF E1F7E5A8",
    sha1="5CA95FB6 E2980EC1 5AFB681B BB7E62B5 AD3FA8B8",
    sha256="00",
)
AUTHORITY = replace(
    OWN, kind="ca", serial="01", subject=("cn=Example CA", "o=Example"), usage="Signature", alternative_names=()
)
LOST = Certificate("OTHER", "ca", "07", "nvram:other.cer", problem="there is no certificate in nvram:other.cer")


def status(*certificates: Certificate, keyed: bool = True) -> Status:
    trustpoints = {name: Trustpoint(name, "terminal pem", revocation=("crl", "none")) for name in ("CA", "OTHER")}
    pairs = (KeyPair("PAIR", "RSA", 2048, bytes(range(40))), KeyPair("CURVE", "EC", 256, b"\x30\x59"))
    pki = PkiStatus(certificates, pairs if keyed else (), {"CA": "PAIR"} if keyed else {}, {"CA": STATUS.now + DAY})
    running = replace(STATUS.running, pki=Pki(trustpoints=MappingProxyType(trustpoints)))
    return replace(STATUS, running=running, pki=pki)


def shown(command: str, of: Status) -> str:
    return "\n".join(trimmed(render(command, of)))


def test_certificates_as_ios_prints_them() -> None:
    text = shown("show crypto pki certificates CA", status(OWN, AUTHORITY, LOST))
    assert text.startswith(
        "Certificate\n"
        "  Status: Available\n"
        "  Certificate Serial Number (hex): 0A02\n"
        "  Certificate Usage: General Purpose\n"
        "  Issuer:\n"
        "    cn=Example CA\n"
        "    o=Example\n"
        "  Subject:\n"
        "    Name: r3.example.net\n"
        "    cn=r3\n"
        "    o=Example\n"
        "  CRL Distribution Points:\n"
        "    http://crl.example.net/1.crl\n"
        "  Validity Date:\n"
        "    start date: "
    )
    assert "\n\nCA Certificate\n  Status: Available\n  Certificate Serial Number (hex): 01\n" in text
    assert "  Associated Trustpoints: CA\n" in text
    assert "OTHER" not in text
    assert "Fingerprint" not in text
    verbose = shown("show crypto pki certificates verbose CA", status(OWN))
    assert "  Fingerprint SHA1: 5CA95FB6 E2980EC1 5AFB681B BB7E62B5 AD3FA8B8\n" in verbose
    assert "    Public Key Algorithm: RSA 2048 bits\n" in verbose


def test_a_certificate_that_is_of_no_use_says_why() -> None:
    expired = replace(OWN, not_after=STATUS.now - DAY / 2)
    early = replace(OWN, not_before=STATUS.now + DAY / 2)
    assert "  Status: Expired\n" in shown("show crypto pki certificates", status(expired))
    assert "  Status: Not yet valid: check the clock\n" in shown("show crypto pki certificates", status(early))
    lost = shown("show crypto pki certificates OTHER", status(LOST))
    assert "  Status: cannot be used: there is no certificate in nvram:other.cer\n" in lost
    assert shown("show crypto pki certificates NONE", status()) == "% There is no trustpoint NONE"


STATE = """\
Trustpoint CA:
  Issuing CA certificate configured:
    Subject Name:
     cn=Example CA,o=Example
    Fingerprint MD5: 1468DC18 250BDFCF 769C29DF E1F7E5A8
    Fingerprint SHA1: 5CA95FB6 E2980EC1 5AFB681B BB7E62B5 AD3FA8B8
  Router General Purpose certificate configured:
    Subject Name:
     cn=r3,o=Example
    Fingerprint MD5: 1468DC18 250BDFCF 769C29DF E1F7E5A8
    Fingerprint SHA1: 5CA95FB6 E2980EC1 5AFB681B BB7E62B5 AD3FA8B8
  State:
    Keys generated ............. Yes (General Purpose, non-exportable)
    Issuing CA authenticated ....... Yes
    Certificate request(s) ..... Yes

Trustpoint OTHER:
  State:
    Keys generated ............. No
    Issuing CA authenticated ....... No
    Certificate request(s) ..... None
"""


def test_trustpoints_and_what_each_has() -> None:
    assert shown("show crypto pki trustpoints status", status(OWN, AUTHORITY)) == STATE
    text = shown("show crypto pki trustpoints", status(OWN, AUTHORITY))
    assert "Trustpoint CA:\n    Subject Name:\n    cn=Example CA\n    o=Example\n" in text
    assert "    Revocation check: crl none\n    CRL imported, next update: " in text


def test_public_keys_by_kind() -> None:
    text = shown("show crypto key mypubkey all", status())
    assert "Key name: PAIR\nKey type: RSA KEYS\n" in text
    assert "  00010203 04050607 08090A0B 0C0D0E0F\n  10111213" in text
    assert "used by: CA" in text
    assert "used by: no trustpoint" in text
    assert "PAIR" not in shown("show crypto key mypubkey ec", status())
    assert "CURVE" not in shown("show crypto key mypubkey rsa", status())
    assert shown("show crypto key mypubkey all", status(keyed=False)) == ""
