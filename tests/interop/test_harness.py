"""charon against charon: proves the harness, so that a failure elsewhere is Seikan's."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.interop.charon import Charon
from tests.interop.network import network, sites_with_nat, two_sites
from tests.interop.vici import ViciError

from seikan.lab.wait import wait_until

pytestmark = [pytest.mark.netns, pytest.mark.interop]
SECRET = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _installed(charon_installed: None) -> None:
    """These tests are nothing without charon."""


def test_two_charons_make_a_tunnel_rekey_it_and_lose_nothing(tmp_path: Path) -> None:
    with network() as net:
        left_site, right_site = two_sites(net)
        left, right = Charon(left_site, tmp_path / "a"), Charon(right_site, tmp_path / "b")
        for one, other in ((left, right_site), (right, left_site)):
            one.start()
            one.connect_ike_v1(other.address, SECRET)
            one.route(f"{other.inner}/32")
        left.initiate()
        assert left_site.host.ping(right_site.inner, source=left_site.inner) == 3
        before = right.spis()
        assert len(before) == 1
        left.rekey_child()
        assert wait_until(lambda: right.spis() and not (right.spis() & before), 15)
        assert right_site.host.ping(left_site.inner, source=right_site.inner) == 3


def test_two_charons_with_a_nat_between(tmp_path: Path) -> None:
    with network() as net:
        left_site, right_site = sites_with_nat(net)
        left, right = Charon(left_site, tmp_path / "a"), Charon(right_site, tmp_path / "b")
        left.start()
        right.start()
        left.connect_ike_v1(right_site.address, SECRET, identity="10.9.0.1")
        right.connect_ike_v1("0.0.0.0/0", SECRET, peer_identity="10.9.0.1")
        left.route(f"{right_site.inner}/32")
        right.route(f"{left_site.inner}/32")
        left.initiate()
        assert left_site.host.ping(right_site.inner, source=left_site.inner) == 3


def test_a_wrong_key_is_refused(tmp_path: Path) -> None:
    with network() as net:
        left_site, right_site = two_sites(net)
        left, right = Charon(left_site, tmp_path / "a"), Charon(right_site, tmp_path / "b")
        left.start()
        right.start()
        left.connect_ike_v1(right_site.address, SECRET)
        right.connect_ike_v1(left_site.address, SECRET + "?")
        with pytest.raises(ViciError, match="initiate"):
            left.initiate(limit=8)
        assert right.child_sas() == []
