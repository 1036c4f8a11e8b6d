"""Sessions that go on by a ticket (RFC 5723)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seikan.crypto.tickets import seal_ticket
from seikan.ike.engine import ClearTarget
from seikan.ike.v2.proposals import IkeChoice
from seikan.ike.v2.resume import Ticket, pull_ticket, push_ticket
from seikan.wire.constants import ENCRYPTION_BY_NAME, GROUP_BY_NUMBER, HASH_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.errors import WireError
from seikan.wire.secret import Secret
from seikan.wire.v2.constants import Exchange
from seikan.wire.v2.header import pull_header

from .pair.hub import DOMAIN, Spoke
from .pair.ikev2_hub import Ikev2Hub, hub_settings, named
from .pair.world import TUNNEL, Side
from .test_ikev2_certificates import named as named_certificate
from .test_ikev2_certificates import trustpoint

OWN = Secret(b"of its own")
NAME = f"a.{DOMAIN}"
SECRET = Secret(b"ticket key of this router, 32 oc")


def hub(seed: int, **changes: object) -> Ikev2Hub:
    options = {"reconnect": 600, "ticket_key": SECRET} | changes
    return Ikev2Hub(seed, configured=hub_settings(named(NAME, OWN), **options))


def joined(world: Ikev2Hub) -> Spoke:
    spoke = world.joins("198.51.100.1", identity=NAME, key=OWN, reconnect=600)
    world.connect(spoke)
    world.assert_exactly([spoke])
    return spoke


def exchanges(world: Ikev2Hub) -> list[Exchange]:
    """Those that begin IKE SAs, from now on."""
    kept: list[Exchange] = []

    def forward(side: Side, path: object, data: bytes) -> bool:
        if data != b"\xff" and pull_header(data).exchange in (Exchange.IKE_SA_INIT, Exchange.IKE_SESSION_RESUME):
            kept.append(Exchange(pull_header(data).exchange))
        return True

    world.forward = forward
    return kept


def restart_hub(world: Ikev2Hub) -> None:
    world.hub.crash()
    world.run(1.0)
    world.hub.boot()
    world._armed[world.hub.name] = None
    world.run(60.0)


def test_after_a_restart_of_the_hub_a_session_goes_on_without_another_key_exchange() -> None:
    world = hub(1)
    spoke = joined(world)
    seen = exchanges(world)
    restart_hub(world)
    world.assert_exactly([spoke])
    assert set(seen) == {Exchange.IKE_SESSION_RESUME}
    assert world.counted("ikev2_resumed") == 1
    (sa,) = spoke.engine.status(world.now).ikev2_sas
    assert sa.resumed
    assert (sa.remote_authentication, sa.peer_identity) == ("PSK", str(world.hub.address))
    # The next ticket is another one.
    seen.clear()
    restart_hub(world)
    world.assert_exactly([spoke])
    assert set(seen) == {Exchange.IKE_SESSION_RESUME}


def test_with_a_cookie_too() -> None:
    world = hub(2, cookie_challenge=0)
    spoke = joined(world)
    seen = exchanges(world)
    restart_hub(world)
    world.assert_exactly([spoke])
    assert set(seen) == {Exchange.IKE_SESSION_RESUME}


@pytest.mark.parametrize("change", ["ticket_key", "reconnect", "key"])
def test_a_ticket_that_is_not_good_any_more_costs_one_message(change: str) -> None:
    world = hub(3)
    spoke = joined(world)
    seen = exchanges(world)
    settings = {"ticket_key": hub(3, ticket_key=Secret(b"another")), "reconnect": hub(3, reconnect=None)}
    if change == "key":
        other = hub_settings(named(NAME, Secret(b"new")), reconnect=600, ticket_key=SECRET)
        world.hub.settings = other
    else:
        world.hub.settings = settings[change].hub.settings
    restart_hub(world)
    assert seen[0] is Exchange.IKE_SESSION_RESUME
    assert Exchange.IKE_SA_INIT in seen
    assert spoke.up is (change != "key"), "a session does not outlive its key"


def test_a_hub_that_does_not_know_the_exchange_is_asked_from_the_start() -> None:
    world = hub(4)
    spoke = joined(world)
    seen = exchanges(world)
    own = world.forward

    def forward(side: Side, path: object, data: bytes) -> bool:
        passes = own(side, path, data)  # type: ignore[arg-type]
        return passes and (data == b"\xff" or pull_header(data).exchange != Exchange.IKE_SESSION_RESUME)

    world.forward = forward
    restart_hub(world)
    world.assert_exactly([spoke])
    assert Exchange.IKE_SA_INIT in seen


def test_a_ticket_is_shown_once_and_not_after_its_time() -> None:
    world = hub(5)
    spoke = joined(world)
    (tunnel,) = spoke.engine._core.tunnels.values()
    assert isinstance(tunnel.ticket, Ticket)
    tunnel.ticket = replace(tunnel.ticket, expires=world.now)
    seen = exchanges(world)
    restart_hub(world)
    world.assert_exactly([spoke])
    assert set(seen) == {Exchange.IKE_SA_INIT}


def test_somebody_elses_ticket_proves_nothing() -> None:
    """Who has seen a ticket on the way has no keys."""
    world = hub(6)
    victim = joined(world)
    thief = world.joins("198.51.100.66", identity=NAME, key=Secret(b"wrong"), reconnect=600)
    (stolen,) = victim.engine._core.tunnels.values()
    assert isinstance(stolen.ticket, Ticket)
    thief.engine._core.tunnels[TUNNEL].ticket = replace(stolen.ticket, sk_d=Secret(bytes(32)))
    world.connect(thief, seconds=40.0)
    assert not thief.up
    world.assert_exactly([victim])


def test_a_ticket_is_sealed_and_read_again() -> None:
    choice = IkeChoice(
        1,
        ENCRYPTION_BY_NAME["aes-cbc-256"],
        INTEGRITY_BY_NAME["hmac-sha256-128"],
        HASH_BY_NAME["sha256"],
        GROUP_BY_NUMBER[19],
        (),
        b"",
        (),
    )
    ticket = Ticket(1000.0, "P", choice, Secret(b"k" * 32), b"\x02\0\0\0a.example", "PSK", b"c" * 16)
    assert pull_ticket(push_ticket(ticket)) == ticket
    assert bytes(ticket.sk_d) not in seal_ticket(SECRET, bytes(12), push_ticket(ticket))
    assert "k" * 32 not in repr(ticket)
    for cut in range(len(push_ticket(ticket))):
        with pytest.raises((WireError, KeyError, ValueError)):
            pull_ticket(push_ticket(ticket)[:cut])


def test_a_session_that_was_ended_is_not_resumed() -> None:
    """Who deletes an IKE SA wants its peer to prove itself again."""
    world = hub(20)
    spoke = joined(world)
    seen = exchanges(world)
    world.hub.engine.clear(ClearTarget.SESSION, world.now)
    world.hub.drain()
    world.run(30.0)
    world.assert_exactly([spoke])
    assert set(seen) == {Exchange.IKE_SA_INIT}


def certified(world: Ikev2Hub) -> Spoke:
    """A spoke that has proved itself by a certificate."""
    proof: dict[str, Any] = {"local_authentication": "ecdsa-sig", "sign": trustpoint(named_certificate(NAME))}
    spoke = world.joins("198.51.100.1", identity=NAME, key=OWN, reconnect=600, **proof)
    world.connect(spoke)
    world.assert_exactly([spoke])
    return spoke


def by_certificate(**changes: object) -> dict[str, object]:
    return {"remote_authentications": ("ecdsa-sig",), "verify": (trustpoint(named_certificate("hub")),)} | changes


def test_a_certificate_is_not_outlived_by_ticket_after_ticket() -> None:
    """Whether it is revoked is asked when it is shown; sessions that go on for ever would never show it again."""
    world = hub(7, **by_certificate())
    spoke = certified(world)
    (tunnel,) = spoke.engine._core.tunnels.values()
    assert isinstance(tunnel.ticket, Ticket)
    first = tunnel.ticket.expires
    seen = exchanges(world)
    world.run(300.0)
    restart_hub(world)
    assert set(seen) == {Exchange.IKE_SESSION_RESUME}
    assert isinstance(tunnel.ticket, Ticket)
    assert tunnel.ticket.expires <= first + 1
    world.run(300.0)
    seen.clear()
    restart_hub(world)
    assert set(seen) == {Exchange.IKE_SA_INIT}
    world.assert_exactly([spoke])


def test_a_ticket_is_of_no_other_authentication_than_the_profile_has() -> None:
    world = hub(8, **by_certificate())
    spoke = certified(world)
    seen = exchanges(world)
    world.hub.settings = hub(8).hub.settings
    restart_hub(world)
    assert Exchange.IKE_SA_INIT in seen
    assert not spoke.up
