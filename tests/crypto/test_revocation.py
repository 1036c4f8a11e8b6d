"""Whether a certificate is revoked, by CRL and by OCSP; what is not known is not good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from seikan.crypto.certificates import CertificateRefused, Problem, UnusableFile, serial_number
from seikan.crypto.revocation import check_crl, check_crls, check_ocsp, crl_facts, load_crl, ocsp_request

from .authority import DAY, NOW, Authority, key, usage

ROOT = Authority("Root")
SUB = Authority("Sub", issuer=ROOT)
LEAF = SUB.issue()
PATH = (LEAF, SUB.der, ROOT.der)
SERIAL = serial_number(LEAF)
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


def crl_problem(*crls: bytes) -> tuple[Problem, str]:
    with pytest.raises(CertificateRefused) as raised:
        check_crls(PATH, crls, NOW)
    return raised.value.problem.kind, raised.value.problem.text


def test_every_certificate_of_a_path_is_asked_for() -> None:
    check_crls(PATH, (ROOT.crl(), SUB.crl(SERIAL + 1)), NOW)
    check_crls((LEAF,), (), NOW)  # trusted itself
    kind, text = crl_problem(SUB.crl())
    assert (kind, text) == (
        Problem.NO_CRL,
        "whether CN=Sub,O=Example is revoked is not known: there is no CRL of CN=Root,O=Example",
    )
    assert crl_problem(ROOT.crl(serial_number(SUB.der)), SUB.crl())[0] is Problem.REVOKED


def test_a_revoked_certificate_says_when_and_why() -> None:
    kind, text = crl_problem(SUB.crl(SERIAL), ROOT.crl())
    assert kind is Problem.REVOKED
    assert text == (
        "the certificate of CN=r1.example.com,O=Example was revoked 2026-01-02 01:04:05 UTC "
        "by CN=Sub,O=Example (keyCompromise)"
    )


def test_the_newest_valid_crl_counts() -> None:
    before, after = SUB.crl(start=NOW - 2 * DAY), SUB.crl(SERIAL)
    assert crl_problem(before, after, ROOT.crl())[0] is Problem.REVOKED
    old = SUB.crl(SERIAL, start=NOW - 3 * DAY, end=NOW - 2 * DAY)
    check_crl(LEAF, SUB.der, (old, before), NOW)


@pytest.mark.parametrize(
    ("crl", "kind", "words"),
    [
        (SUB.crl(end=NOW - timedelta(seconds=1)), Problem.CRL_EXPIRED, "expired 2026-01-02 03:04:04 UTC"),
        (SUB.crl(start=NOW + DAY, end=NOW + 2 * DAY), Problem.CRL_EXPIRED, "is of 2026-01-03"),
        (SUB.crl(signer=key("p256", 99)), Problem.NO_CRL, "wrong signature"),
        (SUB.crl(signer=key("rsa2048")), Problem.NO_CRL, "wrong signature"),
        (SUB.crl(extensions=[(x509.DeltaCRLIndicator(1), True)]), Problem.NO_CRL, "critical extension"),
        (
            SUB.crl(extensions=[(x509.IssuingDistributionPoint(None, None, False, True, None, False, False), True)]),
            Problem.NO_CRL,
            "of some certificates only",
        ),
    ],
    ids=["expired", "tomorrow", "forged", "kind", "delta", "partial"],
)
def test_a_crl_that_does_not_count(crl: bytes, kind: Problem, words: str) -> None:
    found, text = crl_problem(ROOT.crl(), crl)
    assert found is kind
    assert words in text
    assert "is not known" in text


def test_an_authority_that_may_not_sign_crls() -> None:
    silent = Authority("Silent", extensions=[(usage(key_cert_sign=True), True)])
    with pytest.raises(CertificateRefused, match="no CRL signing"):
        check_crl(silent.issue(), silent.der, (silent.crl(),), NOW)
    with pytest.raises(CertificateRefused, match="malformed") as raised:
        check_crl(LEAF, SUB.der, (b"nothing",), NOW)
    assert raised.value.problem.kind is Problem.NO_CRL


def test_files_of_crls() -> None:
    der = SUB.crl(SERIAL, SERIAL + 1)
    assert load_crl(der) == der
    assert load_crl(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)) == der
    facts = crl_facts(der)
    assert (facts.issuer, facts.revoked) == ("CN=Sub,O=Example", 2)
    assert (facts.this_update, facts.next_update) == (NOW - DAY, NOW + DAY)
    for wrong in (b"", b"nothing", LEAF):
        with pytest.raises(UnusableFile):
            load_crl(wrong)


# --- OCSP -----------------------------------------------------------------------------------------------------------


def ocsp_problem(answer: bytes) -> tuple[Problem, str]:
    with pytest.raises(CertificateRefused) as raised:
        check_ocsp(LEAF, SUB.der, answer, NOW)
    return raised.value.problem.kind, raised.value.problem.text


def test_a_question_names_the_certificate() -> None:
    request = ocsp.load_der_ocsp_request(ocsp_request(LEAF, SUB.der))
    assert request.serial_number == SERIAL


def test_a_good_answer_says_until_when() -> None:
    assert check_ocsp(LEAF, SUB.der, SUB.ocsp(LEAF), NOW) == NOW + DAY


@pytest.mark.parametrize("kind", ["rsa2048", "ed25519"])
def test_answers_of_other_kinds_of_key(kind: str) -> None:
    authority = Authority(f"OCSP {kind}", kind)
    leaf = authority.issue()
    assert check_ocsp(leaf, authority.der, authority.ocsp(leaf), NOW)


def test_a_delegated_responder_must_be_named_so_by_the_authority() -> None:
    """RFC 6960 section 4.2.2.2."""
    purpose = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)]
    own = key("p256", 5)
    let = SUB.issue("Responder", own=own, extensions=purpose)
    assert check_ocsp(LEAF, SUB.der, SUB.ocsp(LEAF, responder=(let, own)), NOW)
    for not_let in (
        SUB.issue("Responder", own=own),
        ROOT.issue("Responder", own=own, extensions=purpose),
        SUB.issue("Responder", own=own, extensions=purpose, end=NOW - timedelta(seconds=1)),
    ):
        kind, text = ocsp_problem(SUB.ocsp(LEAF, responder=(not_let, own)))
        assert kind is Problem.NO_OCSP
        assert "neither by the authority" in text


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (SUB.ocsp(LEAF, status=REVOKED), Problem.REVOKED, "was revoked 2026-01-02 01:04:05 UTC by CN=Sub"),
        (SUB.ocsp(LEAF, status=UNKNOWN), Problem.NO_OCSP, "does not know it"),
        (SUB.ocsp(LEAF, end=NOW - timedelta(seconds=1)), Problem.NO_OCSP, "expired"),
        (SUB.ocsp(LEAF, start=NOW + timedelta(seconds=1)), Problem.NO_OCSP, "is of 2026"),
        (SUB.ocsp(SUB.issue("other")), Problem.NO_OCSP, "another certificate"),
        (ROOT.ocsp(LEAF), Problem.NO_OCSP, "another certificate"),  # another authority's certificate of that number
        (
            ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER),
            Problem.NO_OCSP,
            "answers try later",
        ),
        (b"nothing", Problem.NO_OCSP, "malformed"),
    ],
    ids=["revoked", "unknown", "expired", "tomorrow", "other", "issuer", "later", "malformed"],
)
def test_an_answer_that_is_not_good(answer: bytes, kind: Problem, words: str) -> None:
    found, text = ocsp_problem(answer)
    assert found is kind
    assert words in text


ANSWER = SUB.ocsp(LEAF)
SIGNED = ocsp.load_der_ocsp_response(ANSWER).tbs_response_bytes


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_a_changed_answer_is_not_good(place: int, change: int) -> None:
    changed = bytearray(ANSWER)
    changed[ANSWER.index(SIGNED) + place] ^= change
    assert ocsp_problem(bytes(changed))[0] is Problem.NO_OCSP


def test_a_crl_of_another_distribution_point_says_nothing() -> None:
    """A list in parts: whoever is in another part is not in this one."""

    def point(url: str) -> list[x509.UniformResourceIdentifier]:
        return [x509.UniformResourceIdentifier(url)]

    named = x509.CRLDistributionPoints([x509.DistributionPoint(point("http://ca/1.crl"), None, None, None)])
    own = SUB.issue(extensions=[(named, False)])

    def part(url: str) -> bytes:
        names = x509.IssuingDistributionPoint(point(url), None, False, False, None, False, False)
        return SUB.crl(extensions=[(names, True)])

    check_crl(own, SUB.der, (part("http://ca/1.crl"),), NOW)
    for certificate in (own, LEAF):
        with pytest.raises(CertificateRefused) as raised:
            check_crl(certificate, SUB.der, (part("http://ca/2.crl"),), NOW)
        assert raised.value.problem.kind is Problem.NO_CRL


def test_an_old_answer_that_promises_a_newer_one_is_not_taken() -> None:
    assert check_ocsp(LEAF, SUB.der, SUB.ocsp(LEAF, start=NOW - DAY / 2, end=None), NOW) is None
    with pytest.raises(CertificateRefused) as raised:
        check_ocsp(LEAF, SUB.der, SUB.ocsp(LEAF, start=NOW - 3 * DAY, end=None), NOW)
    assert raised.value.problem.kind is Problem.NO_OCSP
