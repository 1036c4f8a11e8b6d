"""Proof of who a peer is: by a pre-shared key, and by a certificate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seikan.ike.v2.authentication import (
    METHOD_BY_WORD,
    allowed,
    check_shared_key,
    make_shared_key,
    method_text,
)
from seikan.wire.constants import HASHES, Hash
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import AuthMethod

KEY, OCTETS = Secret(b"correct horse"), bytes(range(200))


@pytest.mark.parametrize("algorithm", HASHES, ids=lambda row: row.name)
def test_a_shared_key_is_proved_and_nothing_else_is(algorithm: Hash) -> None:
    payload = make_shared_key(algorithm, KEY, OCTETS)
    assert payload.method == AuthMethod.SHARED_KEY
    assert len(payload.data) == algorithm.octets
    assert check_shared_key(algorithm, KEY, OCTETS, payload)
    assert not check_shared_key(algorithm, Secret(b"correct hors"), OCTETS, payload)
    assert not check_shared_key(algorithm, KEY, OCTETS[:-1], payload)
    assert not check_shared_key(algorithm, KEY, OCTETS, replace(payload, method=AuthMethod.RSA))
    assert not check_shared_key(algorithm, KEY, OCTETS, replace(payload, data=payload.data[:-1]))
    assert not check_shared_key(algorithm, KEY, OCTETS, replace(payload, data=b""))


def test_methods_are_called_as_in_ios() -> None:
    assert method_text(AuthMethod.SHARED_KEY) == "pre-share"
    assert method_text(AuthMethod.DIGITAL_SIGNATURE) == "rsa-sig or ecdsa-sig or eddsa-sig"
    assert method_text(201) == "method 201"
    assert METHOD_BY_WORD["ecdsa-sig"].shown == "ECDSA"
    assert allowed(AuthMethod.ECDSA_384, ("pre-share", "ecdsa-sig"))
    assert not allowed(AuthMethod.SHARED_KEY, ("rsa-sig",))
    assert not allowed(AuthMethod.NULL, tuple(METHOD_BY_WORD))
