"""The protocol engine: datagrams, plane events and the time go in, effects come out. It does no I/O of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum

from seikan.crypto.key_exchange import KeyPairFactory, generate_key_pair
from seikan.ike.configuration import Configuration
from seikan.ike.core import Core
from seikan.ike.effects import Address, Direction, Effect, Path, Usage
from seikan.ike.report import engine_status
from seikan.ike.settings import EngineSettings
from seikan.ike.status import EngineStatus
from seikan.ike.tunnels import Tunnels
from seikan.ike.winners import best_ike_sa
from seikan.wire.constants import NAT_TRAVERSAL_PORT


class ClearTarget(Enum):
    """`clear crypto isakmp`, `clear crypto sa`, `clear crypto session`."""

    ISAKMP = "isakmp"
    SA = "sa"
    SESSION = "session"


class Engine:
    """IKE for a set of tunnels. Every method takes the time of one monotonic clock in seconds.

    After any call, drain `poll_effect` and arm a timer for `next_timeout`. `random(n)` gives n octets fit for
    cookies, nonces and SPIs; `wall_clock` tells the time in UTC, by which certificates are judged. `debugging` holds
    the topics ("isakmp", "ipsec", those of `IKEV2_TOPICS`) that `Debug` effects are made for.
    """

    def __init__(
        self,
        settings: EngineSettings,
        random: Callable[[int], bytes],
        key_pair: KeyPairFactory = generate_key_pair,
        wall_clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._core = Core(settings, random, key_pair, wall_clock)
        self._tunnels = Tunnels(self._core)
        self._configuration = Configuration(self._core, self._tunnels)
        self._configuration.set_tunnels(settings)

    @property
    def debugging(self) -> frozenset[str]:
        return self._core.debugging

    @debugging.setter
    def debugging(self, topics: frozenset[str]) -> None:
        self._core.debugging = topics

    # -- out ---------------------------------------------------------------------------------------------------------

    def poll_effect(self) -> Effect | None:
        """The next thing to do, in order; None where nothing is left."""
        return self._core.effects.popleft() if self._core.effects else None

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due, None where nothing waits."""
        return self._core.timers.next()

    def status(self, now: float) -> EngineStatus:
        """A snapshot for the show commands."""
        return engine_status(self._core, now)

    # -- configuration -----------------------------------------------------------------------------------------------

    def configure(self, settings: EngineSettings, now: float) -> None:
        """Run with other settings from now on. A tunnel that keeps its ends keeps its phase 1, a flow that keeps its
        selector its pairs; new settings of phase 1 and phase 2 hold from the next negotiation, which starts at once
        where something is not up.
        """
        self._core.now = now
        if settings != self._core.settings:
            self._configuration.change(settings)

    def initiate(self, owner: str, now: float) -> None:
        """The owner can run (administratively up, its peers routable): bring its flows up and keep them so."""
        self._core.now = now
        self._configuration.allow(owner)

    def suspend(self, owner: str, reason: str, now: float) -> None:
        """The owner cannot run: delete its SAs and refuse its peers until `initiate`."""
        self._core.now = now
        self._configuration.suspend(owner, reason)

    def acquire(self, owner: str, flow: int, now: float) -> None:
        """A packet of a flow that has no pair is there to be sent."""
        self._core.now = now
        self._tunnels.flows.acquire(owner, flow)

    def close(self, now: float) -> None:
        """The router stops: delete every SA here and at the peers."""
        self._core.now = now
        self._configuration.close()

    def clear(
        self,
        target: ClearTarget,
        now: float,
        *,
        conn_id: int | None = None,
        peer: Address | None = None,
        owner: str | None = None,
        version: int | None = None,
    ) -> int:
        """Delete phase 1 SAs, child SAs, or both; configured tunnels come up anew, sessions of unknown peers end where
        the whole session is cleared. `version` narrows it to peers of one version of IKE. Returns how many were
        deleted.
        """
        core = self._core
        core.now = now
        count = 0
        tunnels = self._configuration.tunnels_of(owner) if owner is not None else list(core.tunnels.values())
        if peer is not None:
            tunnels = [tunnel for tunnel in core.by_remote.get(peer, ()) if owner is None or tunnel in tunnels]
        for tunnel in [tunnel for tunnel in tunnels if version in (None, tunnel.version)]:
            flows = [flow for flow in tunnel.flows.values() if owner in (None, flow.owner.name)]
            if tunnel.session is not None and target is ClearTarget.SESSION and conn_id is None:
                count += len(tunnel.ike_sas) + len(tunnel.children)
                self._tunnels.sessions.end(tunnel, f"clear crypto {target.value}")
                continue
            if target is not ClearTarget.ISAKMP:
                for child in [child for flow in flows for child in flow.children]:
                    self._tunnels.children.delete_pair(child, f"clear crypto {target.value}")
                    count += 1
            if target is not ClearTarget.SA:
                for sa in list(tunnel.ike_sas):
                    if conn_id is None or sa.conn_id == conn_id:
                        self._tunnels.delete(sa)
                        count += 1
            self._configuration.start_over(tunnel)
        return count

    def replace(self, owner: str, now: float) -> tuple[int, ...]:
        """Begin a new IKE SA, with its pairs, beside each IKEv2 SA that the owner's packets go by; their `conn_id`s,
        for the caller to `clear`. What carries nothing, or is the peer's to begin, is cleared at once.
        """
        self._core.now = now
        return self._configuration.replace(owner)

    # -- in ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, now: float) -> None:
        """Run what is due."""
        self._core.now = now
        self._core.timers.run(now)

    def complete(self, effect_id: int, result: str | Usage | None, now: float) -> None:
        """The answer to an `InstallSa` (None, or the error) or a `QueryUsage`."""
        self._core.now = now
        completion = self._core.completions.pop(effect_id, None)
        if completion is not None:
            completion(result)

    def handle_datagram(self, data: bytes, path: Path, now: float) -> None:
        """One message of IKE, without a non-ESP marker. Whatever is wrong with it is counted, never raised."""
        core = self._core
        core.now = now
        core.counters["messages_received"] += 1
        self._tunnels.version_of(data).handle_datagram(data, path)

    # -- plane events ------------------------------------------------------------------------------------------------

    def expire(self, owner: str, spi: int, direction: Direction, hard: bool, now: float) -> None:
        """A lifetime in kilobytes has passed its soft or hard limit."""
        core = self._core
        core.now = now
        child = core.inbound.get(spi) if direction is Direction.IN else core.outbound.get((owner, spi))
        if child is not None and child.flow.owner.name == owner:
            (self._tunnels.children.hard_expired if hard else self._tunnels.children.soft_expired)(child)

    def sequence_wrap(self, owner: str, spi: int, now: float) -> None:
        """The outbound SA will soon run out of sequence numbers: replace it as at its soft limit."""
        self.expire(owner, spi, Direction.OUT, False, now)

    def unknown_spi(self, path: Path, spi: int, now: float) -> None:
        """ESP came for an SA that is not here: tell the peer under protection, or where there is none and
        `invalid_spi_recovery` is on, begin phase 1 with it.
        """
        core = self._core
        core.now = now
        core.counters["unknown_spi"] += 1
        tunnel = core.ends.get((path.local, path.remote)) or self._tunnels.sessions.at(path)
        if tunnel is None:
            return
        # Nobody vouches for the packet: where the peer is known to be without a NAT, it cannot come from elsewhere.
        behind_nat = tunnel.session is None and tunnel.peer_behind_nat is not False
        if path.local_port == NAT_TRAVERSAL_PORT and behind_nat:
            tunnel.heard = (path, now)
        if not core.error_replies.allow((path.remote, "spi"), now):
            return
        sa = best_ike_sa(tunnel.established())
        if sa is not None:
            self._tunnels.of(tunnel).unknown_spi(sa, spi)
        elif core.settings.invalid_spi_recovery and tunnel.able and tunnel.session is None:
            core.timers.cancel(("retry", tunnel))
            self._configuration.evaluate(tunnel)

    def peer_moved(self, owner: str, path: Path, now: float, *, spi: int | None = None) -> None:
        """Authenticated ESP came from another address or port than the SA's; followed only where a NAT was found.

        `spi` is the inbound SA's. Without it the owner must have one peer.
        """
        core = self._core
        core.now = now
        child = core.inbound.get(spi) if spi is not None else None
        tunnels = [child.tunnel] if child is not None else self._configuration.tunnels_of(owner)
        if len(tunnels) == 1:
            self._tunnels.peer_moved(tunnels[0], path)
        else:
            core.counters["peer_moved_ambiguous"] += 1
