"""Stateless cookies against forged sources (RFC 7296 section 2.6)."""

from __future__ import annotations

from seikan.crypto.prf import prf, same
from seikan.ike.core import Core
from seikan.ike.effects import Path
from seikan.wire.constants import HASH_BY_NAME
from seikan.wire.secret import Secret

ROTATE = 60.0  # seconds a secret makes cookies for; those it has made are good for as long again
_SECRET_OCTETS = 32
_HASH = HASH_BY_NAME["sha256"]


class Cookies:
    def __init__(self, core: Core) -> None:
        self.core = core
        self._secrets: dict[int, tuple[float, Secret]] = {}  # by version: since when, and the secret; the newest last
        self._version = 0

    def _current(self) -> int:
        since = self._secrets[self._version][0] if self._secrets else -ROTATE
        if self.core.now - since >= ROTATE or not self._secrets:
            self._version = (self._version + 1) % 256
            self._secrets[self._version] = (self.core.now, Secret(self.core.random(_SECRET_OCTETS)))
            while len(self._secrets) > 2:
                del self._secrets[next(iter(self._secrets))]
        return self._version

    def _cookie(self, version: int, spi_i: bytes, nonce: bytes, path: Path) -> bytes:
        octets = nonce + path.remote.packed + path.remote_port.to_bytes(2, "big") + spi_i
        return bytes((version,)) + bytes(prf(_HASH, self._secrets[version][1], octets))

    def make(self, spi_i: bytes, nonce: bytes, path: Path) -> bytes:
        """The version of the secret and a MAC of what the request has and where it comes from."""
        return self._cookie(self._current(), spi_i, nonce, path)

    def valid(self, cookie: bytes, spi_i: bytes, nonce: bytes, path: Path) -> bool:
        version = cookie[0] if cookie else -1
        if version not in self._secrets or self.core.now - self._secrets[version][0] >= 2 * ROTATE:
            return False
        return same(cookie, self._cookie(version, spi_i, nonce, path))
