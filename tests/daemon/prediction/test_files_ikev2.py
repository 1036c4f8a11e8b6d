"""Two files with IKEv2 that fit, and the same with one thing wrong at the first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.x509 import DNSName
from tests.crypto.authority import DAY, NOW, Authority
from tests.daemon.prediction.test_files import AROUND, OSPF, VALUES, VTI, check_of, failing, predicted

from seikan.daemon.prediction.verdict import Result

IKEV2 = """\
crypto ikev2 proposal PROPOSAL
 encryption aes-cbc-256
 integrity sha256
 group 19
crypto ikev2 policy POLICY
 proposal PROPOSAL
crypto ikev2 keyring KEYS
 peer OTHER
  address {peer}
  pre-shared-key Between-Them
crypto ikev2 profile V2
 match identity remote address {peer} 255.255.255.255
 authentication remote pre-share
 authentication local pre-share
 keyring local KEYS
crypto ipsec transform-set T esp-gcm 256
crypto ipsec profile P
 set transform-set T
 set ikev2-profile V2
"""


def text(side: int, *parts: str) -> str:
    return f"hostname R{1 + 2 * side}\n" + "".join(part.format(**VALUES[side]) for part in (IKEV2, AROUND, *parts))


def test_what_fits_comes_up() -> None:
    prediction = predicted(text(0, VTI, OSPF), text(1, VTI, OSPF))
    assert failing(prediction) == []
    assert prediction.up
    assert check_of(prediction, "ikev2 proposal").ends[0].value == "aes-cbc-256, sha256, sha256, group 19"
    assert all(check.result is Result.OK for link in prediction.links for check in link.checks), prediction


@dataclass(frozen=True)
class Wrong:
    name: str
    old: str
    new: str
    check: str
    ends: tuple[str, str]
    result: Result = Result.FAILS
    says: str = ""
    mends: bool = True


WRONG = [
    Wrong("encryption", "aes-cbc-256", "aes-cbc-128", "ikev2 encryption", ("aes-cbc-128", "aes-cbc-256")),
    Wrong("integrity", " integrity sha256", " integrity sha512", "ikev2 integrity", ("sha512", "sha256")),
    Wrong("group", " group 19", " group 14", "ikev2 group", ("14", "19")),
    Wrong(
        "key",
        "pre-shared-key Between-Them",
        "pre-shared-key Another",
        "pre-shared key",
        ("key of peer OTHER in KEYS", "key of peer OTHER in KEYS"),
        says="differ",
        mends=False,
    ),
    Wrong(
        "no key",
        "  address 10.1.23.3\n",
        "  address 10.9.9.9\n",
        "pre-shared key",
        ("none", "key of peer OTHER in KEYS"),
        says="no pre-shared key for 10.1.23.3",
        mends=False,
    ),
    Wrong(
        "identity",
        " match identity remote address 10.1.23.3",
        " match identity remote address 10.9.9.9",
        "identity",
        ("profile V2 matches 10.9.9.9/32", "address 10.1.23.3"),
    ),
    Wrong(
        "own identity",
        " keyring local KEYS",
        " keyring local KEYS\n identity local fqdn r1.example.com",
        "identity",
        ("fqdn r1.example.com", "profile V2 matches 10.1.12.1/32"),
        mends=False,
    ),
    Wrong(
        "method",
        " authentication remote pre-share",
        " authentication remote rsa-sig\n pki trustpoint CA verify\n"
        "crypto pki trustpoint CA\n revocation-check none\ncrypto ikev2 profile V2",
        "ikev2 authentication of the other end",
        ("remote rsa-sig", "local pre-share"),
    ),
    Wrong("version", " set ikev2-profile V2\n", "", "ike version", ("IKEv1", "IKEv2"), mends=False),
    Wrong("cipher", "esp-gcm 256", "esp-gcm", "ipsec encryption", ("esp-gcm", "esp-gcm 256")),
    Wrong(
        "pfs",
        " set transform-set T",
        " set transform-set T\n set pfs group14",
        "ipsec pfs",
        ("group14", "none"),
        result=Result.OK,
        mends=False,
    ),
    Wrong(
        "dpd",
        " keyring local KEYS",
        " keyring local KEYS\n dpd 10 2 periodic",
        "ikev2 dpd",
        ("10 s, 2 s, periodic", "off"),
        result=Result.NOTE,
        says="R3 does not ask",
        mends=False,
    ),
]


@pytest.mark.parametrize("wrong", [row for row in WRONG if row.result is not Result.OK], ids=lambda row: row.name)
def test_what_is_wrong_is_told_with_both_ends(wrong: Wrong) -> None:
    broken, other = text(0, VTI, OSPF), text(1, VTI, OSPF)
    assert wrong.old in broken
    broken = broken.replace(wrong.old, wrong.new, 1)
    prediction = predicted(broken, other)
    check = check_of(prediction, wrong.check)
    assert check.result is wrong.result
    assert tuple(end.value for end in check.ends) == wrong.ends
    assert wrong.says in check.text
    assert prediction.up is (wrong.result is not Result.FAILS)
    if wrong.mends:
        checks = [row for link in prediction.links for row in link.checks]
        advice = next(row for one in checks for row in one.advice if row.side == 0)
        mended = predicted(broken + "\n".join(advice.lines) + "\n", other)
        assert mended.up, failing(mended)


def test_different_pfs_fails_when_the_keys_are_to_be_replaced() -> None:
    """The first pair has no key exchange of its own (RFC 7296 section 1.2): it comes up all the same."""
    one = text(0, VTI).replace(" set transform-set T", " set transform-set T\n set pfs group14")
    other = text(1, VTI).replace(" set transform-set T", " set transform-set T\n set pfs group19")
    check = check_of(predicted(one, other), "ipsec pfs")
    assert check.result is Result.FAILS
    assert "it comes up, and fails when its keys are to be replaced, within 3600 s" in check.text
    assert [end.value for end in check.ends] == ["group14", "group19"]
    advice = next(row for row in check.advice if row.side == 0)
    assert predicted(one + "\n".join(advice.lines) + "\n", other).up


def test_a_spoke_and_its_hub_by_ikev2() -> None:
    hub = text(
        1,
        "interface Virtual-Template1 type tunnel\n ip unnumbered Loopback0\n tunnel source eth0\n"
        " tunnel mode ipsec ipv4\n tunnel protection ipsec profile P\n",
    ).replace(" keyring local KEYS", " keyring local KEYS\n virtual-template 1")
    spoke = text(0, VTI)
    assert predicted(spoke, hub).up, failing(predicted(spoke, hub))
    wrong = hub.replace("match identity remote address 10.1.12.1", "match identity remote address 10.9.9.9")
    check = check_of(predicted(spoke, wrong), "identity")
    assert (check.result, check.ends[1].value) == (Result.FAILS, "profile V2 matches 10.9.9.9/32")


# --- certificates ----------------------------------------------------------------------------------


def hexadecimal(der: bytes) -> str:
    """As IOS writes octets: eight groups of four in a line."""
    rows = (der[start : start + 32].hex(" ", -4).upper() for start in range(0, len(der), 32))
    return "".join(f"  {row}\n" for row in rows)


def certified(side: int, authority: Authority, certificate: bytes) -> str:
    """A file whose router proves itself by certificate and trusts `authority`."""
    blocks = "".join(
        f" certificate {kind}01\n{hexadecimal(der)}  quit\n"
        for kind, der in (("ca ", authority.der), ("", certificate))
    )
    pki = f"crypto pki trustpoint CA\n revocation-check none\ncrypto pki certificate chain CA\n{blocks}"
    own = text(side, VTI).replace("pre-share\n", "ecdsa-sig\n").replace(" keyring local KEYS", " pki trustpoint CA")
    named = own.replace(
        f"match identity remote address {VALUES[side]['peer']} 255.255.255.255",
        "match identity remote fqdn domain example.com",
    )
    return pki + named.replace(" pki trustpoint CA", f" pki trustpoint CA\n identity local fqdn r{side}.example.com")


def issued(authority: Authority, side: int, **options: Any) -> bytes:
    return authority.issue(f"r{side}.example.com", names=[DNSName(f"r{side}.example.com")], **options)


def test_certificates_of_one_authority_are_trusted() -> None:
    authority = Authority("CA")
    prediction = predicted(*(certified(side, authority, issued(authority, side)) for side in (0, 1)))
    assert prediction.up, failing(prediction)
    check = check_of(prediction, "certificate")
    assert check.result is Result.OK
    assert "CN=r0.example.com" in check.ends[0].value
    assert "trusts" in check.ends[1].value


def test_a_certificate_of_another_authority() -> None:
    one, other = Authority("CA"), Authority("Other CA")
    prediction = predicted(certified(0, one, issued(one, 0)), certified(1, other, issued(other, 1)))
    check = check_of(prediction, "certificate")
    assert check.result is Result.FAILS
    assert "issuer" in check.text
    assert "CN=r0.example.com" in check.ends[0].value
    assert "Other CA" in check.ends[1].value


def test_a_certificate_that_has_expired() -> None:
    authority = Authority("CA")
    old = issued(authority, 0, start=NOW - 20 * DAY, end=NOW - 10 * DAY)
    prediction = predicted(certified(0, authority, old), certified(1, authority, issued(authority, 1)))
    check = check_of(prediction, "certificate")
    assert check.result is Result.FAILS
    assert "expired" in check.text


def test_a_certificate_of_somebody_else() -> None:
    authority = Authority("CA")
    prediction = predicted(certified(0, authority, issued(authority, 7)), certified(1, authority, issued(authority, 1)))
    check = check_of(prediction, "certificate")
    assert (check.result, check.text) == (
        Result.FAILS,
        "it says that it is r0.example.com, and its certificate does not",
    )


def test_a_certificate_that_is_in_no_file_is_not_judged() -> None:
    authority = Authority("CA")
    whole = certified(0, authority, issued(authority, 0))
    without = re.sub(r" certificate 01\n(  [0-9A-F ]+\n)+  quit", " certificate 01 nvram:R1.cer", whole)
    assert "nvram" in without
    prediction = predicted(without, certified(1, authority, issued(authority, 1)))
    assert check_of(prediction, "certificate").result is Result.UNKNOWN
