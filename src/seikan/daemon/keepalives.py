"""GRE keepalives (`keepalive [PERIOD [RETRIES]]`): a tunnel whose own packets do not come back is down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seikan.config.model import TunnelKeepalive
from seikan.plane.base import Plane, PlaneError

if TYPE_CHECKING:
    from seikan.daemon.tunnels import TunnelState


@dataclass(slots=True)
class _Asking:
    """What was sent since the last that came back, and when the next is due (seconds of the router's clock)."""

    period: int
    due: float
    unanswered: int = 0


class GreKeepalives:
    """`changed(state)` is called when a tunnel has become silent, or is no longer."""

    def __init__(
        self,
        plane: Plane | None,
        now: Callable[[], float],
        at: Callable[[float, Callable[[], None]], None],
        changed: Callable[[TunnelState], None],
    ) -> None:
        self._plane = plane
        self._now = now
        self._at = at
        self._changed = changed
        self._asking: dict[str, tuple[TunnelState, _Asking]] = {}

    def obstacle(self, state: TunnelState) -> str | None:
        """Why a tunnel that could carry packets is down all the same. Begins to ask where that is configured."""
        keepalive = _configured(state)
        if keepalive is None:
            self.forget(state)
            return None
        held = self._asking.get(state.name)
        if held is None or held[0] is not state or held[1].period != keepalive.period:
            asking = _Asking(keepalive.period, self._now() + keepalive.period)
            self._asking[state.name] = (state, asking)
            self._at(asking.due, lambda: self._ask(state, asking))
            return None
        if held[1].unanswered < keepalive.retries:
            return None
        return (
            f"the last {keepalive.retries} GRE keepalives did not come back: the peer is down, or does not return them"
        )

    def forget(self, state: TunnelState) -> None:
        """The tunnel cannot carry packets, or need not prove it."""
        held = self._asking.get(state.name)
        if held is not None and held[0] is state:
            del self._asking[state.name]

    def answered(self, device: str) -> None:
        """One has come back."""
        for state, asking in list(self._asking.values()):
            if state.device == device:
                silent, asking.unanswered = asking.unanswered, 0
                keepalive = _configured(state)
                if keepalive is not None and silent >= keepalive.retries:
                    self._changed(state)

    def _ask(self, state: TunnelState, asking: _Asking) -> None:
        keepalive = _configured(state)
        held = self._asking.get(state.name)
        if held is None or held[1] is not asking or keepalive is None:
            return
        asking.due += keepalive.period
        self._at(asking.due, lambda: self._ask(state, asking))
        if asking.unanswered == keepalive.retries:
            self._changed(state)
        asking.unanswered += 1
        try:
            if self._plane is not None:
                self._plane.send_keepalive(state.device)
        except PlaneError as error:
            state.refusal = str(error)


def _configured(state: TunnelState) -> TunnelKeepalive | None:
    tunnel = state.interface.tunnel
    return None if tunnel is None or tunnel.mode.ipsec else tunnel.keepalive
