"""Runs a story: a table of steps, each of which waits for what it asserts and never for time."""

from __future__ import annotations

import math
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.interop.connection import CHILD_SECONDS, Connection, Peer
from tests.interop.network import Host, stop
from tests.interop.ours import import_credentials
from tests.interop.router import Seikan
from tests.interop.stories import Step, Story

from seikan.lab.proof import Counters
from seikan.lab.wait import wait_until

UP_SECONDS = 60.0
REKEY_SECONDS = 150.0
"""120 seconds is the shortest lifetime of an IKE SA that an ikev2 profile takes."""
DEAD_SECONDS = 60.0
COLLISION_SECONDS = 11
"""Two pairs made within ten seconds of each other count as a collision; a rekey waits until the SA is older."""


EARLY = 5
"""Packets that may be lost at a rekey that Seikan begins, of a hundred a second: a responder may send with the new pair
as soon as it has answered, and libreswan does (with IKEv1 before the third message); Seikan has yet to read the answer.
"""
_OCTETS = 1300
_BELOW_LIMIT, UP_TO_LIMIT = 1450, 550
"""Echo requests of so many octets: those that stay below the least volume that has Seikan rekey, four fifths of
2560 kilobytes, and those that pass the hard limit.
"""


class StoryFailed(AssertionError):
    """A step did not come to what it should; the text says what both ends said."""


@dataclass(slots=True)
class Run:
    """One telling: both ends, and how the wire between them is cut and mended."""

    story: Story
    connection: Connection
    seikan: Seikan
    peer: Peer
    cut: Callable[[], None]
    mend: Callable[[], None]
    done: list[Step] = field(default_factory=list)
    _lost: frozenset[str] = frozenset()
    """IKE SAs of the peer that Seikan gave up while the wire was cut: it cannot delete them any more."""

    def tell(self) -> None:
        """Connect, then every step in turn."""
        self._connect()
        for step in self.story.steps:
            try:
                _STEPS[step](self)
            except (StoryFailed, subprocess.SubprocessError, OSError) as error:
                raise StoryFailed(f"{self.story.name}: {step.value}: {error!r}\n{self._said()}") from error
            self.done.append(step)

    def _connect(self) -> None:
        self.peer.start(self.connection)
        self.seikan.start()
        if self.connection.credentials is not None:
            self.seikan.exec(import_credentials(self.connection))
        if not self.story.seikan_initiates:
            self.peer.initiate()
        try:
            self.await_up()
        except StoryFailed as error:
            raise StoryFailed(f"{self.story.name}: connect: {error}\n{self._said()}") from error

    def _said(self) -> str:
        shown = self.seikan.exec("show crypto session detail") if self.seikan.runs() else "Seikan has ended"
        if self.seikan.runs():
            shown += self.seikan.exec("show crypto isakmp counters")
        return f"{shown}\n--- Seikan's log\n{self.seikan.log()[-4000:]}\n--- the peer's log\n{self.peer.log()[-6000:]}"

    # -- what is asked of both ends ---------------------------------------

    def await_up(self) -> None:
        ours, theirs = self.connection.ours, self.connection.theirs
        self._await(
            lambda: self.seikan.spis() and ours.host.answers(theirs.inner, ours.inner), UP_SECONDS, "no traffic passes"
        )

    def _await(self, condition: Callable[[], object], limit: float, otherwise: str) -> None:
        if not wait_until(condition, limit, 0.3):
            raise StoryFailed(f"{otherwise} after {limit:.0f} s")

    def _assert(self, condition: object, otherwise: str) -> None:
        if not condition:
            raise StoryFailed(otherwise)

    # -- the steps --------------------------------------------------------

    def traffic(self, count: int = 10) -> None:
        """Every packet arrives, and Seikan counts it as encrypted and as decrypted."""
        ours, theirs = self.connection.ours, self.connection.theirs
        before = self._settled()
        sent = 0
        for one, other in ((ours, theirs), (theirs, ours)):
            echoes = _ping(one.host, one.inner, other.inner, count, 0.05)
            self._assert(not echoes.lost, f"no answer to {sorted(echoes.lost)} of {echoes.sent} echo requests")
            sent += echoes.sent
        after = self._settled()
        crossed = (after.encapsulated - before.encapsulated, after.decapsulated - before.decapsulated)
        self._assert(crossed == (sent, sent), f"Seikan counted {crossed} of {sent} packets each way")

    def _settled(self) -> Counters:
        """The counters once nothing that was under way before adds to them."""
        seen = [self.seikan.counters()]

        def still() -> bool:
            seen.append(self.seikan.counters())
            return seen[-1] == seen[-2]

        self._await(still, 10, "packets go on crossing")
        return seen[-1]

    def child_by_peer(self) -> None:
        self._await_age()
        with self._nothing_lost(but=self.story.peer.gap):
            before, ours = self.peer.status().inbound, self.seikan.spis()
            self.peer.rekey_child()
            self._await_new_child(before, ours)
        self.traffic()

    def child_by_seikan(self) -> None:
        """By volume: 2560 kilobytes is the least that IOS takes."""
        ours, theirs = self.connection.ours, self.connection.theirs
        self._await_age()
        before, spis = self.peer.status().inbound, self.seikan.spis()
        for count, interval, lost in ((_BELOW_LIMIT, 0.004, 0), (UP_TO_LIMIT, 0.01, EARLY)):
            echoes = _ping(ours.host, ours.inner, theirs.inner, count, interval, _OCTETS)
            self._assert(len(echoes.lost) <= lost, f"no answer to {sorted(echoes.lost)} of {echoes.sent} echo requests")
        self._await_new_child(before, spis)
        self.traffic()

    def _await_new_child(self, before: frozenset[int], ours: set[int]) -> None:
        """Both have a new pair, and Seikan sends with what the peer calls new."""

        def there() -> bool:
            new = self.peer.status().inbound - before
            return bool(new and self.seikan.spis() - ours and self.seikan.counters().outbound_spi in new)

        self._await(there, REKEY_SECONDS, "no new child SA is used by both")

    def ike_by_peer(self) -> None:
        self._await_age()
        self._new_ike(self.peer.rekey_ike)

    def ike_by_seikan(self) -> None:
        """By its lifetime, which the connection has short."""
        self._new_ike(lambda: None)

    def _new_ike(self, begin: Callable[[], None]) -> None:
        with self._nothing_lost():
            before = self.peer.status().ike
            begin()

            def there() -> bool:
                now = self.peer.status().ike
                return bool(now and not now & before)

            self._await(there, REKEY_SECONDS, f"the peer still has its IKE SA {sorted(before)}")
        self.traffic()

    def _await_age(self) -> None:
        """Until what was made last is old enough not to be taken for a collision, which IKEv1 knows by age only."""
        if self.connection.version == 2:
            return
        if self.connection.their_child_seconds < CHILD_SECONDS:
            return  # the peer rekeys when its lifetime says so, which is later than that

        def age() -> int:
            shown = self.seikan.exec("show crypto ipsec sa")
            remaining = [
                int(seconds) for seconds in re.findall(r"remaining key lifetime .*?(\d+)\)?$", shown, re.MULTILINE)
            ]
            return CHILD_SECONDS - max(remaining, default=CHILD_SECONDS)

        self._await(lambda: age() >= COLLISION_SECONDS, 40, "the child SA stays young")

    @contextmanager
    def _nothing_lost(self, but: int = 0) -> Iterator[None]:
        """Echo requests run meanwhile, ten a second, and until one that was sent afterwards is answered."""
        ours, theirs = self.connection.ours, self.connection.theirs
        log = self.seikan.directory / f"ping{len(self.done)}"
        log.unlink(missing_ok=True)
        command = ("ping", "-n", "-W", "5", "-i", "0.1", "-I", ours.inner, theirs.inner)
        stream = ours.host.start(*command, log=log)

        def another() -> None:
            """The first answer from now on may be to a request of before, the second is not."""
            seen = log.read_text().count("bytes from")
            self._await(lambda: log.read_text().count("bytes from") > seen + 1, 15, "no echo request is answered")

        try:
            another()
            yield
            another()
        finally:
            stop(stream, signal.SIGINT)
        echoes = Echoes.read(log.read_text())
        said = f"no answer to {sorted(echoes.lost)} of {echoes.sent} echo requests meanwhile"
        self._assert(len(echoes.lost) <= but, said)

    def cut_off(self) -> None:
        """Seikan notices that the peer is dead, and comes back once it is there."""
        self._lost |= self.peer.status().ike
        self.cut()
        try:
            self._await(lambda: not self.seikan.line_protocol_up(), DEAD_SECONDS, "the line protocol stays up")
            self._assert(not self.seikan.spis(), "the SAs of the dead peer are still there")
        finally:
            self.mend()
        if not self.story.seikan_initiates:
            self._restart()
        self.await_up()
        self.traffic()

    def restart(self) -> None:
        self._restart()
        self.await_up()
        self.traffic()

    def _restart(self) -> None:
        before = self.seikan.spis()
        self.peer.kill()
        self.peer.start(self.connection)
        if not self.story.seikan_initiates:
            self.peer.initiate()
        self._await(lambda: self.seikan.spis() - before, UP_SECONDS, "Seikan keeps the SAs of before the restart")

    def delete_by_peer(self) -> None:
        before = self.seikan.spis()
        self.peer.delete()
        self._await(lambda: not self.seikan.spis() & before, UP_SECONDS, "Seikan keeps the SA that the peer deleted")
        if self.story.seikan_initiates:
            self.await_up()
            return
        if not self.seikan.spis():  # OpenIKED connects again at once
            self._assert(not self.seikan.line_protocol_up(), "the line protocol is up without an SA")
            self.peer.initiate()
        self.await_up()

    def delete_by_seikan(self) -> None:
        """Seikan is stopped in order: the peer is told."""
        before = self.peer.status()
        self._assert(before.inbound, "the peer has no SA")
        status = self.seikan.stop()
        self._assert(status == 0, f"Seikan ended with status {status}")

        def gone() -> bool:
            now = self.peer.status()
            return not now.inbound & before.inbound and not now.ike & before.ike - self._lost

        if not wait_until(gone, 30, 0.5):
            raise StoryFailed(f"after 30 s the peer has {self.peer.status()} of {before}, which Seikan deleted")


@dataclass(frozen=True, slots=True)
class Echoes:
    """How many echo requests were sent, and the numbers of those that one sent later was answered before or without."""

    sent: int
    lost: frozenset[int]

    @classmethod
    def read(cls, output: str, count: int = 0) -> Echoes:
        """From what `ping` printed; of the first `count` each has to be answered."""
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", output)}
        found = re.search(r"(\d+) packets transmitted", output)
        last = max(answered, default=0)
        return cls(int(found[1]) if found else 0, frozenset(range(1, max(count, last) + 1)) - answered)


def _ping(host: Host, source: str, target: str, count: int, interval: float, size: int = 56) -> Echoes:
    """Echo requests until `count` are answered, within twice the time that they take and ten seconds more.

    Told a number only, ping leaves after the last as soon as twice the longest answer has passed, -W or not: on a
    machine that is busy for a moment that is too early. So it goes on, and the answers are known by their numbers.
    """
    limit = math.ceil(count * interval * 2 + 10)
    command = ("ping", "-n", "-c", str(count), "-w", str(limit), "-i", str(interval), "-s", str(size), "-I", source)
    return Echoes.read(host.run(*command, target, limit=limit + 20, check=False), count)


_STEPS: dict[Step, Callable[[Run], None]] = {
    Step.TRAFFIC: Run.traffic,
    Step.CHILD_BY_PEER: Run.child_by_peer,
    Step.CHILD_BY_SEIKAN: Run.child_by_seikan,
    Step.IKE_BY_PEER: Run.ike_by_peer,
    Step.IKE_BY_SEIKAN: Run.ike_by_seikan,
    Step.CUT: Run.cut_off,
    Step.RESTART: Run.restart,
    Step.DELETE_BY_PEER: Run.delete_by_peer,
    Step.DELETE_BY_SEIKAN: Run.delete_by_seikan,
}
