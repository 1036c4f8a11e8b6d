"""Identities of IKEv2, and what they lead to: a profile, a keyring's peer, a certificate map."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, ip_address, ip_network
from types import MappingProxyType

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from seikan.config.model_ikev2 import CertificateCriterion, CertificateMap, Ikev2Identity, Ikev2Match, Ikev2Peer
from seikan.ike.identity import Address, Identity
from seikan.ike.settings import Ikev2ProfileSettings
from seikan.ike.v2.identities import (
    CertificateNames,
    encode,
    find_key,
    find_peers,
    find_profile,
    fits,
    map_fits,
    read_date,
    read_identity,
)
from seikan.ike.v2.names import distinguished_name
from seikan.wire.secret import Secret
from seikan.wire.selector import Network
from seikan.wire.v2.constants import IdType
from seikan.wire.v2.payloads import Identification

LOCAL, REMOTE = ip_address("192.0.2.1"), ip_address("198.51.100.9")
NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CH"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "vpn"),
        x509.NameAttribute(NameOID.COMMON_NAME, "hub"),
    ]
)


def identity(kind: int, data: bytes) -> Identity:
    found = read_identity(Identification(True, kind, data))
    assert found is not None
    return found


def profile(name: str = "P", **fields: object) -> Ikev2ProfileSettings:
    plain = Ikev2ProfileSettings(
        name, (), (), (), None, "pre-share", None, ("pre-share",), None, (), None, None, (), 86400, None, 0, None
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "data", "name"),
    [
        (IdType.IPV4_ADDR, bytes((192, 0, 2, 1)), "192.0.2.1"),
        (IdType.IPV6_ADDR, ip_address("2001:db8::1").packed, "2001:db8::1"),
        (IdType.FQDN, b"Hub.Example.NET.", "hub.example.net"),
        (IdType.RFC822_ADDR, b"ops@Example.net", "ops@example.net"),
        (IdType.KEY_ID, b"Branch-7", "Branch-7"),
        (IdType.KEY_ID, b"\x00\xff", "0x00ff"),
        (IdType.DER_ASN1_DN, NAME.public_bytes(), "cn=hub,ou=vpn,o=Example\\, Inc,c=CH"),
        (IdType.NULL, b"", "null"),
    ],
)
def test_what_identities_are_called(kind: int, data: bytes, name: str) -> None:
    assert identity(kind, data).name == name


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (IdType.IPV4_ADDR, b"\1\2\3"),
        (IdType.IPV6_ADDR, b"\1\2\3\4"),
        (IdType.FQDN, b""),
        (IdType.FQDN, b"a b"),
        (IdType.RFC822_ADDR, b"nobody"),
        (IdType.KEY_ID, b""),
        (IdType.KEY_ID, b"x" * 300),
        (IdType.DER_ASN1_DN, NAME.public_bytes()[:-1]),
        (IdType.DER_ASN1_DN, NAME.public_bytes() + b"\0"),
        (IdType.DER_ASN1_DN, b"0\0"),
        (IdType.DER_ASN1_GN, b"0\0"),
        (IdType.NULL, b"me"),
        (99, b"hub"),
    ],
)
def test_what_is_no_identity(kind: int, data: bytes) -> None:
    assert read_identity(Identification(True, kind, data)) is None


@given(st.binary(max_size=80))
def test_no_octets_break_the_reader_of_names(octets: bytes) -> None:
    for data in (octets, bytes((0x30, len(octets))) + octets):
        found = distinguished_name(data)
        assert found is None or "=" in found or data == b"0\0"


@given(
    st.lists(
        st.tuples(
            st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.LOCALITY_NAME]),
            st.text(
                st.characters(min_codepoint=0x41, max_codepoint=0x17F, exclude_categories=["Cc"]),
                min_size=1,
                max_size=20,
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_names_are_read_as_another_library_writes_them(parts: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    name = x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])
    found = distinguished_name(name.public_bytes())
    assert found is not None
    words = {NameOID.COMMON_NAME: "cn", NameOID.ORGANIZATION_NAME: "o", NameOID.LOCALITY_NAME: "l"}
    for kind, text in parts:
        if text.isprintable() and "\\" not in text:
            assert f"{words[kind]}={text}" in found


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (None, (IdType.IPV4_ADDR, LOCAL.packed)),
        (Ikev2Identity("address"), (IdType.IPV4_ADDR, LOCAL.packed)),
        (Ikev2Identity("address", "2001:db8::9"), (IdType.IPV6_ADDR, ip_address("2001:db8::9").packed)),
        (Ikev2Identity("fqdn"), (IdType.FQDN, b"hub.example.net")),
        (Ikev2Identity("fqdn", "other"), (IdType.FQDN, b"other")),
        (Ikev2Identity("email", "a@b"), (IdType.RFC822_ADDR, b"a@b")),
        (Ikev2Identity("key-id", "seven"), (IdType.KEY_ID, b"seven")),
        (Ikev2Identity("key-id", "0x00ff"), (IdType.KEY_ID, b"\x00\xff")),
        (Ikev2Identity("key-id", "0xyz"), (IdType.KEY_ID, b"0xyz")),
    ],
)
def test_what_this_side_says_it_is(typed: Ikev2Identity | None, expected: tuple[int, bytes]) -> None:
    assert encode(typed, local=LOCAL, hostname="hub.example.net") == expected


def test_with_a_certificate_this_side_is_its_subject() -> None:
    subject = NAME.public_bytes()
    for typed in (None, Ikev2Identity("dn")):
        assert encode(typed, local=LOCAL, hostname="h", subject=subject) == (IdType.DER_ASN1_DN, subject)
    with pytest.raises(ValueError, match="needs a certificate"):
        encode(Ikev2Identity("dn"), local=LOCAL, hostname="h")


FQDN = identity(IdType.FQDN, b"hub.example.net")
MAIL = identity(IdType.RFC822_ADDR, b"ops@hub.example.net")
ADDRESS = identity(IdType.IPV4_ADDR, REMOTE.packed)
KEY_ID = identity(IdType.KEY_ID, b"seven")


@pytest.mark.parametrize(
    ("whose", "from_wide_to_narrow"),
    [
        (
            FQDN,
            [
                Ikev2Match(any=True),
                Ikev2Match(domain="net"),
                Ikev2Match(domain="Example.net"),
                Ikev2Match(domain="hub.example.net"),
                Ikev2Match(fqdn="HUB.example.net"),
            ],
        ),
        (MAIL, [Ikev2Match(any=True), Ikev2Match(email_domain="example.net"), Ikev2Match(email="OPS@hub.example.net")]),
        (
            ADDRESS,
            [
                Ikev2Match(any=True),
                *(Ikev2Match(network=ip_network(text)) for text in ("0.0.0.0/0", "198.51.100.0/24", "198.51.100.9")),
            ],
        ),
        (KEY_ID, [Ikev2Match(any=True), Ikev2Match(key_id="seven")]),
    ],
    ids=["fqdn", "email", "address", "key-id"],
)
def test_the_narrower_match_fits_better(whose: Identity, from_wide_to_narrow: list[Ikev2Match]) -> None:
    found = [fits(row, whose) for row in from_wide_to_narrow]
    assert None not in found
    assert found == sorted(set(found), key=lambda fit: fit or (0, 0))
    profiles = [profile(str(number), identities=(row,)) for number, row in enumerate(from_wide_to_narrow)]
    best = find_profile(profiles, LOCAL, whose)
    assert best is not None
    assert best.name == str(len(profiles) - 1)


@pytest.mark.parametrize(
    ("match", "whose"),
    [
        (Ikev2Match(fqdn="hub"), FQDN),
        (Ikev2Match(domain="ample.net"), FQDN),
        (Ikev2Match(domain="a.hub.example.net"), FQDN),
        (Ikev2Match(fqdn="seven"), KEY_ID),
        (Ikev2Match(key_id="Seven"), KEY_ID),
        (Ikev2Match(email="hub.example.net"), FQDN),
        (Ikev2Match(network=ip_network("::/0")), ADDRESS),
        (Ikev2Match(fqdn="198.51.100.9"), ADDRESS),
        (Ikev2Match(network=ip_network("0.0.0.0/0")), FQDN),
        (Ikev2Match(domain="net"), identity(IdType.NULL, b"")),
        (Ikev2Match(), identity(IdType.DER_ASN1_DN, NAME.public_bytes())),
    ],
)
def test_what_does_not_fit(match: Ikev2Match, whose: Identity) -> None:
    assert fits(match, whose) is None
    assert find_profile([profile(identities=(match,))], LOCAL, whose) is None


def test_a_profile_of_another_local_address_is_passed_over() -> None:
    here = profile("here", identities=(Ikev2Match(any=True),), locals=(LOCAL,))
    there = profile("there", identities=(Ikev2Match(fqdn="hub.example.net"),), locals=(REMOTE,))
    everywhere = profile("everywhere", identities=(Ikev2Match(any=True),))
    assert find_profile([there, everywhere, here], LOCAL, FQDN) is here
    assert find_profile([there, everywhere], LOCAL, FQDN) is everywhere
    assert find_profile([there], LOCAL, FQDN) is None


def peer(name: str, key: str | None, **fields: object) -> Ikev2Peer:
    secret = None if key is None else Secret(key.encode())
    return replace(Ikev2Peer(name, local_key=secret, remote_key=secret), **fields)  # type: ignore[arg-type]


PEERS = (
    peer("all", "k-all", networks=(ip_network("0.0.0.0/0"),)),
    peer("net", "k-net", networks=(ip_network("10.0.0.0/8"), ip_network("198.51.100.0/24"))),
    peer("host", "k-host", networks=(ip_network("198.51.100.9/32"),)),
    peer("name", "k-name", hostname="Hub.example.net"),
    peer("id", "k-id", identity=Ikev2Identity("key-id", "seven")),
    peer("mail", "k-mail", identity=Ikev2Identity("email", "OPS@hub.example.net")),
    peer("dn", "k-dn", identity=Ikev2Identity("dn", "CN=hub, OU=vpn, O=Example\\, Inc, C=CH")),
    peer("bare", None, identity=Ikev2Identity("fqdn", "bare")),
)


@pytest.mark.parametrize(
    ("remote", "whose", "key"),
    [
        ("198.51.100.9", None, "k-host"),
        ("198.51.100.8", None, "k-net"),
        ("203.0.113.1", None, "k-all"),
        ("2001:db8::1", None, None),
        ("198.51.100.9", KEY_ID, "k-id"),
        ("198.51.100.9", MAIL, "k-mail"),
        ("198.51.100.9", FQDN, "k-host"),
        ("2001:db8::1", FQDN, "k-name"),
        ("2001:db8::1", identity(IdType.DER_ASN1_DN, NAME.public_bytes()), "k-dn"),
        ("203.0.113.1", identity(IdType.FQDN, b"bare"), "k-all"),
    ],
)
def test_which_key_is_the_peers(remote: str, whose: Identity | None, key: str | None) -> None:
    found = find_key(profile(peers=PEERS), ip_address(remote), whose)
    assert found == (None if key is None else key.encode())


def test_the_profiles_own_key_comes_first_for_its_side_alone() -> None:
    row = profile(peers=PEERS, remote_key=Secret(b"own"))
    assert find_key(row, REMOTE, KEY_ID, "remote") == b"own"
    assert find_key(row, REMOTE, KEY_ID, "local") == b"k-id"
    assert [one.name for one in find_peers(row, REMOTE, None)] == ["host", "net", "all"]


ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address) | st.sampled_from([REMOTE, ip_address("2001:db8::1")])
NETWORKS = st.builds(
    lambda address, length: ip_network((address, length), strict=False), ADDRESSES, st.sampled_from([0, 8, 24, 25, 32])
)


@given(st.lists(st.lists(NETWORKS, max_size=3), max_size=8), ADDRESSES)
def test_of_many_peers_those_with_the_longest_prefix_come_first(networks: list[list[Network]], remote: Address) -> None:
    rows = [peer(str(number), "k", networks=tuple(held)) for number, held in enumerate(networks)]
    fitting = []
    for row in rows:
        lengths = [one.prefixlen for one in row.networks if one.version == remote.version and remote in one]
        if lengths:
            fitting.append((-max(lengths), row.name))
    found = find_peers(profile(peers=tuple(rows)), remote, None)
    assert [row.name for row in found] == [name for _, name in sorted(fitting, key=lambda pair: pair[0])]


CERTIFICATE = CertificateNames(
    "cn=hub,ou=vpn,o=Example\\, Inc,c=CH",
    "cn=ca,o=Example",
    ("hub.example.net", "192.0.2.1"),
    0x0A2B,
    datetime(2025, 3, 1, tzinfo=UTC).timestamp(),
    datetime(2027, 3, 1, tzinfo=UTC).timestamp(),
)


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("subject-name co ou = vpn", True),
        ("subject-name co OU=VPN", True),
        ("subject-name co ou = lan", False),
        ("subject-name nc ou = lan", True),
        ("issuer-name eq cn = CA, o = Example", True),
        ("issuer-name ne cn=ca", True),
        ("issuer-name eq cn=ca", False),
        ("alt-subject-name co example.net", True),
        ("alt-subject-name nc 192.0.2.1", False),
        ("name co hub", True),
        ("serial-number eq 0A2B", True),
        ("serial-number ne 0A2B", False),
        ("expires-on ge Jan 1 2027 00:00:00", True),
        ("expires-on lt Jan 1 2027 00:00:00", False),
        ("valid-start lt Mar 02 2025", True),
        ("valid-start lt someday", False),
        ("colour eq blue", False),
        ("subject-name gt a", False),
    ],
)
def test_criteria_of_certificate_maps(line: str, holds: bool) -> None:
    field, operator, value = line.split(" ", 2)
    row = CertificateMap("M", MappingProxyType({10: (CertificateCriterion(field, operator, value),)}))
    assert map_fits(row, CERTIFICATE) is holds


def test_criteria_of_one_sequence_number_hold_together_and_numbers_stand_for_themselves() -> None:
    good, bad = CertificateCriterion("name", "co", "hub"), CertificateCriterion("name", "co", "spoke")
    assert not map_fits(CertificateMap("M", MappingProxyType({10: (good, bad)})), CERTIFICATE)
    assert map_fits(CertificateMap("M", MappingProxyType({10: (bad,), 20: (good,)})), CERTIFICATE)
    assert not map_fits(CertificateMap("M", MappingProxyType({10: ()})), CERTIFICATE)
    certified = profile("certified", certificate_maps=(CertificateMap("M", MappingProxyType({10: (good,)})),))
    anybody = profile("anybody", identities=(Ikev2Match(any=True),))
    assert find_profile([anybody, certified], LOCAL, FQDN, CERTIFICATE) is certified
    assert find_profile([anybody, certified], LOCAL, FQDN) is anybody


def test_dates_of_ios() -> None:
    moment = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    assert read_date("Jan 2 2027 03:04:05 UTC") == read_date("02 Jan 2027 03:04:05") == moment
