"""The keys of an IKE SA as Wireshark reads them: one line of its table `ikev2_decryption_table`."""

from __future__ import annotations

from seikan.crypto.ikev2_keys import IkeKeys
from seikan.wire.secret import Secret

# Names of the columns' values in Wireshark's packet-isakmp.c.
_ENCRYPTION = {
    "3des-cbc": "3DES [RFC2451]",
    "aes-cbc-128": "AES-CBC-128 [RFC3602]",
    "aes-cbc-192": "AES-CBC-192 [RFC3602]",
    "aes-cbc-256": "AES-CBC-256 [RFC3602]",
    "aes-gcm-16-128": "AES-GCM-128 with 16 octet ICV [RFC5282]",
    "aes-gcm-16-192": "AES-GCM-192 with 16 octet ICV [RFC5282]",
    "aes-gcm-16-256": "AES-GCM-256 with 16 octet ICV [RFC5282]",
    "chacha20-poly1305": "CHACHA20-POLY1305 [RFC7634]",
}
_INTEGRITY = {
    "hmac-sha1-96": "HMAC_SHA1_96 [RFC2404]",
    "hmac-sha256-128": "HMAC_SHA2_256_128 [RFC4868]",
    "hmac-sha384-192": "HMAC_SHA2_384_192 [RFC4868]",
    "hmac-sha512-256": "HMAC_SHA2_512_256 [RFC4868]",
}
_NONE = "NONE [RFC4306]"


def keylog_line(keys: IkeKeys, spi_i: bytes, spi_r: bytes) -> Secret:
    """SPIi,SPIr,SK_ei,SK_er,"encryption",SK_ai,SK_ar,"integrity"."""
    integrity = _NONE if keys.integrity is None else _INTEGRITY[keys.integrity.name]
    columns = (
        spi_i.hex(),
        spi_r.hex(),
        keys.sk_ei.hex(),
        keys.sk_er.hex(),
        f'"{_ENCRYPTION[keys.encryption.name]}"',
        keys.sk_ai.hex(),
        keys.sk_ar.hex(),
        f'"{integrity}"',
    )
    return Secret(",".join(columns).encode())
