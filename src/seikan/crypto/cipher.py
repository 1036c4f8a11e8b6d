"""The ciphers that protect ISAKMP messages: AES and 3DES in CBC (RFC 2409 appendix B, RFC 3602)."""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from seikan.wire.constants import Encryption
from seikan.wire.secret import Secret


def _cipher(algorithm: Encryption, key: Secret, iv: bytes) -> Cipher[modes.CBC]:
    block = TripleDES(key) if algorithm.name == "3des-cbc" else AES(key)
    return Cipher(block, modes.CBC(iv))


def encrypt(algorithm: Encryption, key: Secret, iv: bytes, plaintext: bytes) -> bytes:
    """CBC over whole blocks; the next IV is the last block of the result."""
    encryptor = _cipher(algorithm, key, iv).encryptor()
    return encryptor.update(plaintext) + encryptor.finalize()


def decrypt(algorithm: Encryption, key: Secret, iv: bytes, ciphertext: bytes) -> bytes:
    """The inverse; raises ValueError where `ciphertext` is not whole blocks."""
    decryptor = _cipher(algorithm, key, iv).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()
