"""Requests and responses of an IKE SA: numbered, repeated, answered again (RFC 7296 sections 2.1 to 2.4).

Every request of this side is a `Request` that waits for its turn while the peer's window is full. A request of the
peer is handled once; its response is kept, and sent again where the request comes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seikan.ike.core import MAX_TRIES, TRIES_UNTIL_TOLD, Core
from seikan.ike.effects import Path, Send
from seikan.ike.v2.envelope import exchange_name, header_of, seal
from seikan.ike.v2.sa import Ikev2Sa, Request
from seikan.wire.v2.header import Header
from seikan.wire.v2.message import Chain
from seikan.wire.v2.payloads import Payload

if TYPE_CHECKING:
    from seikan.ike.tunnels import Tunnels

MAX_QUEUE = 64  # requests that wait; whatever goes beyond is left out
CLOSING_TRIES = 3  # of the delete of an IKE SA, which nothing here depends on


class Windows:
    def __init__(self, core: Core, tunnels: Tunnels) -> None:
        self.core = core
        self.tunnels = tunnels

    # -- requests of this side ---------------------------------------------------------------------------------------

    def request(self, sa: Ikev2Sa, request: Request, *, urgent: bool = False) -> None:
        """Send it, or let it wait for its turn; an `urgent` one is the next."""
        window = sa.window
        if len(window.queue) >= MAX_QUEUE:
            self.core.counters["ikev2_requests_left_out"] += 1
            request.lost()
            return
        (window.queue.appendleft if urgent else window.queue.append)(request)
        self.pump(sa)

    def pump(self, sa: Ikev2Sa) -> None:
        """Send what may be sent now."""
        window = sa.window
        while window.queue and len(window.flying) < window.size and (sa.closing or not sa.deleted):
            self._send(sa, window.queue.popleft())

    def _send(self, sa: Ikev2Sa, request: Request) -> None:
        """Build it; where it still has something to say, number it and let it fly."""
        window = sa.window
        payloads = request.build()
        if payloads is None:
            return
        request.number = window.next_id
        window.next_id += 1
        window.flying[request.number] = request
        header = header_of(sa, request.exchange, request.number, response=False)
        request.packets = seal(self.core, sa, header, payloads)
        self.transmit(sa, sa.path, request.packets, request.exchange)
        self._arm(sa, request)

    def last_words(self, sa: Ikev2Sa) -> None:
        """The router stops and hears no response any more: a delete that waits for its turn goes out now.

        A peer whose response is under way has its window free again and takes it; what flies is repeated before,
        for one that has not had it. This exceeds the window of section 2.3 where the peer has it still to answer: it
        then drops the delete, and finds out by dead peer detection as it would without.
        """
        if sa.window.queue:
            self.again(sa)
        while sa.window.queue:
            self._send(sa, sa.window.queue.popleft())

    def transmit(self, sa: Ikev2Sa, path: Path, packets: Sequence[bytes], exchange: int) -> None:
        self.core.debug(
            "ikev2 packet",
            "{.label}: sending {} to {}:{} from port {} in {} packet(s)",
            *(sa, exchange_name(exchange), path.remote, path.remote_port, path.local_port, len(packets)),
        )
        for packet in packets:
            self.core.emit(Send(path, packet))
        self.core.counters["messages_sent"] += 1

    def _arm(self, sa: Ikev2Sa, request: Request) -> None:
        key = ("request", request)
        if request.schedule is not None:
            self.core.timers.set(key, self.core.now + request.schedule[1], lambda: self._repeat(sa, request))
        else:
            self.core.retransmit(key, request.tries, lambda: self._repeat(sa, request))

    def _repeat(self, sa: Ikev2Sa, request: Request) -> None:
        most = request.schedule[0] if request.schedule else CLOSING_TRIES if sa.closing else MAX_TRIES
        if request.tries >= most:
            self.tunnels.v2.unanswered(sa, request)
            return
        request.tries += 1
        self.core.counters["retransmissions"] += 1
        self.transmit(sa, sa.path, request.packets, request.exchange)
        self._arm(sa, request)
        if request.tries == TRIES_UNTIL_TOLD:
            self.tunnels.v2.waits(sa, request)

    def waits_for(self, sa: Ikev2Sa, number: int) -> bool:
        """Whether a response with this message ID is due."""
        return number in sa.window.flying

    def response(self, sa: Ikev2Sa, header: Header, chain: Chain) -> None:
        """The peer has answered."""
        request = sa.window.flying.get(header.message_id)
        if request is None or header.exchange != request.exchange:
            self.core.counters["ikev2_unexpected_responses"] += 1
            return
        del sa.window.flying[header.message_id]
        self.core.timers.cancel(("request", request))
        request.answered(chain)
        self.pump(sa)

    def again(self, sa: Ikev2Sa) -> None:
        """What flies goes out at once to where the peer is now."""
        for request in sa.window.flying.values():
            self.transmit(sa, sa.path, request.packets, request.exchange)

    def drop(self, sa: Ikev2Sa) -> None:
        """The IKE SA is over."""
        window = sa.window
        requests = [*window.flying.values(), *window.queue]
        for request in window.flying.values():
            self.core.timers.cancel(("request", request))
        window.flying.clear()
        window.queue.clear()
        for request in requests:
            request.lost()

    # -- requests of the peer ----------------------------------------------------------------------------------------

    def seen(self, sa: Ikev2Sa, header: Header, data: bytes, path: Path) -> bool:
        """Whether this very request has come before: its response goes out again, where there is one."""
        if sa.window.requests.get(header.message_id) != data:
            return False
        self.core.counters["duplicates"] += 1
        self._answer_again(sa, header, path)
        return True

    def _answer_again(self, sa: Ikev2Sa, header: Header, path: Path) -> None:
        packets = sa.window.responses.get(header.message_id)
        if packets and not self.core.answers_again.allow(sa.own_spi, self.core.now):
            self.core.counters["ikev2_answers_limited"] += 1  # whoever has recorded a request can send it for ever
        elif packets:
            # To where it comes from: an answer that a NAT let nobody have must not be lost for ever.
            self.transmit(sa, path if sa.nat_remote or sa.mobike else sa.path, packets, header.exchange)
            self.tunnels.v2.answered_again(sa, header.message_id)

    def accept(self, sa: Ikev2Sa, header: Header, data: bytes, path: Path, *, first: bool) -> bool:
        """Whether an authentic request is new and within this side's window. `first` of its fragments, or all of it,
        is `data`. One that is old is answered again; nothing is said to one that is too new (section 2.3).
        """
        window, number = sa.window, header.message_id
        if number < window.expected or number in window.ahead:
            self.core.counters["duplicates"] += 1
            if first:
                self._answer_again(sa, header, path)
            return False
        if number >= window.expected + self.own_size:
            self.core.counters["ikev2_outside_window"] += 1
            return False
        return True

    @property
    def own_size(self) -> int:
        return max(1, self.core.settings.ikev2.window)

    def take(self, sa: Ikev2Sa, number: int, data: bytes) -> None:
        """The request is handled from now on: its message ID starts nothing again."""
        window = sa.window
        window.ahead.add(number)
        while window.expected in window.ahead:
            window.ahead.remove(window.expected)
            window.expected += 1
        window.requests[number] = data
        for table in (window.requests, window.responses):
            for old in [known for known in table if known < number - self.own_size]:
                del table[old]

    def respond(
        self, sa: Ikev2Sa, exchange: int, number: int, payloads: Sequence[Payload], path: Path | None = None
    ) -> None:
        """Answer a request, and keep the answer. It goes to where the peer is, or by the `path` that it came."""
        if sa.keys is None or number not in sa.window.requests:
            return
        packets = seal(self.core, sa, header_of(sa, exchange, number, response=True), payloads)
        sa.window.responses[number] = packets
        self.transmit(sa, path or sa.path, packets, exchange)
