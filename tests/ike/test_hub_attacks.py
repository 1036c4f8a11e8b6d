"""What strangers and bad neighbours can try against a hub that takes peers from anywhere."""

from __future__ import annotations

import sys
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface

import pytest

from seikan.config.model import IdentityMatch, PreSharedKey
from seikan.ike import admission, peers
from seikan.ike.effects import Path, Send
from seikan.ike.engine import ClearTarget, Engine
from seikan.ike.numbers import LowestFree, Numbers
from seikan.ike.v1.phase1 import Phase1
from seikan.ike.v1.sa import IsakmpSa
from seikan.wire.constants import ExchangeType, IdentityType
from seikan.wire.header import NO_COOKIE, pull_header
from seikan.wire.payloads import Identification
from seikan.wire.secret import Secret

from .pair.hub import DOMAIN, GROUP_KEY, HUB, PROFILE, HubWorld, hub_settings, ring
from .pair.world import KEY, TUNNEL, A, Side, settings, with_tunnel


def first_message(number: int = 1, *, aggressive: str | None = None) -> bytes:
    """Message 1 with the right offer."""
    base = with_tunnel(settings(A, HUB), aggressive_identity=aggressive)
    engine = Engine(base, lambda count: number.to_bytes(count, "big") if count > 3 else bytes(count))
    engine.initiate(TUNNEL, 0.0)
    while (effect := engine.poll_effect()) is not None:
        if isinstance(effect, Send):
            return effect.data
    raise AssertionError("no message")


class Stranger:
    """Counts what the hub says to addresses that are no spoke's."""

    def __init__(self, world: HubWorld) -> None:
        self.world = world
        self.heard: list[bytes] = []
        world.forward = self.forward

    def forward(self, side: Side, path: Path, data: bytes) -> bool:
        if side is self.world.hub and path.remote not in self.world.places:
            self.heard.append(data)
        return True

    def send(self, data: bytes, source: str, port: int = 500) -> None:
        self.world.hub.engine.handle_datagram(data, Path(HUB, 500, IPv4Address(source), port), self.world.now)
        self.world.hub.drain()


def test_a_stranger_without_a_key_gets_no_reply_at_all() -> None:
    key = PreSharedKey(GROUP_KEY.key, IPv4Network("198.51.100.0/24"))
    world = HubWorld(1, configured=hub_settings(keyrings=(ring(key),)))
    stranger = Stranger(world)
    for number in range(1, 30):
        stranger.send(first_message(number), f"203.0.113.{number}")
        stranger.send(first_message(number)[:-7], f"203.0.113.{number}")
        stranger.send(first_message(number, aggressive="x.example"), f"203.0.113.{number}")
    assert stranger.heard == []
    assert world.counted("strangers_without_key") >= 29
    assert world.hub.engine.status(world.now).isakmp_sas == ()
    world.assert_empty()


def test_a_stranger_within_the_keys_hears_only_the_exchange() -> None:
    """No errors in clear: neither for a wrong offer nor for nonsense nor for a wrong key."""
    world = HubWorld(2)
    stranger = Stranger(world)
    wrong = first_message(2).replace(b"\x80\x04\x00\x0e", b"\x80\x04\x00\x63")
    for data in (wrong, first_message(3)[:-5], first_message(4)[:40], b"\xff" * 60):
        stranger.send(data, "203.0.113.5")
    assert stranger.heard == []
    assert world.counted("no_proposal_chosen") == 1
    assert world.counted("error_replies") == 0
    imposter = world.spoke("198.51.100.1", key=Secret(b"guessed"))
    world.connect(imposter, seconds=60.0)
    assert not imposter.up
    assert world.counted("authentication_failed") >= 1
    assert world.counted("error_replies") == 0
    assert world.hub.access == {}
    imposter.crash()
    world.run(60.0)
    world.assert_empty()


@pytest.mark.parametrize("limit", [0, 40])
def test_a_flood_of_forged_first_messages_does_not_keep_a_spoke_out(limit: int) -> None:
    world = HubWorld(3, configured=hub_settings(max_negotiating=limit))
    stranger = Stranger(world)
    source = world.random
    data = first_message()

    def flood() -> None:
        for _ in range(40):
            address = f"203.{source.randrange(256)}.{source.randrange(256)}.{source.randrange(1, 255)}"
            stranger.send(source.randbytes(8) + data[8:], address)
        if world.now < until:
            world.at(world.now + 0.05, flood)

    until = world.now + 8.0
    flood()
    world.run(3.0)
    half_open = len(world.hub.engine._core.half_open)
    assert half_open <= (limit or admission.MAX_HALF_OPEN)
    spokes = [world.spoke(f"198.51.100.{number}") for number in range(1, 6)]
    world.connect(*spokes, seconds=3.0)
    assert all(spoke.up for spoke in spokes)
    assert set(world.hub.access) == {f"Virtual-Access{number}" for number in range(1, 6)}
    assert world.counted("half_open_limit") > 0
    lines = [text for text in world.hub.logs if "IKE_DENY" not in text]
    assert len(lines) < 20, "a flood fills no log"
    world.run(60.0)
    world.assert_exactly(spokes)
    for spoke in spokes:
        spoke.leave()
    world.run(10.0)
    world.assert_empty()


def test_half_open_exchanges_of_one_address_are_bounded() -> None:
    world = HubWorld(4)
    stranger = Stranger(world)
    data = first_message()
    for number in range(1, 400):
        world.now += 0.2
        stranger.send(number.to_bytes(8, "big") + data[8:], "203.0.113.5", 1000 + number)
    core = world.hub.engine._core
    assert len(core.half_open) <= admission.MAX_HALF_OPEN_OF_ADDRESS
    world.run(40.0)
    world.assert_empty()


def test_an_ipv6_network_is_one_source() -> None:
    """Whoever has one address has 2^64 of them."""
    key = PreSharedKey(KEY, ipv6_address=IPv6Interface("::/0"))
    world = HubWorld(34, configured=hub_settings(keyrings=(ring(key),)))
    data, core = first_message(), world.hub.engine._core
    for number in range(1, 400):
        world.now += 0.2
        path = Path(IPv6Address("2001:db8::1"), 500, IPv6Address("2001:db8:66::") + number, 500)
        world.hub.engine.handle_datagram(number.to_bytes(8, "big") + data[8:], path, world.now)
    assert 0 < len(core.half_open) <= admission.MAX_HALF_OPEN_OF_ADDRESS
    for number in range(1, 100):
        path = Path(IPv6Address("2001:db8::1"), 500, IPv6Address("2001:db8:67::") + number, 500)
        world.hub.engine.handle_datagram((1000 + number).to_bytes(8, "big") + data[8:], path, world.now)
    assert core.counters["first_messages_limited"] == 59


@pytest.mark.parametrize("limits", [{"max_negotiating": 10}, {"max_sas": 10}])
def test_one_real_address_does_not_keep_the_others_out(limits: dict[str, int]) -> None:
    """A stranger without the key that goes on to message 5 again and again, as many at a time as it can."""
    world = HubWorld(35, configured=hub_settings(**limits))
    nat = world.nat("203.0.113.66")
    rogues = [world.spoke(f"192.168.1.{n}", nat=nat, key=Secret(b"guessed")) for n in range(1, 31)]
    world.connect(*rogues, seconds=6.0)
    core = world.hub.engine._core
    assert len(core.half_open) >= 10
    spokes = [world.spoke(f"198.51.100.{number}") for number in (1, 2, 3)]
    world.connect(*spokes, seconds=6.0)
    assert all(spoke.up for spoke in spokes)
    assert len(world.hub.access) == 3
    assert "max_sas" in limits or len(core.half_open) <= 10


def test_messages_that_are_not_encrypted_fill_no_log() -> None:
    world = HubWorld(36)
    nat = world.nat("203.0.113.66")
    rogues = [world.spoke(f"192.168.1.{n}", nat=nat) for n in range(1, 41)]

    def clear(side: Side, path: Path, data: bytes) -> bool:
        if side in rogues and pull_header(data).encrypted:
            plain = data[:19] + bytes((data[19] & 0xFE,)) + data[20:]
            receiver, seen = world.translate(side, path)
            assert receiver is world.hub
            world.at(world.now, lambda: world.hub.engine.handle_datagram(plain, seen, world.now))
            return False
        return True

    world.forward = clear
    world.connect(*rogues, seconds=5.0)
    assert world.counted("not_encrypted") >= 30
    world.hub.drain()
    assert 0 < sum("IKMP_NOT_ENCRYPTED" in line for line in world.hub.logs) <= 20


def test_the_limit_of_exchanges_under_way_is_kept_and_logged() -> None:
    """Two whose peers are real and slow fill it; the third has to wait, and the operator is told."""
    world = HubWorld(5, configured=hub_settings(max_negotiating=2))
    slow = [world.spoke(f"198.51.100.{number}") for number in (1, 2)]
    world.forward = lambda side, path, data: not (side in slow and pull_header(data).encrypted)
    world.connect(*slow, seconds=1.0)
    third = world.spoke("198.51.100.3")
    world.connect(third, seconds=5.0)
    assert not third.up
    assert world.counted("admission_denied_incoming") >= 1
    assert any(
        text == "%CRYPTO-4-IKE_DENY_SA_REQ: IKE denied an INCOMING SA request from 198.51.100.3 to 192.0.2.254"
        " due to IN-NEGOTIATION IKE SA LIMIT REACHED"
        for text in world.hub.logs
    )
    world.forward = lambda side, path, data: True
    world.run(60.0)
    assert third.up


def test_the_limit_of_sas_lets_those_renew_that_have_one() -> None:
    world = HubWorld(6, configured=hub_settings(max_sas=3))
    spokes = [world.spoke(f"198.51.100.{number}") for number in range(1, 4)]
    world.connect(*spokes)
    more = world.spoke("198.51.100.4")
    world.connect(more, seconds=30.0)
    assert not more.up
    assert world.counted("admission_denied_incoming") >= 1
    assert any("IKE SA LIMIT REACHED" in text for text in world.hub.logs)
    for spoke in spokes:
        (tunnel,) = spoke.engine._core.tunnels.values()
        spoke.engine._tunnels.v1.main.start(tunnel)
        spoke.drain()
    world.run(60.0)
    assert world.counted("phase1_completed") == 6
    world.assert_exactly(spokes)
    spokes[0].leave()
    world.run(20.0)
    assert more.up


def test_own_exchanges_count_too() -> None:
    """A router with tunnels of its own begins no more of them than it may have."""
    world = HubWorld(7)
    base = settings(IPv4Address("198.51.100.1"), HUB)
    names = [replace(base.tunnels[0], name=f"T{n}", remote=IPv4Address(f"192.0.2.{n}")) for n in range(1, 6)]
    rows = tuple(replace(row, flows=(replace(row.flows[0], owner=row.name),)) for row in names)
    more = {"max_negotiating": 2, "tunnels": rows, "keys": (GROUP_KEY,)}
    spoke = world.spoke("198.51.100.1", change=lambda base: replace(base, **more))  # type: ignore[arg-type]
    for row in rows:
        spoke.engine.initiate(row.name, world.now)
    spoke.drain()
    assert len(spoke.engine._core.initiating) == 2
    assert spoke.engine.status(world.now).counters["admission_denied_outgoing"] == 3
    assert any("IKE denied an OUTGOING SA request from 198.51.100.1 to" in text for text in spoke.logs)


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who has the group's key makes up names."""
    monkeypatch.setattr(peers, "MAX_SESSIONS", 5)
    world = HubWorld(8)
    nat = world.nat("203.0.113.1")
    rogues = [world.spoke(f"192.168.1.{n}", nat=nat, identity=f"x{n}.{DOMAIN}") for n in range(1, 9)]
    world.connect(*rogues, seconds=20.0)
    assert len(world.hub.access) == 5
    assert world.counted("session_limit") >= 3


def test_phase_1_sas_of_one_spoke_are_bounded() -> None:
    """They count for `crypto call admission limit ike sa`, and a spoke that has one may always renew it."""
    world = HubWorld(39, configured=hub_settings(max_sas=20))
    greedy = world.spoke("198.51.100.1")
    world.connect(greedy)
    (tunnel,) = greedy.engine._core.tunnels.values()
    greedy.engine._tunnels.evaluate = lambda tunnel: None  # type: ignore[method-assign]
    for _ in range(40):
        greedy.engine._core.now = world.now
        greedy.engine._tunnels.v1.main.start(tunnel)
        greedy.drain()
        world.run(0.3)
    assert len(world.hub.engine._core.established) <= 8
    assert world.counted("surplus_ike_sas") >= 20
    other = world.spoke("198.51.100.2")
    world.connect(other)
    assert other.up
    assert world.hub.downs == 0


def test_quick_modes_of_one_spoke_leave_time_for_others() -> None:
    world = HubWorld(40)
    greedy = world.spoke("198.51.100.1")
    world.connect(greedy)
    (tunnel,) = greedy.engine._core.tunnels.values()
    (flow,) = tunnel.flows.values()
    begun = world.counted("quick_modes_completed")
    for _ in range(200):
        (sa,) = tunnel.established()
        assert isinstance(sa, IsakmpSa)
        greedy.engine._core.now = world.now
        for _ in range(4):
            greedy.engine._tunnels.v1.quick.start(sa, flow, flow.settings.selector)
        greedy.drain()
        world.run(0.05)
    assert world.counted("quick_modes_completed") - begun <= 500 + 20 * 10 + 20
    assert world.counted("quick_modes_limited") > 0
    world.run(120.0)
    world.assert_exactly([greedy])


def test_sessions_of_one_address_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it takes only so many of the sessions that there may be."""
    monkeypatch.setattr(peers, "MAX_SESSIONS_OF_SOURCE", 3)
    world = HubWorld(37)
    nat = world.nat("203.0.113.1")
    rogues = [world.spoke(f"192.168.1.{n}", nat=nat, identity=f"x{n}.{DOMAIN}") for n in range(1, 9)]
    world.connect(*rogues, seconds=20.0)
    assert len(world.hub.access) == 3
    assert world.counted("session_limit") >= 5
    others = [world.spoke(f"198.51.100.{n}") for n in (1, 2)]
    world.connect(*others)
    assert all(spoke.up for spoke in others)
    for spoke in (*rogues, *others):
        spoke.leave()
    world.run(60.0)
    world.assert_empty()


@pytest.mark.parametrize("nat", [False, True])
def test_an_address_with_a_key_of_its_own_cannot_be_claimed_with_another_key(nat: bool) -> None:
    """Identities may lead to other profiles, with other access lists, than the peer's own."""
    own, others = Secret(b"of the office"), Secret(b"of everybody")
    office = PreSharedKey(own, IPv4Network("198.51.100.1/32"))
    world = HubWorld(
        38, configured=hub_settings(keyrings=(ring(office, PreSharedKey(others, IPv4Network("0.0.0.0/0"))),))
    )
    where = world.nat("203.0.113.66") if nat else None
    thief = world.spoke("198.51.100.66", nat=where, key=others)
    claimed = Identification(IdentityType.IPV4_ADDR, 17, 0, IPv4Address("198.51.100.1").packed)
    thief.engine._tunnels.v1.main.identity = lambda sa: claimed  # type: ignore[method-assign]
    world.connect(thief, seconds=10.0)
    assert world.hub.access == {}
    assert world.counted("identity_theft") >= 1
    right = world.spoke("198.51.100.1", key=own)
    world.connect(right)
    assert right.up


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (IdentityType.FQDN, b""),
        (IdentityType.FQDN, b"a.spokes.example\x00"),
        (IdentityType.FQDN, "ä.spokes.example".encode()),
        (IdentityType.FQDN, b"." + b"a" * 300),
        (IdentityType.IPV4_ADDR, b"\x01\x02\x03"),
        (IdentityType.IPV4_ADDR_SUBNET, bytes(8)),
        (IdentityType.IPV6_ADDR, bytes(4)),
        (IdentityType.USER_FQDN, b"@"),
        (IdentityType.KEY_ID, b"\xff\x00"),
        (IdentityType.DER_ASN1_DN, b"0\x82\xff\xff"),
        (0, b""),
        (255, b"whatever"),
    ],
)
def test_malformed_identities_are_nobody(kind: int, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the right key: nothing is raised, nothing is made, nothing odd reaches the log."""
    payload = Identification(kind, 17, 500, data)
    own = Phase1.identity
    monkeypatch.setattr(Phase1, "identity", lambda self, sa: own(self, sa) if not sa.initiator else payload)
    world = HubWorld(9)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke, seconds=15.0)
    assert not spoke.up
    assert world.hub.access == {}
    assert world.counted("peers_refused") >= 1
    assert all(text.isprintable() for text in world.hub.logs)
    spoke.crash()
    world.run(60.0)
    world.assert_empty()


def test_another_identity_than_any_profile_matches_is_refused_without_a_word() -> None:
    profile = replace(PROFILE, identities=(IdentityMatch(host="a.example"),))
    world = HubWorld(10, configured=hub_settings(profiles=(profile,)))
    spoke = world.spoke("198.51.100.1", identity="b.example")
    encrypted: list[bytes] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        if side is world.hub and (pull_header(data).encrypted or pull_header(data).responder_cookie == NO_COOKIE):
            encrypted.append(data)
        return True

    world.forward = forward
    world.connect(spoke, seconds=30.0)
    assert not spoke.up
    assert encrypted == []
    assert any("with identity b.example refused: no isakmp profile" in text for text in world.hub.logs)


def test_a_key_of_another_keyring_opens_no_other_profile() -> None:
    """Each key opens only the profiles of its ring, whatever identity is claimed with it."""
    low = PreSharedKey(Secret(b"of guests"), IPv4Network("198.51.100.0/24"))
    high = PreSharedKey(Secret(b"of sites"), IPv4Network("203.0.113.0/24"))
    profiles = (
        replace(PROFILE, name="GUESTS", keyrings=("GUESTS",), identities=(IdentityMatch(domain="guests.example"),)),
        replace(PROFILE, name="SITES", keyrings=("SITES",), identities=(IdentityMatch(domain="sites.example"),)),
    )
    configured = hub_settings(keyrings=(ring(low, name="GUESTS"), ring(high, name="SITES")), profiles=profiles)
    world = HubWorld(11, configured=configured)
    guest = world.spoke("198.51.100.1", key=Secret(b"of guests"), identity="a.sites.example")
    world.connect(guest, seconds=20.0)
    assert not guest.up
    assert world.hub.access == {}


def test_replayed_messages_of_a_spoke_change_nothing() -> None:
    world = HubWorld(12)
    spoke = world.spoke("198.51.100.1")
    kept: list[tuple[bytes, Path]] = []

    def forward(side: Side, path: Path, data: bytes) -> bool:
        if side is spoke and data != b"\xff":
            kept.append((data, path))
        return True

    world.forward = forward
    world.connect(spoke)
    made = dict(world.hub.access)
    for source in (spoke.address, IPv4Address("203.0.113.66")):
        for data, path in kept * 3:
            seen = Path(HUB, path.remote_port, source, path.local_port)
            world.hub.engine.handle_datagram(data, seen, world.now)
            world.hub.drain()
            world.run(0.05)
    world.run(60.0)
    assert world.hub.access == made
    world.assert_exactly([spoke])
    assert world.hub.downs == 0
    assert world.counted("sessions_begun") == 1


def test_forged_esp_and_unknown_spis_move_nobody() -> None:
    world = HubWorld(13)
    spoke = world.spoke("198.51.100.1")
    world.connect(spoke)
    (name,) = world.hub.access
    world.hub.engine.peer_moved(name, Path(HUB, 500, IPv4Address("203.0.113.66"), 500), world.now)
    world.hub.engine.unknown_spi(Path(HUB, 500, spoke.address, 500), 0x12345678, world.now)
    world.hub.engine.unknown_spi(Path(HUB, 4500, IPv4Address("203.0.113.66"), 4500), 0x12345678, world.now)
    world.hub.engine.peer_moved("Virtual-Access9", Path(HUB, 500, IPv4Address("203.0.113.66"), 500), world.now)
    world.hub.drain()
    world.run(10.0)
    world.assert_exactly([spoke])
    assert world.hub.moves == []


def test_a_spoke_cannot_take_a_session_by_forging_where_it_is() -> None:
    """All have one key. Behind a NAT message 5 may come from elsewhere: one that says it comes from where the holder of
    an identity is proves nothing, since message 6 would go there and nobody would miss it.
    """
    world = HubWorld(31)
    name = f"a.{DOMAIN}"
    holder = world.spoke("198.51.100.1", identity=name)
    world.connect(holder)
    (access,) = world.hub.access
    thief = world.spoke("192.168.1.66", nat=world.nat("203.0.113.66"), identity=name)
    forged = Path(HUB, 4500, holder.address, 500)

    def forge(side: Side, path: Path, data: bytes) -> bool:
        header = pull_header(data)
        if side is not thief or not header.encrypted or header.exchange is not ExchangeType.MAIN:
            return True
        world.at(world.now, lambda: world.hub.engine.handle_datagram(data, forged, world.now))
        return False

    world.forward = forge
    world.connect(thief, seconds=20.0)
    assert world.counted("sessions_joined") == 0
    assert [sa.tunnel for sa in world.hub.engine.status(world.now).isakmp_sas].count(access) == 1
    world.traffic(0.5, world.now + 5.0)
    world.run(6.0)
    assert world.access_of(holder) == access
    assert world.hub.downs == 0
    assert world.counted("identity_theft") >= 1
    world.assert_exactly([holder])


def test_a_spoke_whose_first_message_is_copied_elsewhere() -> None:
    """An attacker who sees message 1 and sends it from its own address gets a half-open exchange at most."""
    world = HubWorld(14)
    spoke = world.spoke("198.51.100.1")
    stranger = Stranger(world)
    forward = world.forward

    def copy(side: Side, path: Path, data: bytes) -> bool:
        if side is spoke and pull_header(data).responder_cookie == NO_COOKIE:
            world.at(world.now, lambda: stranger.send(data, "203.0.113.5"))
        return forward(side, path, data)

    world.forward = copy
    world.connect(spoke, seconds=60.0)
    world.assert_exactly([spoke])


# -- the numbers -----------------------------------------------------------------------------------------------------


def test_numbers_are_lowest_first_and_remembered_for_a_while() -> None:
    numbers = Numbers(holders=3, seconds=100.0)
    assert [numbers.take(name, 0.0) for name in "abc"] == [1, 2, 3]
    numbers.give_back("b", 2, 10.0)
    assert numbers.take("d", 20.0) == 4
    assert numbers.take("b", 30.0) == 2
    numbers.give_back("b", 2, 40.0)
    numbers.give_back("a", 1, 50.0)
    assert numbers.take("e", 141.0) == 2, "its time was over"
    assert numbers.take("f", 141.0) == 5
    for number, name in ((3, "c"), (4, "d"), (2, "e"), (5, "f")):
        numbers.give_back(name, number, 142.0)
    assert len(numbers) == 3, "only the last holders are remembered"
    assert numbers.take("g", 143.0) == 1
    numbers.give_back("g", 1, 143.0)
    numbers.give_back("g", 9, 143.0)
    assert numbers.take("g", 143.0) == 9


def test_lowest_free() -> None:
    free = LowestFree()
    assert [free.take() for _ in range(4)] == [1, 2, 3, 4]
    free.give_back(3)
    free.give_back(1)
    assert [free.take() for _ in range(3)] == [1, 3, 5]


# -- the cost --------------------------------------------------------------------------------------------------------


def effort(count: int) -> int:
    """Python calls of a hub for one more spoke that comes, renews and goes, when `count` are there."""
    world = HubWorld(20)
    spokes = [world.spoke(str(IPv4Address("198.18.0.0") + number)) for number in range(1, count + 1)]
    world.connect(*spokes, seconds=20.0)
    assert len(world.hub.access) == count
    for spoke in spokes:  # the rest of the world stands still
        spoke.attached = False
    one = world.spoke("198.51.100.1")
    calls = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    engine = world.hub.engine

    def counted(name: str) -> None:
        inner = getattr(engine, name)

        def call(*arguments: object, **options: object) -> object:
            sys.setprofile(profile)
            try:
                return inner(*arguments, **options)
            finally:
                sys.setprofile(None)

        setattr(engine, name, call)

    for name in ("handle_datagram", "complete", "clear"):
        counted(name)
    world.connect(one, seconds=3.0)
    assert one.up
    world.hub.engine.clear(ClearTarget.SESSION, world.now, peer=one.address)
    world.hub.drain()
    world.run(0.4)
    return calls


def test_many_spokes_cost_no_more_each_than_few() -> None:
    few, many = effort(5), effort(150)
    assert many < 1.3 * few, f"{few} calls among 5, {many} among 150"
