"""Algorithms in the words of the show commands, derived from the one table in `wire.constants`."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.config.model import IsakmpPolicy, TransformSet
from seikan.wire.constants import GROUP_BY_NUMBER, Encryption, Hash

_AUTHENTICATION = {
    "pre-share": ("Pre-Shared Key", "psk"),
    "rsa-sig": ("Rivest-Shamir-Adleman Signature", "rsig"),
    "rsa-encr": ("Rivest-Shamir-Adleman Encryption", "renc"),
}
_HASH = {"md5": "Message Digest 5", "sha1": "Secure Hash Standard"}
_DEFAULT_AUTHENTICATION = "rsa-sig"
_DES = "DES - Data Encryption Standard (56 bit keys)."
_GROUP_BITS = {1: 768, 19: 256, 20: 384, 21: 521}


def describe_encryption(policy: IsakmpPolicy) -> str:
    """As in `show crypto isakmp policy`."""
    row = policy.encryption_row
    if row is None:
        return _DES
    if row.ios_policy.startswith("aes"):
        return f"AES - Advanced Encryption Standard ({row.key_bits} bit keys)."
    return "Three key triple DES"


def describe_hash(policy: IsakmpPolicy) -> str:
    row = policy.hash_row
    return _HASH.get(row.name) or f"Secure Hash Standard 2 ({row.octets * 8} bit)"


def authentication(policy: IsakmpPolicy) -> str:
    return policy.authentication or _DEFAULT_AUTHENTICATION


def describe_authentication(policy: IsakmpPolicy) -> str:
    return _AUTHENTICATION[authentication(policy)][0]


def authentication_word(policy: IsakmpPolicy) -> str:
    """`psk`, `rsig` or `renc`."""
    return _AUTHENTICATION[authentication(policy)][1]


def describe_group(policy: IsakmpPolicy) -> str:
    number = policy.group or 1
    row = GROUP_BY_NUMBER.get(number)
    bits = _GROUP_BITS.get(number) or (row.octets * 8 if row else None)
    return f"#{number} ({bits} bit)" if bits else f"#{number}"


def encryption_word(policy: IsakmpPolicy) -> str:
    """The cipher's family, as the narrow columns of IOS have it: `aes`, `3des`, `des`."""
    row = policy.encryption_row
    return row.ios_policy.split()[0] if row else "des"


def hash_word(policy: IsakmpPolicy) -> str:
    return policy.hash_row.ios


def weaknesses(policy: IsakmpPolicy) -> Iterator[str]:
    """Why a security reviewer would object to a policy, one reason each."""
    encryption, group = policy.encryption_row, policy.group_row
    if encryption is not None and encryption.weak:
        yield encryption.weak
    if policy.hash_row.weak:
        yield policy.hash_row.weak
    if group is not None and group.weak:
        yield group.weak


def weak_words(policy: IsakmpPolicy) -> Iterator[str]:
    """The words of a policy that are weak, or not supported; such words count only where they are typed."""
    if policy.encryption_row is None or policy.encryption_row.weak:
        yield encryption_word(policy)
    if policy.hash_row.weak:
        yield hash_word(policy)
    if policy.group_row is None or policy.group_row.weak:
        yield f"group {policy.group or 1}"


def obstacles(policy: IsakmpPolicy) -> Iterator[str]:
    """Why Seikan does not negotiate a policy as it stands, one reason each."""
    if policy.encryption_row is None:
        yield "DES is not supported, type encryption aes"
    if policy.group_row is None:
        yield f"group {policy.group or 1} is not supported, type group 14"
    if authentication(policy) != "pre-share":
        yield f"{authentication(policy)} is not supported, type authentication pre-share"


def engine_cipher(row: Encryption | None) -> str:
    """As in the algorithm column of `show crypto engine connections active`."""
    if row is None:
        return "NULL"
    if row.ios_transform == "esp-3des":
        return "3DES"
    if row.ios_transform == "esp-null":
        return "NULL"
    bits = "" if row.key_bits == 128 else str(row.key_bits)
    return f"AES{bits}-GCM" if row.aead else f"AES{bits}"


def engine_transform(transform: TransformSet) -> str:
    """`AES+SHA`, `AES256+SHA256`, `AES-GCM`."""
    cipher = engine_cipher(transform.encryption)
    if transform.integrity is None:
        return cipher
    return f"{cipher}+{transform.integrity.ios.removeprefix('esp-').removesuffix('-hmac').upper()}"


def engine_policy(policy: IsakmpPolicy | None) -> str:
    """`SHA+AES`, `SHA256+AES256`; empty while nothing is agreed."""
    if policy is None:
        return ""
    row = policy.encryption_row
    cipher = engine_cipher(row) if row else "DES"
    return f"{policy.hash_row.ios.upper()}+{cipher}"


def engine_suite(cipher: Encryption | None, prf: Hash | None) -> str:
    """The same of an IKEv2 SA."""
    return "" if cipher is None or prf is None else f"{prf.ios.upper()}+{engine_cipher(cipher)}"


def transform_words(transform: TransformSet) -> str:
    """`esp-256-aes esp-sha256-hmac`, the order of words that IOS prints (it is typed `esp-aes 256`)."""
    words = []
    if transform.encryption is not None:
        base, _, bits = transform.encryption.ios_transform.partition(" ")
        if bits and not transform.encryption.aead:
            base = f"esp-{bits}-{base.removeprefix('esp-')}"
        elif bits:
            base = f"{base} {bits}"
        words.append(base)
    if transform.integrity is not None:
        words.append(transform.integrity.ios)
    return " ".join(words)
