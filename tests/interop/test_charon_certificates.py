"""Certificates against strongSwan, beyond what stories tell: an authority between, a name as identity, other keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from tests.crypto.authority import DAY, Authority, key
from tests.interop.certificates import PASSWORD
from tests.interop.charon import CHILD, CONNECTION, Charon
from tests.interop.network import Network, two_sites
from tests.interop.router import IKEV2_TUNNEL, Seikan

from seikan.lab.wait import wait_until

pytestmark = [pytest.mark.netns, pytest.mark.interop]

UP_SECONDS = 20.0
_METHOD = {"p384": "ecdsa-sig", "ed25519": "eddsa-sig", "rsa2048": "rsa-sig"}
_CONFIG = (
    """\
hostname {name}
crypto pki trustpoint SITE
 revocation-check none
crypto ikev2 proposal SITE
 encryption aes-gcm-256
 prf sha384
 group 20
crypto ikev2 policy SITE
 proposal SITE
crypto ikev2 fragmentation mtu 576
crypto ikev2 profile SITE
 match identity remote fqdn peer.test
 identity local dn
 authentication remote {theirs}
 authentication local {ours}
 pki trustpoint SITE
"""
    + IKEV2_TUNNEL
)


@pytest.fixture(autouse=True)
def _installed(charon_installed: None) -> None:
    """These tests are nothing without charon."""


def pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("ours", "theirs", "beginner"),
    [("p384", "ed25519", "seikan"), ("ed25519", "rsa2048", "charon")],
)
def test_a_chain_in_fragments_and_a_distinguished_name(
    net: Network, tmp_path: Path, ours: str, theirs: str, beginner: str
) -> None:
    start, end = datetime.now(UTC) - DAY, datetime.now(UTC) + DAY
    root = Authority("root", start=start, end=end)
    middle = Authority("middle", issuer=root, start=start, end=end)
    own = middle.issue("seikan", own=key(ours), start=start, end=end)
    other = middle.issue("peer", own=key(theirs), names=[x509.DNSName("peer.test")], start=start, end=end)
    bundle = tmp_path / "seikan.p12"
    certificates = [x509.load_der_x509_certificate(der) for der in (own, middle.der, root.der)]
    bundle.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"seikan", key(ours), certificates[0], certificates[1:], BestAvailableEncryption(PASSWORD.encode())
        )
    )
    here, there = two_sites(net)
    text = _CONFIG.format(
        name=here.host.name,
        device=here.device,
        peer=there.address,
        route=there.inner,
        ours=_METHOD[ours],
        theirs=_METHOD[theirs],
        only=" responder-only" if beginner == "charon" else "!",
    )
    seikan = Seikan(here, tmp_path / "seikan", there.address, there.inner, "", text=text)
    charon = Charon(there, tmp_path / "charon")
    charon.start()
    try:
        for authority in (root, middle):
            charon.vici.request("load-cert", {"type": "X509", "flag": "CA", "data": pem(authority.der)})
        secret = key(theirs).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        charon.vici.request("load-key", {"type": "any", "data": secret})
        charon.vici.request(
            "load-conn",
            {
                CONNECTION: {
                    "version": "2",
                    "local_addrs": [there.address],
                    "remote_addrs": [here.address],
                    "proposals": ["aes256gcm16-prfsha384-ecp384"],
                    "fragmentation": "yes",
                    "local": {"auth": "pubkey", "id": "peer.test", "certs": [pem(other)]},
                    "remote": {"auth": "pubkey", "id": "O=Example, CN=seikan", "cacerts": [pem(root.der)]},
                    "children": {
                        CHILD: {
                            "local_ts": ["0.0.0.0/0"],
                            "remote_ts": ["0.0.0.0/0"],
                            "esp_proposals": ["aes256gcm16"],
                        }
                    },
                }
            },
        )
        seikan.start()
        assert "successfully" in seikan.exec(f"crypto pki import SITE pkcs12 {bundle} password {PASSWORD}")
        charon.route(f"{here.inner}/32")
        if beginner == "charon":
            charon.initiate()
        assert wait_until(lambda: here.host.answers(there.inner, here.inner), UP_SECONDS, 0.2), (
            seikan.exec(f"explain {there.address}") + charon.log()[-3000:]
        )
        shown = seikan.exec("show crypto ikev2 sa detailed")
        assert "Local id: cn=seikan,o=Example" in shown
        assert "Remote id: peer.test" in shown
    finally:
        charon.stop()
        seikan.stop()
