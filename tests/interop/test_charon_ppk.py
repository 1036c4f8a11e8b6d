"""Post-quantum pre-shared keys against strongSwan (RFC 8784): what two of the same making cannot tell each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.interop.charon import CHILD, CONNECTION, Charon
from tests.interop.network import Network, two_sites
from tests.interop.router import IKEV2_TUNNEL, Seikan
from tests.interop.vici import Value, ViciError

from seikan.lab.wait import wait_until

pytestmark = [pytest.mark.netns, pytest.mark.interop]

SECRET, PPK = "LoopedBack!!!", "0123456789abcdef0123456789abcdef"
UP_SECONDS = 20.0
_CONFIG = (
    """\
hostname {name}
crypto ikev2 proposal SITE
 encryption aes-gcm-256
 prf sha256
 group 19
crypto ikev2 policy SITE
 proposal SITE
crypto ikev2 keyring SITE
 peer SITE
  address {peer}
  pre-shared-key {secret}
  ppk manual id {ppk_id} key {ppk}{required}
crypto ikev2 profile SITE
 match identity remote address {peer} 255.255.255.255
 authentication remote pre-share
 authentication local pre-share
 keyring local SITE
"""
    + IKEV2_TUNNEL
)


@pytest.fixture(autouse=True)
def _installed(charon_installed: None) -> None:
    """These tests are nothing without charon."""


def pair(net: Network, directory: Path, *, required: bool, theirs: str, answers: bool) -> tuple[Seikan, Charon]:
    """A Seikan that has the key under the id "branch", and a charon that has it under `theirs`."""
    ours, other = two_sites(net)
    text = _CONFIG.format(
        name=ours.host.name,
        device=ours.device,
        peer=other.address,
        route=other.inner,
        secret=SECRET,
        ppk_id="branch",
        ppk=PPK,
        required=" required" if required else "",
        only=" responder-only" if answers else "!",
    )
    seikan = Seikan(ours, directory / "seikan", other.address, other.inner, SECRET, text=text)
    charon = Charon(other, directory / "charon")
    charon.start()
    connection: dict[str, Value] = {
        "version": "2",
        "local_addrs": [other.address],
        "remote_addrs": [ours.address],
        "proposals": ["aes256gcm16-prfsha256-ecp256"],
        "ppk_id": theirs,
        "local": {"auth": "psk", "id": other.address},
        "remote": {"auth": "psk", "id": ours.address},
        "children": {CHILD: {"local_ts": ["0.0.0.0/0"], "remote_ts": ["0.0.0.0/0"], "esp_proposals": ["aes256gcm16"]}},
    }
    charon.vici.request("load-conn", {CONNECTION: connection})
    charon.vici.request("load-shared", {"type": "ike", "data": SECRET, "owners": [ours.address, other.address]})
    charon.vici.request("load-shared", {"type": "ppk", "data": PPK, "owners": [theirs]})
    seikan.start()
    return seikan, charon


def detail(seikan: Seikan) -> str:
    return seikan.exec("show crypto ikev2 sa detailed")


@pytest.mark.parametrize("beginner", ["seikan", "charon"])
def test_a_key_that_both_have_is_used(net: Network, tmp_path: Path, beginner: str) -> None:
    seikan, charon = pair(net, tmp_path, required=True, theirs="branch", answers=beginner == "charon")
    try:
        charon.route(f"{seikan.site.inner}/32")
        if beginner == "charon":
            charon.initiate()
        host = seikan.site.host
        assert wait_until(lambda: host.answers(charon.site.inner, seikan.site.inner), UP_SECONDS, 0.2), (
            detail(seikan) + seikan.log()[-3000:] + charon.log()[-3000:]
        )
        (sa,) = charon.ike_sas()
        assert sa.get("ppk") == "yes"
        charon.rekey_ike()
        assert wait_until(lambda: "READY" in detail(seikan), UP_SECONDS, 0.2)
        assert host.ping(charon.site.inner, count=5, source=seikan.site.inner) == 5
    finally:
        charon.stop()
        seikan.stop()


def test_a_key_that_is_required_and_not_shared_keeps_the_peer_out(net: Network, tmp_path: Path) -> None:
    seikan, charon = pair(net, tmp_path, required=True, theirs="another", answers=True)
    try:
        with pytest.raises(ViciError):
            charon.initiate()
        assert "ppk branch" in seikan.exec("show crypto ikev2 diagnose error")
    finally:
        charon.stop()
        seikan.stop()
