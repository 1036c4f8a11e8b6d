"""Trustpoints, certificates in hexadecimal, and certificate maps."""

from __future__ import annotations

import pytest
from tests.config.samples import opened
from tests.config.typed import type_lines

from seikan.cli.requests import Apply, Reply
from seikan.cli.session import Session
from seikan.cli.shell import Wants
from seikan.config.grammar import LineError
from seikan.config.handlers import ConfigError
from seikan.config.model import Config
from seikan.config.model_ikev2 import CertificateCriterion, ChainCertificate, Trustpoint
from seikan.config.parse import Severity, parse
from seikan.config.render import render
from seikan.config.session import TABLE, apply_line

OCTETS = bytes.fromhex("30820216") + bytes(range(70))
BLOCK = """\
  30820216 00010203 04050607 08090A0B 0C0D0E0F 10111213 14151617 18191A1B
  1C1D1E1F 20212223 24252627 28292A2B 2C2D2E2F 30313233 34353637 38393A3B
  3C3D3E3F 40414243 4445
  \tquit
"""
#: As IOS writes it.
WRITTEN = f"""\
crypto pki trustpoint CA
 enrollment url http://192.0.2.1:80
 serial-number
 fqdn r1.example.net
 ip-address 192.0.2.9
 subject-name CN=r1.example.net,OU=VPN,O=Example
 subject-alt-name r1.example.net
 revocation-check ocsp crl none
 ocsp url http://192.0.2.1/ocsp
 rsakeypair R1
 auto-enroll 70
!
crypto pki trustpoint SELF
 enrollment selfsigned
 revocation-check none
 eckeypair E1
!
crypto pki certificate map PEERS 10
 subject-name co ou = vpn
 issuer-name co cn = ca
!
crypto pki certificate map PEERS 20
 alt-subject-name eq b.example.net
 expires-on ge may 01 2027
!
crypto pki certificate chain CA
 certificate 1A2B
{BLOCK} certificate ca 01 nvram:CA#1CA.cer
!
crypto pki certificate chain SELF
 certificate self-signed 01
{BLOCK}!
"""


def test_everything_is_written_as_it_was_read() -> None:
    parsed = parse(WRITTEN)
    assert [str(problem) for problem in parsed.problems if problem.severity is Severity.UNKNOWN] == []
    assert WRITTEN in render(parsed.config)
    assert parse(render(parsed.config)).config == parsed.config


def test_the_model_has_what_was_read() -> None:
    pki = parse(WRITTEN).config.pki
    assert pki.trustpoints["CA"] == Trustpoint(
        "CA",
        "url http://192.0.2.1:80",
        "CN=r1.example.net,OU=VPN,O=Example",
        "r1.example.net",
        "r1.example.net",
        "192.0.2.9",
        "R1",
        revocation=("ocsp", "crl", "none"),
        revocation_typed=True,
        ocsp_url="http://192.0.2.1/ocsp",
    )
    assert (pki.trustpoints["SELF"].key_pair, pki.trustpoints["SELF"].key_pair_kind) == ("E1", "eckeypair")
    assert pki.chains["CA"].certificates == (
        ChainCertificate("1A2B", "", OCTETS),
        ChainCertificate("01", "ca", file="nvram:CA#1CA.cer"),
    )
    assert pki.chains["SELF"].certificates == (ChainCertificate("01", "self-signed", OCTETS),)
    assert pki.maps["PEERS"].entries[10] == (
        CertificateCriterion("subject-name", "co", "ou = vpn"),
        CertificateCriterion("issuer-name", "co", "cn = ca"),
    )


def test_crypto_ca_is_another_word() -> None:
    assert parse(WRITTEN.replace("crypto pki", "crypto ca")).config == parse(WRITTEN).config


def test_a_flat_file_has_its_certificates_too() -> None:
    flat = "\n".join(line.strip() for line in WRITTEN.splitlines() if line != "!")
    assert parse(flat).config.pki == parse(WRITTEN).config.pki


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("  3082G216\n  quit\n", "3082G216 is not hexadecimal"),
        ("  3082021\n  quit\n", "octets of the certificate are missing"),
        ("  quit\n", "octets of the certificate are missing"),
    ],
)
def test_a_damaged_certificate_is_one_problem_and_kept(block: str, text: str) -> None:
    source = f"crypto pki certificate chain CA\n certificate 01\n{block}hostname R9\n"
    parsed = parse(source)
    (problem,) = parsed.problems
    assert text in problem.text
    assert problem.line == 2
    assert parsed.config.hostname == "R9"
    written = render(parsed.config)
    assert block in written
    assert parse(written).config == parsed.config


def test_a_certificate_without_an_end_takes_nothing_with_it() -> None:
    parsed = parse("crypto pki certificate chain CA\n certificate 01\n  30820216\ninterface Tunnel0\n shutdown\n")
    assert parsed.problems
    assert parsed.config.interfaces["Tunnel0"].shutdown
    assert parsed.config.pki.chains["CA"].certificates == ()


def test_a_certificate_that_was_not_understood_is_closed_and_can_be_removed() -> None:
    config = parse("crypto pki certificate chain CA\n certificate 01\n certificate 02\n 30 82\n quit\n quit\n").config
    written = render(config)
    assert " certificate 01\n  quit\n quit\n" in written
    assert parse(written).config == config
    _, context = opened(("crypto pki certificate chain CA",), config)
    assert "certificate 01" not in render(apply_line(config, context, "no certificate 01").config)


def test_no_and_a_second_certificate_of_the_same_name() -> None:
    config = parse(WRITTEN).config
    chain = "crypto pki certificate chain SELF"
    _, context = opened((chain,), config)
    other = apply_line(config, context, "certificate self-signed 01\nAB CD\nquit").config
    assert other.pki.chains["SELF"].certificates == (ChainCertificate("01", "self-signed", b"\xab\xcd"),)
    none = apply_line(config, context, "no certificate self-signed 01").config
    assert none.pki.chains["SELF"].certificates == ()
    with pytest.raises(ConfigError, match="certificate ca 07 is not in this chain"):
        apply_line(config, context, "no certificate ca 07")
    without = type_lines(
        config,
        (
            "no crypto pki certificate chain CA",
            "no crypto pki certificate chain SELF",
            "no crypto pki trustpoint CA",
            "no crypto ca trustpoint SELF",
            "no crypto pki certificate map PEERS 10",
            "no crypto pki certificate map PEERS",
        ),
    )
    assert without == Config()


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        (("revocation-check none", "no revocation-check"), Trustpoint("T")),
        (("rsakeypair K", "eckeypair L"), Trustpoint("T", key_pair="L", key_pair_kind="eckeypair")),
        (("eckeypair K", "no eckeypair"), Trustpoint("T")),
        (("enrollment terminal pem", "no enrollment"), Trustpoint("T")),
        (("enr self",), Trustpoint("T", enrollment="selfsigned")),
        (("fqdn none",), Trustpoint("T", fqdn="none")),
        (("ip-address fa0/0",), Trustpoint("T", ip_address="FastEthernet0/0")),
    ],
)
def test_lines_of_a_trustpoint(typed: tuple[str, ...], left: Trustpoint) -> None:
    config = type_lines(Config(), ("crypto pki trustpoint T", *(f" {line}" for line in typed)))
    assert config.pki.trustpoints["T"] == left
    assert parse(render(config)).config == config


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("crypto pki trustpoint T", " revocation-check none crl"), "type it last, as in revocation-check crl none"),
        (("crypto pki certificate map M 10", " subject-name lt x"), "lt is for dates"),
        (("crypto pki certificate map M 10", " no subject-name co x"), "subject-name co x is not configured"),
        (("no crypto pki certificate map M 20",), "crypto pki certificate map M 20 is not configured"),
        (("no crypto pki trustpoint T",), "crypto pki trustpoint T is not configured"),
        (("crypto pki certificate chain T", " certificate ca 01 zz"), "the certificate's end is missing"),
        (("crypto key generate rsa modulus 1024",), "at the router"),
        (("crypto pki enroll T",), "at the router"),
        (("crypto ca enroll T",), "at the router"),
    ],
)
def test_refusals_say_why(lines: tuple[str, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        type_lines(Config(), lines)


def test_help() -> None:
    def listed(mode: str, line: str) -> list[str]:
        return [row.word for row in TABLE.completions(mode, line)]

    assert {"certificate", "trustpoint"} < set(listed("config", "crypto pki "))
    assert listed("config", "crypto pki certificate ") == ["chain", "map"]
    assert listed("ca-trustpoint", "revocation-check ") == ["crl", "none", "ocsp"]
    assert "co" in listed("ca-certificate-map", "subject-name ")
    assert "ca" not in listed("config", "crypto ")
    with pytest.raises(LineError) as raised:
        opened(("crypto pki trustpoint T", "revocation-check never"))
    assert raised.value.expected == ("crl", "none", "ocsp")


def test_a_certificate_is_typed() -> None:
    session = Session(lambda: parse("crypto pki certificate chain CA\n").config)
    session.feed("configure terminal")
    session.feed("crypto pki certificate chain CA")
    assert session.prompt.endswith("(config-cert-chain)#")
    session.feed("certificate ca 01")
    assert session.wants is Wants.TEXT
    session.feed("  30820216 00")
    request = session.feed("quit")
    assert isinstance(request, Apply)
    (held,) = request.candidate.pki.chains["CA"].certificates
    assert held == ChainCertificate("01", "ca", bytes.fromhex("3082021600"))
    session.committed()
    session.feed("certificate ca 02")
    refused = session.feed("quit")
    assert isinstance(refused, Reply)
    assert "octets of the certificate are missing" in refused.lines[0]


def test_the_certificates_of_a_trustpoint_go_with_it() -> None:
    chain = "crypto pki certificate chain {name}\n certificate ca 01\n  3000\n  quit\n"
    text = "".join(f"crypto pki trustpoint {name}\n" + chain.replace("{name}", name) for name in ("A", "B"))
    left = parse(text + "no crypto pki trustpoint A\n").config.pki
    assert (list(left.trustpoints), list(left.chains)) == (["B"], ["B"])


def test_a_line_in_full_behind_a_trustpoint_is_no_abbreviation_of_its_words() -> None:
    parsed = parse("crypto pki trustpoint A\nip access-list standard B\n permit any\n")
    assert not parsed.problems
    assert list(parsed.config.access_lists) == ["B"]
