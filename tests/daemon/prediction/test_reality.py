"""What is predicted of two files is what two real daemons do with them, in namespaces and with real FRR."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.daemon.prediction.test_files import failing, predicted
from tests.daemon.prediction.test_files_ikev2 import IKEV2
from tests.daemon.routers import CRYPTO, OSPF, TUNNEL, Router, Sites, two_routers, type_lines, until

from seikan.daemon.prediction.verdict import Prediction

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Both run with what fits; each test types one thing wrong at R1, and takes it back."""
    with ExitStack() as stack:
        found = stack.enter_context(two_routers(tmp_path_factory.mktemp("reality")))
        for router in (found.r1, found.r3):
            router.configure(CRYPTO, TUNNEL, OSPF)
        found.start()
        yield found
        for router in (found.r1, found.r3):
            router.stop()


def of_running(sites: Sites) -> Prediction:
    """The prediction of what both have now, as they write it themselves."""
    texts = []
    for router in (sites.r1, sites.r3):
        router.exec("write memory")
        texts.append(router.startup.read_text())
    return predicted(texts[0], texts[1])


def neighbour(router: Router) -> str:
    return router.exec("show ip ospf neighbor")


def full(sites: Sites) -> bool:
    return "FULL" in neighbour(sites.r1) and "FULL" in neighbour(sites.r3)


def test_what_fits_comes_up(sites: Sites) -> None:
    prediction = of_running(sites)
    assert prediction.up, failing(prediction)
    until(lambda: full(sites), 30, what=lambda: neighbour(sites.r1) + neighbour(sites.r3))


def test_another_area_leaves_the_tunnel_up_and_ospf_down(sites: Sites) -> None:
    type_lines(sites.r1, "configure terminal", "interface Tunnel0", "ip ospf 1 area 7", "end")
    assert failing(of_running(sites)) == ["ospf area"]
    until(lambda: "FULL" not in neighbour(sites.r1), 30)
    assert sites.r1.tunnel_up()
    type_lines(sites.r1, "configure terminal", "interface Tunnel0", "no ip ospf 1 area 7", "end")
    until(lambda: full(sites), 30, what=lambda: neighbour(sites.r1))


def test_another_mtu_leaves_ospf_in_exstart(sites: Sites) -> None:
    type_lines(sites.r1, "configure terminal", "interface Tunnel0", "ip mtu 1300", "end")
    assert failing(of_running(sites)) == ["ospf mtu"]
    until(lambda: "EXSTART" in neighbour(sites.r1), 30, what=lambda: neighbour(sites.r1))
    type_lines(sites.r1, "configure terminal", "interface Tunnel0", "no ip mtu", "end")
    until(lambda: full(sites), 40, what=lambda: neighbour(sites.r1))


def test_another_key_keeps_the_tunnel_down(sites: Sites) -> None:
    type_lines(sites.r1, "configure terminal", f"crypto isakmp key Another address {sites.r1.peer}", "end")
    assert failing(of_running(sites)) == ["pre-shared key"]
    type_lines(sites.r1, "clear crypto session")
    until(lambda: "pre-shared key" in sites.r3.reason() or "pre-shared key" in sites.r1.reason(), 40)
    assert not sites.r1.tunnel_up()


def test_ikev2_and_another_proposal(tmp_path: Path) -> None:
    with two_routers(tmp_path) as found:
        for router in (found.r1, found.r3):
            router.configure(IKEV2, TUNNEL)
        found.start()
        try:
            assert of_running(found).up
            type_lines(found.r1, "configure terminal", "crypto ikev2 proposal PROPOSAL", "no group", "group 20", "end")
            assert failing(of_running(found)) == ["ikev2 group"]
            type_lines(found.r1, "clear crypto session")
            until(lambda: "proposal" in found.r1.reason() + found.r3.reason(), 40, what=found.r1.log)
            assert not found.r1.tunnel_up()
        finally:
            for router in (found.r1, found.r3):
                router.stop()
