"""Lists and answers about revoked certificates: what they say, and when they say nothing."""

from __future__ import annotations

import pytest
from tests.crypto.authority import DAY, NOW, Authority, new_key

from seikan.crypto import revocation
from seikan.crypto.revocation import RevocationError


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def test_a_list_names_what_was_revoked(authority: Authority) -> None:
    good, bad = (authority.issue(name, new_key().public_key()) for name in ("good", "bad"))
    authority.revoke(bad)
    crl = revocation.load_crl(authority.crl())
    assert revocation.crl_problem(crl, authority.der, NOW) is None
    assert (revocation.revoked(crl, good), revocation.revoked(crl, bad)) == (False, True)


def test_a_list_is_believed_only_with_the_issuers_signature_and_in_its_time(authority: Authority) -> None:
    crl = revocation.load_crl(authority.crl(days=1))
    assert "ended" in (revocation.crl_problem(crl, authority.der, NOW + 2 * DAY) or "")
    assert "future" in (revocation.crl_problem(crl, authority.der, NOW - 2 * DAY) or "")
    forged = Authority()  # of the same name, with another key
    assert "not signed" in (revocation.crl_problem(revocation.load_crl(forged.crl()), authority.der, NOW) or "")
    other = Authority("Another CA")
    assert "Another CA" in (revocation.crl_problem(revocation.load_crl(other.crl()), authority.der, NOW) or "")
    with pytest.raises(RevocationError, match="no CRL"):
        revocation.load_crl(b"<html>")


def test_a_responder_says_good_or_revoked(authority: Authority) -> None:
    good, bad = (authority.issue(name, new_key().public_key()) for name in ("good", "bad"))
    authority.revoke(bad)
    assert not revocation.ocsp_revoked(authority.answer(good), good, authority.der, NOW)
    assert revocation.ocsp_revoked(authority.answer(bad), bad, authority.der, NOW)
    assert revocation.ocsp_request(good, authority.der)


def test_an_authorized_responder_may_answer_and_nobody_else(authority: Authority) -> None:
    certificate = authority.issue("peer", new_key().public_key())
    key = new_key()
    signer = authority.issue("responder", key.public_key(), ocsp_signer=True)
    answer = authority.answer(certificate, key=key, signer=signer)
    assert not revocation.ocsp_revoked(answer, certificate, authority.der, NOW)
    for wrong in (
        authority.answer(certificate, key=key, signer=authority.issue("mere peer", key.public_key())),
        Authority().answer(certificate),
    ):
        with pytest.raises(RevocationError, match="not signed"):
            revocation.ocsp_revoked(wrong, certificate, authority.der, NOW)


def test_an_answer_about_another_certificate_or_time_says_nothing(authority: Authority) -> None:
    one, other = (authority.issue(name, new_key().public_key()) for name in ("one", "other"))
    with pytest.raises(RevocationError, match="another certificate"):
        revocation.ocsp_revoked(authority.answer(one), other, authority.der, NOW)
    with pytest.raises(RevocationError, match="not of this time"):
        revocation.ocsp_revoked(authority.answer(one), one, authority.der, NOW + 3 * DAY)
    with pytest.raises(RevocationError, match="something else"):
        revocation.ocsp_revoked(b"nonsense", one, authority.der, NOW)
