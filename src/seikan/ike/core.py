"""What every part of the engine shares: settings, clock, timers, the queue of effects, the tables of SAs."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from seikan.config.model import Keepalive
from seikan.crypto.key_exchange import KeyPairFactory, respond
from seikan.ike.diagnosis import KIND_OF_MNEMONIC, diagnose
from seikan.ike.effects import Address, Debug, Effect, Log, Path, ReserveSpi, Send, Usage
from seikan.ike.facts import facts_of
from seikan.ike.fragments import Fragments, split
from seikan.ike.limits import RateLimit
from seikan.ike.preshared import KeyTable
from seikan.ike.sa import ChildSa, Flow, IkeSa, Owner, Trouble, Tunnel
from seikan.ike.settings import EngineSettings, Ikev2ProfileSettings, ProfileSettings
from seikan.ike.status import Diagnosis, Mismatch
from seikan.ike.timers import Timers
from seikan.ike.v1.sa import IsakmpSa
from seikan.ike.v2.sa import Ikev2Sa
from seikan.wire.constants import ExchangeType, Group, NotifyType
from seikan.wire.header import Header
from seikan.wire.message import push_message
from seikan.wire.payloads import Notification
from seikan.wire.secret import Secret

FIRST_CONN_ID = 1001  # IOS
ERROR_REPEAT = 300.0  # seconds in which the same error of a tunnel is logged once
MAX_TRIES = 9
TRIES_UNTIL_TOLD = 3  # 12 seconds after the first: not yet given up, but a person who waits should know
FIRST_RETRANSMISSION = 2.0  # seconds
BACK_OFF = 1.8
MAX_RETRANSMISSION = 10.0  # seconds: a network that is back is noticed within this time
MAX_ANSWERS = 10  # how often a repeated request is answered again

Completion = Callable[[str | Usage | None], None]


class Core:
    """`now` is set at every entry into the engine."""

    def __init__(
        self,
        settings: EngineSettings,
        random: Callable[[int], bytes],
        key_pair: KeyPairFactory,
        wall_clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.settings = settings
        self.random = random
        self.key_pair = key_pair
        self.wall_clock = wall_clock
        self.now = 0.0
        self.timers = Timers()
        self.counters: Counter[str] = Counter()
        self.effects: deque[Effect] = deque()
        self.debugging: frozenset[str] = frozenset()
        self.ike_sas: dict[tuple[bytes, bytes], IsakmpSa] = {}
        self.lingering: dict[tuple[bytes, bytes], IsakmpSa] = {}
        self.first_messages: dict[tuple[bytes, Address], IsakmpSa] = {}
        self.ikev2_sas: dict[bytes, Ikev2Sa] = {}  # by the SPI of this side
        self.ikev2_first: dict[tuple[bytes, Address], Ikev2Sa] = {}  # by the SPI of a peer that began
        self.half_open: dict[IkeSa, None] = {}  # begun by peers, oldest first
        self.unproven: dict[IkeSa, None] = {}  # those of them whose peer has not shown that it gets our answers
        self.half_open_of: dict[Hashable, dict[IkeSa, None]] = {}
        self.initiating: dict[IkeSa, None] = {}
        self.established: dict[IkeSa, None] = {}
        self.tunnels: dict[str, Tunnel] = {}
        self.owners: dict[str, Owner] = {}
        self.inbound: dict[int, ChildSa | None] = {}  # by SPI; None where an exchange has no pair yet
        self.outbound: dict[tuple[str, int], ChildSa] = {}  # by owner and SPI
        self.ends: dict[tuple[Address, Address], Tunnel] = {}
        self.by_remote: dict[Address, dict[Tunnel, None]] = {}
        self.keys = KeyTable(settings.keys, settings.keyrings)
        self.profiles = {row.name: row for row in settings.profiles}
        self.ikev2_profiles = {row.name: row for row in settings.ikev2.profiles}
        self.diagnoses: deque[Diagnosis] = deque(maxlen=settings.ikev2.kept_errors)  # the newest first
        self.completions: dict[int, Completion] = {}
        self.fragments = Fragments()
        self.error_replies = RateLimit(rate=2.0, burst=10)
        self.unproven_errors = RateLimit(rate=1 / 60, burst=3)
        self.first_message_rate = RateLimit(rate=10.0, burst=40)
        self.all_first_messages = RateLimit(rate=50.0, burst=400)  # of IKEv2, without a cookie, from wherever
        self.proven_message_rate = RateLimit(rate=20.0, burst=200)  # with a cookie: each costs a key exchange
        self.answers_again = RateLimit(rate=5.0, burst=20)  # of each IKE SA of IKEv2
        self.quick_mode_rate = RateLimit(rate=20.0, burst=500)  # of each peer: as many flows as it has, after a restart
        self._effect_id = 0
        self._conn_id = FIRST_CONN_ID - 1
        self._child_id = 0
        self._fragment_id = 0

    def configured(self, settings: EngineSettings) -> None:
        """Take other settings, and make the tables that follow from them alone."""
        before, self.settings = self.settings, settings
        if (before.keys, before.keyrings) != (settings.keys, settings.keyrings):
            self.keys = KeyTable(settings.keys, settings.keyrings)
        self.profiles = {row.name: row for row in settings.profiles}
        self.ikev2_profiles = {row.name: row for row in settings.ikev2.profiles}
        if self.diagnoses.maxlen != settings.ikev2.kept_errors:
            self.diagnoses = deque(list(self.diagnoses)[: settings.ikev2.kept_errors], settings.ikev2.kept_errors)

    def profile_of(self, tunnel: Tunnel) -> ProfileSettings | None:
        """The isakmp profile that holds for a tunnel, where it has one."""
        return self.profiles.get(tunnel.settings.isakmp_profile or "")

    def keepalive_of(self, tunnel: Tunnel) -> Keepalive | None:
        """The profile's dead peer detection before the global one."""
        profile = self.profile_of(tunnel)
        return (profile.keepalive if profile else None) or self.settings.keepalive

    def ikev2_profile_of(self, tunnel: Tunnel) -> Ikev2ProfileSettings | None:
        """The ikev2 profile that holds for a tunnel, where it is known."""
        return self.ikev2_profiles.get(tunnel.settings.ikev2_profile or "")

    def nat_keepalive_of(self, tunnel: Tunnel) -> int:
        """Seconds; 0: off."""
        profile = self.ikev2_profile_of(tunnel)
        return self.settings.nat_keepalive if profile is None else profile.nat_keepalive

    def next_conn_id(self) -> int:
        self._conn_id += 1
        return self._conn_id

    def next_child_id(self) -> int:
        """IOS numbers each direction; the pair takes two."""
        self._child_id += 2
        return self._child_id - 1

    def expect(self, completion: Completion) -> int:
        """An effect id whose `complete` goes to `completion`."""
        self._effect_id += 1
        self.completions[self._effect_id] = completion
        return self._effect_id

    def emit(self, effect: Effect) -> None:
        self.effects.append(effect)

    def fraction(self) -> float:
        """A random number from 0 up to 1."""
        return int.from_bytes(self.random(4), "big") / 2**32

    def new_message_id(self, sa: IsakmpSa) -> int:
        while True:
            number = int.from_bytes(self.random(4), "big")
            if number and number not in sa.quick and number not in sa.finished:
                return number

    def new_cookie(self) -> bytes:
        while True:
            cookie = self.random(8)
            if any(cookie):
                return cookie

    def new_ikev2_spi(self) -> bytes:
        """An SPI of this side for an IKE SA of IKEv2."""
        while True:
            spi = self.random(8)
            if any(spi) and spi not in self.ikev2_sas:
                return spi

    def respond_key(self, group: Group, peer: bytes) -> tuple[bytes, Secret]:
        """The responder's half of a key exchange: its public value and the secret. Raises `InvalidPublicValue`."""
        if group.kem:
            return respond(group, peer)
        pair = self.key_pair(group)
        return pair.public, pair.shared(peer)

    def new_spi(self) -> int:
        """An inbound SPI that nothing else here has until `free_spi`; 0 to 255 are reserved (RFC 4303 section 2.1)."""
        while True:
            spi = int.from_bytes(self.random(4), "big")
            if spi > 255 and spi not in self.inbound:
                self.inbound[spi] = None
                self.emit(ReserveSpi(spi))
                return spi

    def free_spi(self, spi: int) -> None:
        self.inbound.pop(spi, None)

    def keep(self, child: ChildSa) -> None:
        """Enter a pair into the tables by SPI."""
        self.inbound[child.inbound_spi] = child
        self.outbound[child.flow.owner.name, child.outbound_spi] = child

    def forget(self, child: ChildSa) -> None:
        self.free_spi(child.inbound_spi)
        key = (child.flow.owner.name, child.outbound_spi)
        if self.outbound.get(key) is child:
            del self.outbound[key]

    def log(self, severity: int, mnemonic: str, text: str, facility: str = "CRYPTO") -> None:
        self.emit(Log(facility, severity, mnemonic, text))

    def debug(self, topic: str, text: str, *values: Any) -> None:
        """`text` is formatted with `values` by `str.format`, and only where somebody listens."""
        if topic in self.debugging:
            self.emit(Debug(topic, text.format(*values)))

    def error(
        self,
        whose: Tunnel | Flow,
        mnemonic: str,
        text: str,
        mismatches: tuple[Mismatch, ...] | Callable[[], tuple[Mismatch, ...]] = (),
        *,
        vague: bool = False,
        unproven: bool = False,
        kind: str | None = None,
        **known: Any,
    ) -> None:
        """Why a tunnel or one of its flows does not come up: kept for the show commands, logged once while it stays
        the same.

        A `vague` error, known only from the peer's silence or refusal, does not hide a precise one.
        An `unproven` one, which anybody could have caused, is told seldom, and is not kept of a tunnel that is up.
        All of an unknown peer are so.

        `mismatches` may be a function: what they are takes long to find out, and is not asked of what is not told.

        `kind`, one of `diagnosis.KINDS`, is that of the mnemonic where it is not given; `known` are further fields of
        `Facts` for the diagnosis.
        """
        tunnel = whose if isinstance(whose, Tunnel) else whose.tunnel
        unproven = unproven or tunnel.provisional
        trouble: Trouble = whose.trouble
        if unproven and not self.unproven_errors.allow("" if tunnel.provisional else tunnel.name, self.now):
            self.counters["unproven_errors"] += 1
            return
        if callable(mismatches):
            mismatches = mismatches()
        details = "; ".join(f"{row.attribute}: local {row.local}, remote {row.remote}" for row in mismatches)
        line = f"{tunnel.name}: {text}" + (f" ({details})" if details else "")
        recent = trouble.at is not None and self.now - trouble.at < ERROR_REPEAT
        beside = unproven and tunnel.up
        if recent and vague and not trouble.vague and not beside:
            return
        diagnosis = self._diagnose(whose, kind or KIND_OF_MNEMONIC.get(mnemonic), text, mismatches, known)
        if beside:
            self.log(4, mnemonic, line)
            return
        if tunnel.version == 2:
            self.debug("ikev2 error", "{}", line)
        repeated = trouble.text == text and trouble.mismatches == mismatches
        trouble.text, trouble.at, trouble.mismatches, trouble.vague = text, self.now, mismatches, vague
        trouble.diagnosis = diagnosis
        if repeated and self.now - trouble.logged_at < ERROR_REPEAT:
            return
        trouble.logged_at = self.now
        self.log(4, mnemonic, line)

    def other_version(self, tunnel: Tunnel, version: int) -> None:
        """A peer begins with a version of IKE that is not configured for it."""
        text = (
            f"peer {tunnel.settings.remote} begins IKEv{version}, {tunnel.name} is negotiated by IKEv{tunnel.version}"
        )
        self.error(tunnel, "IKE_VERSION", text, unproven=True, kind="version")

    def _diagnose(
        self,
        whose: Tunnel | Flow,
        kind: str | None,
        text: str,
        mismatches: tuple[Mismatch, ...],
        known: Mapping[str, Any],
    ) -> Diagnosis | None:
        """What an error means, kept with the newest ones; None where its kind is not known."""
        if kind is None:
            return None
        found = diagnose(kind, replace(facts_of(self.settings, whose), **known), self.now, text, mismatches)
        self.diagnoses.appendleft(found)
        return found

    def send(self, sa: IsakmpSa, path: Path, data: bytes) -> None:
        """Send one message of `sa`, in fragments where it is long and the peer can put them together."""
        self.debug(
            "isakmp",
            "{}: sending packet to {} my_port {} peer_port {} ({}) {}",
            *(sa.label, path.remote, path.local_port, path.remote_port, sa.role.letter, sa.state.value),
        )
        limit = self.settings.fragment_octets
        if len(data) > limit and sa.fragmentation:
            self._fragment_id = self._fragment_id % 0xFFFF + 1
            for piece in split(data, limit, self._fragment_id):
                self.counters["fragments_sent"] += 1
                self.emit(Send(path, piece))
        else:
            self.emit(Send(path, data))
        self.counters["messages_sent"] += 1

    def send_error(self, header: Header, path: Path, kind: NotifyType) -> None:
        """Answer a message in clear with an error notify: rate-limited, and it changes nothing here.

        Only a configured peer gets one: to anybody else this router says nothing before it has proved a key.
        """
        if (path.local, path.remote) not in self.ends:
            self.counters["error_replies_withheld"] += 1
            return
        if not self.error_replies.allow(path.remote, self.now):
            self.counters["error_replies_limited"] += 1
            return
        reply = Header(header.initiator_cookie, header.responder_cookie, 0, ExchangeType.INFORMATIONAL, 0, 0, 0)
        self.counters["error_replies"] += 1
        self.emit(Send(path, push_message(reply, [Notification(1, b"", kind)])))

    def retransmit(self, key: tuple[str, object], delay_index: int, callback: Callable[[], None]) -> None:
        """Arm the timer of a message sent `delay_index` times before."""
        delay = min(MAX_RETRANSMISSION, FIRST_RETRANSMISSION * BACK_OFF**delay_index)
        self.timers.set(key, self.now + delay, callback)
