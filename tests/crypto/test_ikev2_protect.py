"""Encrypted payloads: published ones, a capture with known keys, and what must not open."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vectors.ikev2 import RFC7634_INNER, RFC7634_IV, RFC7634_KEY, RFC7634_MESSAGE, STRONGSWAN_PSK
from tests.wire.v2.test_captures import CORPUS, datagrams

from seikan.crypto import ikev2_protect
from seikan.crypto.ikev2_auth import auth_octets, nat_detection, psk_auth
from seikan.crypto.ikev2_keys import IkeKeys, child_keymat, derive_ike_keys
from seikan.crypto.ikev2_protect import IntegrityError, largest_plaintext, seal, sealed_octets
from seikan.crypto.key_exchange import octets_key_pair
from seikan.wire.constants import (
    ENCRYPTION_BY_NAME,
    ENCRYPTIONS,
    GROUP_BY_NUMBER,
    HASH_BY_NAME,
    INTEGRITIES,
    INTEGRITY_BY_NAME,
    Encryption,
    Integrity,
)
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import Exchange, Notify
from seikan.wire.v2.constants import Payload as Type
from seikan.wire.v2.header import Header, pull_header
from seikan.wire.v2.message import Chain, find_encrypted, pull_message, pull_payloads, push_payloads, push_prefix
from seikan.wire.v2.payloads import Authentication, Identification, KeyExchange, Nonce, Notification
from seikan.wire.v2.rules import check

SUITES: list[tuple[Encryption, Integrity | None]] = [
    *((row, None) for row in ENCRYPTIONS if row.aead and row.ike_v2),
    *((ENCRYPTION_BY_NAME[name], INTEGRITIES[1]) for name in ("3des-cbc", "aes-cbc-128", "aes-cbc-192")),
    *((ENCRYPTION_BY_NAME["aes-cbc-256"], row) for row in INTEGRITIES),
]
NAMES = [f"{row.name}-{check.name if check else 'none'}" for row, check in SUITES]
HEADER = Header(b"initiatr", b"responde", 0, Exchange.INFORMATIONAL, 0x08, 9, 0)


def keys(encryption: Encryption, integrity: Integrity | None) -> IkeKeys:
    return derive_ike_keys(
        HASH_BY_NAME["sha256"],
        encryption,
        integrity,
        nonces=(b"i" * 32, b"r" * 32),
        spis=(HEADER.initiator_spi, HEADER.responder_spi),
        shared=Secret(b"g" * 32),
    )


def sealed(own: IkeKeys, inner: bytes, fragment: int = 0, total: int = 0) -> bytes:
    prefix = push_prefix(HEADER, Type.NOTIFY, sealed_octets(own, len(inner)), fragment=fragment, total=total)
    return prefix + seal(own, True, prefix, inner, bytes(range(own.encryption.iv)))


@pytest.mark.parametrize(("encryption", "integrity"), SUITES, ids=NAMES)
@pytest.mark.parametrize("fragment", [{}, {"fragment": 1, "total": 2}], ids=["sk", "skf"])
def test_what_is_sealed_opens(encryption: Encryption, integrity: Integrity | None, fragment: dict[str, int]) -> None:
    own = keys(encryption, integrity)
    for octets in (0, 1, 15, 16, 17, 100):
        data = sealed(own, b"x" * octets, **fragment)
        encrypted = find_encrypted(pull_header(data), data)
        assert encrypted is not None
        body = data[encrypted.start :]
        assert ikev2_protect.open(own, True, encrypted.aad(data), body) == b"x" * octets
        assert largest_plaintext(own, len(body)) >= octets
        assert sealed_octets(own, largest_plaintext(own, len(body))) <= len(body)
        assert sealed_octets(own, largest_plaintext(own, len(body)) + 1) > len(body)
        with pytest.raises(IntegrityError):
            ikev2_protect.open(own, False, encrypted.aad(data), body)  # the other direction has other keys


@pytest.mark.parametrize(("encryption", "integrity"), SUITES, ids=NAMES)
def test_no_octet_can_be_changed_and_none_left_out(encryption: Encryption, integrity: Integrity | None) -> None:
    own = keys(encryption, integrity)
    data = sealed(own, b"payloads", fragment=1, total=2)
    start = len(data) - sealed_octets(own, 8)
    for place in range(len(data)):
        wrong = bytearray(data)
        wrong[place] ^= 1
        with pytest.raises(IntegrityError):
            ikev2_protect.open(own, True, bytes(wrong[:start]), bytes(wrong[start:]))
    for end in range(start, len(data)):
        with pytest.raises(IntegrityError):
            ikev2_protect.open(own, True, data[:start], data[start:end])


@given(st.sampled_from(SUITES), st.binary(max_size=80), st.binary(max_size=120))
def test_random_bodies_raise_the_one_error(suite: tuple[Encryption, Integrity | None], aad: bytes, body: bytes) -> None:
    with pytest.raises(IntegrityError):
        ikev2_protect.open(keys(*suite), True, aad, body)


def test_padding_that_is_longer_than_the_content_is_refused() -> None:
    """The peer holds the keys, so this is its fault; it must not become an exception of another kind."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    own = keys(ENCRYPTION_BY_NAME["aes-gcm-16-256"], None)
    iv = bytes(8)
    body = iv + AESGCM(own.sk_ei[:32]).encrypt(own.sk_ei[32:] + iv, b"ab\x03", b"aad")
    with pytest.raises(IntegrityError, match="padding"):
        ikev2_protect.open(own, True, b"aad", body)
    # RFC 7296 section 3.14: any padding that fits is taken.
    body = iv + AESGCM(own.sk_ei[:32]).encrypt(own.sk_ei[32:] + iv, b"ab\x02", b"aad")
    assert ikev2_protect.open(own, True, b"aad", body) == b""


def test_an_iv_of_another_length_is_not_used() -> None:
    own = keys(ENCRYPTION_BY_NAME["aes-gcm-16-128"], None)
    with pytest.raises(ValueError, match="IV"):
        seal(own, True, b"", b"", bytes(12))


def test_the_message_of_rfc_7634() -> None:
    """Appendix B."""
    nothing = Secret(b"")
    own = IkeKeys(
        HASH_BY_NAME["sha256"],
        ENCRYPTION_BY_NAME["chacha20-poly1305"],
        None,
        nothing,
        nothing,
        nothing,
        Secret(bytes.fromhex(RFC7634_KEY)),
        nothing,
        nothing,
        nothing,
    )
    data = bytes.fromhex(RFC7634_MESSAGE)
    header = pull_header(data)
    encrypted = find_encrypted(header, data)
    assert encrypted is not None
    plaintext = ikev2_protect.open(own, True, encrypted.aad(data), data[encrypted.start :])
    assert plaintext.hex() == RFC7634_INNER
    (notification,) = pull_payloads(encrypted.inner, plaintext).payloads
    assert notification == Notification(Notify.SET_WINDOW_SIZE, bytes.fromhex("0000000a"))
    first, inner = push_payloads([notification])
    prefix = push_prefix(header, first, sealed_octets(own, len(inner)))
    assert prefix + seal(own, True, prefix, inner, bytes.fromhex(RFC7634_IV)) == data


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of captures is not beside the repository")
def test_a_capture_with_its_keys_is_decrypted() -> None:
    """tcpdump's ikev2pI2.pcap and ikev2pI2-secrets.txt: AES-128 and HMAC-SHA1, the initiator's direction.

    That early Openswan left the header out of its checksum; read as RFC 7296 section 3.14 has it, it is refused.
    """
    name = "the-tcpdump-group+tcpdump/ikev2pI2"
    fields = (CORPUS / f"{name}-secrets.txt").read_text().splitlines()[0].split()
    sk_a, sk_e = (Secret(bytes.fromhex(field.split(":0x")[1])) for field in fields[-2:])
    nothing = Secret(b"")
    own = IkeKeys(
        HASH_BY_NAME["sha1"],
        ENCRYPTION_BY_NAME["aes-cbc-128"],
        INTEGRITY_BY_NAME["hmac-sha1-96"],
        nothing,
        sk_a,
        nothing,
        sk_e,
        nothing,
        nothing,
        nothing,
    )
    data = list(datagrams(f"{name}.pcap"))[1]
    header = pull_header(data)
    clear, encrypted = pull_message(header, data)
    assert not clear.payloads
    assert encrypted is not None
    body = data[encrypted.start :]
    with pytest.raises(IntegrityError):
        ikev2_protect.open(own, True, encrypted.aad(data), body)
    plaintext = ikev2_protect.open(own, True, b"", body)
    payloads = pull_payloads(encrypted.inner, plaintext).payloads
    assert payloads[0] == Identification(True, 2, b"west")
    assert isinstance(payloads[1], Authentication)
    assert payloads[1].method == 1


def test_an_exchange_with_strongswan_reads_from_its_first_octet_to_the_keys_of_its_child() -> None:
    """Key exchange, SKEYSEED, protection, both AUTH payloads, NAT detection and KEYMAT against what a peer did."""
    vector = {name: bytes.fromhex(text) for name, text in STRONGSWAN_PSK.items()}
    sha256, psk = HASH_BY_NAME["sha256"], Secret(b"secret")
    request, response = (pull_message(pull_header(vector[name]), vector[name])[0] for name in _INIT)
    header = pull_header(vector["init_response"])
    spis = (header.initiator_spi, header.responder_spi)
    nonces = (_one(request, Nonce).data, _one(response, Nonce).data)
    pair = octets_key_pair(GROUP_BY_NUMBER[31], vector["private"])
    assert _one(request, KeyExchange).data == pair.public
    own = derive_ike_keys(
        sha256,
        ENCRYPTION_BY_NAME["aes-cbc-256"],
        INTEGRITY_BY_NAME["hmac-sha256-128"],
        nonces=nonces,
        spis=spis,
        shared=pair.shared(_one(response, KeyExchange).data),
    )
    # The destination of the response was the initiator, at 10.9.0.2.
    detected = [each.data for each in response.payloads if isinstance(each, Notification) and each.type == 16389]
    assert detected == [nat_detection(spis, IPv4Address("10.9.0.2"), 500)]
    covered = (
        ("auth_request", "init_request", nonces[1], own.sk_pi),
        ("auth_response", "init_response", nonces[0], own.sk_pr),
    )
    for name, first, nonce, sk_p in covered:
        data = vector[name]
        encrypted = find_encrypted(pull_header(data), data)
        assert encrypted is not None
        by_initiator = name == "auth_request"
        inner = ikev2_protect.open(own, by_initiator, encrypted.aad(data), data[encrypted.start :])
        chain = pull_payloads(encrypted.inner, inner)
        check(Exchange.IKE_AUTH, not by_initiator, chain.payloads)
        identity = next(
            each for each in chain.payloads if isinstance(each, Identification) and each.initiator == by_initiator
        )
        octets = auth_octets(vector[first], nonce, sha256, sk_p, chain.body_of(identity))
        assert _one(chain, Authentication) == Authentication(2, psk_auth(sha256, psk, octets))
    child = child_keymat(sha256, own.sk_d, ENCRYPTION_BY_NAME["aes-gcm-16-128"], None, nonces=nonces)
    assert (child.encryption_i, child.encryption_r) == (vector["child_i"], vector["child_r"])


_INIT = ("init_request", "init_response")
Found = TypeVar("Found")


def _one(chain: Chain, kind: type[Found]) -> Found:
    (found,) = (payload for payload in chain.payloads if isinstance(payload, kind))
    return found
