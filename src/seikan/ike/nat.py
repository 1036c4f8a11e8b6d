"""NAT traversal: detection (RFC 3947 section 3.2) by the hashes of both ends' addresses and ports."""

from __future__ import annotations

from collections.abc import Sequence

from seikan.crypto.prf import digest, same
from seikan.ike.effects import Address, Path
from seikan.ike.v1.sa import IsakmpSa
from seikan.wire.constants import Hash
from seikan.wire.payloads import NatDetection, Payload


def nat_hash(algorithm: Hash, cookie_i: bytes, cookie_r: bytes, address: Address, port: int) -> bytes:
    """HASH(CKY-I | CKY-R | IP | Port)."""
    return digest(algorithm, cookie_i + cookie_r + address.packed + port.to_bytes(2, "big"))


def detection_payloads(sa: IsakmpSa, algorithm: Hash, path: Path) -> list[Payload]:
    """NAT-D payloads: the remote end first, then the local one; none without NAT traversal in common."""
    if sa.nat_vendor is None:
        return []
    ends = ((path.remote, path.remote_port), (path.local, path.local_port))
    return [
        NatDetection(nat_hash(algorithm, sa.cookie_i, sa.cookie_r, address, port), sa.nat_draft)
        for address, port in ends
    ]


def detect(sa: IsakmpSa, algorithm: Hash, path: Path, payloads: Sequence[NatDetection]) -> tuple[bool, bool]:
    """Whether this side and whether the peer is behind a NAT; the peer's first hash is of us, the others of itself."""
    if len(payloads) < 2 or sa.nat_vendor is None:
        return False, False
    local = nat_hash(algorithm, sa.cookie_i, sa.cookie_r, path.local, path.local_port)
    remote = nat_hash(algorithm, sa.cookie_i, sa.cookie_r, path.remote, path.remote_port)
    return not same(payloads[0].hash, local), not any(same(payload.hash, remote) for payload in payloads[1:])
