"""A gateway that sends its peers to another one (RFC 5685)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from seikan.ike.effects import Path
from seikan.ike.settings import EngineSettings, TunnelSettings
from seikan.ike.v2.redirect import Redirect, redirect
from seikan.wire.v2.constants import FLAG_RESPONSE, Exchange
from seikan.wire.v2.header import NO_SPI, Header
from seikan.wire.v2.message import push_message

from .pair.ikev2 import with_ikev2
from .pair.ring import Ring
from .pair.world import TUNNEL, Side, settings, vti

CLIENT, OLD, NEW = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1"), IPv4Address("198.51.100.2")


def gateway(own: IPv4Address, **changes: Any) -> EngineSettings:
    base = with_ikev2(settings(own, CLIENT), **changes)
    return replace(base, tunnels=(TunnelSettings(TUNNEL, own, CLIENT, (passive(own),), ikev2_profile="P"),))


def passive(own: IPv4Address) -> Any:
    return replace(vti(TUNNEL), initiate=False)


def ring(
    seed: int, old: dict[str, Any], new: dict[str, Any] | None = None, client: dict[str, Any] | None = None
) -> tuple[Ring, Side, Side, Side]:
    """A client of `OLD`, which has another gateway beside it."""
    world = Ring(seed)
    second = world.add("NEW", NEW, gateway(NEW, **(new or {})))
    first = world.add("OLD", OLD, gateway(OLD, **old))
    own = {"redirect_client": True, **(client or {})}
    return world, world.add("CLIENT", CLIENT, with_ikev2(settings(CLIENT, OLD), **own)), first, second


def peer_of(world: Ring, side: Side) -> list[Any]:
    return [sa.remote for sa in side.engine.status(world.now).ikev2_sas if sa.state == "READY"]


@pytest.mark.parametrize("after", ["IKE_SA_INIT", "IKE_AUTH"])
def test_a_peer_goes_where_it_is_sent(after: str) -> None:
    world, client, old, new = ring(1, {"redirect_gateway": NEW, "redirect_auth": after == "IKE_AUTH"})
    world.run(10.0)
    assert peer_of(world, client) == [NEW]
    assert peer_of(world, new) == [CLIENT]
    assert peer_of(world, old) == []
    assert client.up
    assert not old.up
    assert any("OLD -> CLIENT IKE_AUTH" in line for line in world.ladder) is (after == "IKE_AUTH")
    for _ in range(20):
        world.send_packet(client)
        world.run(0.1)
    assert world.delivered == 20


def test_who_does_not_follow_is_served_all_the_same() -> None:
    world, client, old, _ = ring(3, {"redirect_gateway": NEW}, client={"redirect_client": False})
    world.run(10.0)
    assert peer_of(world, client) == [OLD]
    assert old.up


def test_two_gateways_that_send_to_each_other_do_not_do_it_for_ever() -> None:
    """A gateway does not send back to who has sent the peer to it."""
    world, client, _, new = ring(4, {"redirect_gateway": NEW}, {"redirect_gateway": OLD})
    world.run(30.0)
    assert peer_of(world, client) == [NEW]
    assert new.up
    assert client.engine.status(world.now).counters["ikev2_redirects_followed"] == 1


def test_a_gateway_that_is_not_there_sends_nobody_away_for_good() -> None:
    world, client, old, new = ring(5, {"redirect_gateway": NEW})
    new.crash()
    world.run(10.0)
    assert not client.up
    old.engine.configure(gateway(OLD), world.now)
    world.run(120.0)
    assert peer_of(world, client) == [OLD]


def test_a_forged_redirection_is_not_followed() -> None:
    """It has to have the nonce of the request, which only who is on the way has seen (section 3)."""
    world, client, old, _ = ring(6, {})
    world.network.cut = True
    world.run(1.0)
    (sa,) = client.engine.status(world.now).ikev2_sas
    header = Header(sa.spis[0], NO_SPI, 0, Exchange.IKE_SA_INIT, FLAG_RESPONSE, 0, 0)
    for nonce in (b"", b"n" * 32):
        data = push_message(header, [redirect(Redirect(NEW, nonce))])
        client.engine.handle_datagram(data, Path(CLIENT, 500, OLD, 500), world.now)
        client.drain()
    assert client.engine.status(world.now).counters["ikev2_redirects_refused"] == 2
    world.network.cut = False
    world.run(20.0)
    assert peer_of(world, client) == [OLD]
    assert old.up


def test_a_peer_that_is_up_goes_when_it_is_told_to() -> None:
    """The gateway tells it under protection (RFC 5685 section 5), before it goes down for maintenance."""
    world, client, old, new = ring(7, {})
    world.run(10.0)
    assert peer_of(world, client) == [OLD]
    (sa,) = old.engine._core.ikev2_sas.values()
    old.engine._tunnels.v2.informational.send(sa, [redirect(Redirect(NEW))])
    old.drain()
    world.run(10.0)
    assert peer_of(world, client) == [NEW]
    assert peer_of(world, old) == []
    assert client.up
    assert new.up
    assert not old.up


def test_a_gateway_is_not_sent_anywhere_by_its_peer() -> None:
    world, client, old, _ = ring(8, {"redirect_client": True})
    world.run(10.0)
    (sa,) = client.engine._core.ikev2_sas.values()
    client.engine._tunnels.v2.informational.send(sa, [redirect(Redirect(NEW))])
    client.drain()
    world.run(10.0)
    assert peer_of(world, client) == [OLD]
    assert old.up
