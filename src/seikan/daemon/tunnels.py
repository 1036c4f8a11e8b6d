"""The tunnels as they run: one state each, from which alone the carrier (the line protocol) follows.

A tunnel's state outlives its SAs: those come and go below it. Every change, of configuration,
addresses, routes or SAs, ends in `refresh`, which works out anew why a tunnel cannot carry a
packet; the carrier is up exactly where there is no such reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address

from seikan.config.model import Config, Interface, Tunnel
from seikan.config.validate import tunnel_problems
from seikan.daemon import settings
from seikan.daemon.view import View
from seikan.ike.settings import TunnelSettings
from seikan.plane.base import Plane, PlaneError, TunnelCounters, TunnelMode, TunnelParameters
from seikan.system.netlink import RouteLookup

Address = IPv4Address | IPv6Address

NONE_YET = IPv4Address(0)  # an end that is not configured or not known
RECURSION_HOLD = 10.0  # seconds that a recursive tunnel stays down the first time; doubles up to the limit
RECURSION_HOLD_LIMIT = 60.0
RECURSION_FORGET = 120.0  # seconds of peace after a hold, after which a recursion counts as the first again
PATH_MTU_AGE = 600.0  # seconds after which a learnt path MTU is tried anew (IOS; RFC 1191 section 6.3)
NEGOTIATING = "negotiating"
NO_POLICY = "no crypto isakmp policy has pre-shared keys, a cipher and a group that may be negotiated"
TELL_AFTER = 2.0  # seconds
MINIMUM_MTU = 68  # RFC 791
NOTHING_COUNTED = TunnelCounters(0, 0, 0, 0, {})


@dataclass(slots=True)
class TunnelState:
    """One tunnel interface as it runs; `reason` is why its line protocol is down, None while it is up."""

    interface: Interface
    device: str
    parameters: TunnelParameters
    local: Address | None = None
    remote: Address | None = None
    link_mtu: int = settings.DEFAULT_LINK_MTU
    path_mtu: int | None = None  # learnt from ICMP
    path_mtu_until: float = 0.0
    made: bool = False  # the plane has the device
    refusal: str | None = None  # what the plane said when it did not do what was asked
    route_device: str | None = None  # Linux name of the way to the destination
    udp: bool = False  # a NAT is in the way
    sa_up: bool = False
    sa_reason: str | None = None
    reason: str | None = "not yet configured"
    tell: bool = True  # whether the reason is news to whoever reads the log
    told: str | None = None
    carrier: bool = False
    counted_from: TunnelCounters = NOTHING_COUNTED  # the device's counters when its mode was set, or cleared
    transitions: int = 0
    held_until: float = 0.0
    recursive: bool = False  # the route to the destination goes through the tunnel itself
    recursions: int = 0

    @property
    def outer_mtu(self) -> int:
        return min(self.link_mtu, self.path_mtu or self.link_mtu)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the tunnels ask of the running system, and whom they tell.

    `start` and `stop` are the engine's `initiate` and `suspend`; `at` calls back at a time of `now`'s clock.
    """

    now: Callable[[], float]
    at: Callable[[float, Callable[[], None]], None]
    linux_name: Callable[[str], str]
    log: Callable[[str, int, str, str], object]
    start: Callable[[str], None]
    stop: Callable[[str, str], None]
    plane_problem: Callable[[], str | None]
    crypto_problem: Callable[[], str | None]


class Tunnels:
    """All tunnel interfaces of the router."""

    def __init__(self, plane: Plane | None, around: Surroundings) -> None:
        self._plane = plane
        self._around = around
        self._config = Config()
        self._view = View()
        self._states: dict[str, TunnelState] = {}

    @property
    def states(self) -> Mapping[str, TunnelState]:
        return self._states

    def device_of(self, name: str) -> str:
        """The Linux name of a tunnel: its own, or a short one where that is too long for Linux (15 characters)."""
        return name if len(name) <= 15 else "Tu" + name.removeprefix("Tunnel")

    # configuration

    def configure(self, config: Config) -> None:
        """Take the configuration; `add` and `remove` make and remove the devices, `refresh` does the rest."""
        self._config = config
        for state in self._states.values():
            state.interface = config.interfaces.get(state.interface.name, state.interface)

    def add(self, name: str, interface: Interface, *, tolerant: bool = False) -> None:
        """Create a tunnel's device, or take its new configuration.

        Raises `PlaneError` where the device cannot be made; `tolerant` keeps the tunnel then, for `retry`.
        """
        state = self._states.get(name)
        if state is not None:
            state.interface = interface
            return
        assert interface.tunnel is not None
        device = self.device_of(name)
        state = TunnelState(interface, device, _idle(device, settings.DEFAULT_LINK_MTU))
        try:
            self._make(state)
        except PlaneError as error:
            if not tolerant:
                raise
            state.refusal = str(error)
        self._states[name] = state
        self._log_line_protocol(name, False)

    def remove(self, name: str) -> None:
        """Remove a tunnel, its device and its SAs. Raises `PlaneError`."""
        state = self._states.get(name)
        if state is None:
            return
        del self._states[name]  # first: the engine's goodbye is no reason to start anew
        self._around.stop(name, "the tunnel is removed")
        try:
            if self._plane is not None and state.made:
                self._plane.remove_tunnel(state.device)
        except PlaneError:
            self._states[name] = state
            raise

    def _make(self, state: TunnelState) -> None:
        if self._plane is not None and not state.made:
            self._plane.create_tunnel(state.parameters)
            state.made = True
            state.refusal = None

    def retry(self) -> bool:
        """Try again to make the devices that could not be made; True where one was."""
        made = False
        for state in self._states.values():
            if self._plane is not None and not state.made:
                try:
                    self._make(state)
                except PlaneError as error:
                    state.refusal = str(error)
                else:
                    made = True
        return made

    def refusals(self) -> dict[str, str]:
        """What the plane did not do, by tunnel."""
        return {name: state.refusal for name, state in self._states.items() if state.refusal is not None}

    def settings(self) -> tuple[TunnelSettings, ...]:
        """What the engine shall negotiate: every protected tunnel whose two ends are known."""
        found = []
        for state in self._states.values():
            if state.local is None or state.remote is None or not self._wants_engine(state):
                continue
            wanted = settings.tunnel_settings(self._config, state.interface, state.local, state.remote)
            if wanted is not None:
                found.append(wanted)
        return tuple(found)

    def _wants_engine(self, state: TunnelState) -> bool:
        tunnel = state.interface.tunnel
        return (
            tunnel is not None
            and tunnel.mode.ipsec
            and not state.interface.shutdown
            and not tunnel_problems(self._config, state.interface.name)
        )

    # the world changed

    def destinations(self) -> set[Address]:
        """Where the tunnels lead: a view has the routes to these."""
        tunnels = [state.interface.tunnel for state in self._states.values()]
        return {tunnel.destination for tunnel in tunnels if tunnel is not None and tunnel.destination is not None}

    def resolve(self, view: View) -> None:
        """Take a new view and find both ends of every tunnel in it."""
        self._view = view
        for state in self._states.values():
            tunnel = state.interface.tunnel
            assert tunnel is not None
            local = self._source_address(tunnel)
            if (local, tunnel.destination) != (state.local, state.remote):
                state.local, state.remote = local, tunnel.destination
                state.path_mtu = None

    def _source_address(self, tunnel: Tunnel) -> Address | None:
        if not isinstance(tunnel.source, str):
            return tunnel.source
        device = self._around.linux_name(tunnel.source)
        if tunnel.destination is not None and tunnel.destination.version == 6:
            return self._view.primary_ipv6(device)
        configured = self._config.interfaces.get(tunnel.source)
        wanted = configured.address if configured is not None else None
        if wanted is not None and any(entry.address == wanted for entry in self._view.addresses.get(device, ())):
            return wanted.ip  # the kernel's own order may put a secondary first
        primary = self._view.primary(device)
        return primary.ip if primary is not None else None

    def sa_changed(self, name: str, up: bool, reason: str | None) -> None:
        """The engine has a usable pair of SAs for the tunnel, or has lost its last one."""
        state = self._states.get(name)
        if state is None:
            return
        state.sa_up = up
        state.sa_reason = None if up else reason
        self._refresh_one(state)

    def set_udp(self, name: str, udp: bool) -> None:
        """A NAT was found (or went): the encapsulation's size changes with it."""
        state = self._states.get(name)
        if state is not None and state.udp != udp:
            state.udp = udp
            self._guarded(state, self._update_device)

    def path_mtu(self, name: str, mtu: int) -> None:
        """ICMP told of a narrower path (RFC 1191, RFC 4301 section 8.2)."""
        state = self._states.get(name)
        if state is None or mtu >= state.outer_mtu:
            return
        state.path_mtu = max(mtu, MINIMUM_MTU)
        state.path_mtu_until = self._around.now() + PATH_MTU_AGE
        self._around.at(state.path_mtu_until, self._age_path_mtu)
        self._around.log("TUN", 5, "PATHMTU", f"{name}: the path to {state.remote} carries {mtu} octets only")
        self._guarded(state, self._update_device)

    def _age_path_mtu(self) -> None:
        for state in self._states.values():
            if state.path_mtu is not None and self._around.now() >= state.path_mtu_until:
                state.path_mtu = None
                self._guarded(state, self._update_device)

    def refresh(self) -> None:
        """Work out every tunnel's state anew."""
        for state in list(self._states.values()):
            self._refresh_one(state)

    def _refresh_one(self, state: TunnelState) -> None:
        self._guarded(state, self._work_out)
        if state.reason is None:
            state.told = None
        elif state.tell and state.reason != state.told:
            state.told = state.reason
            self._around.at(self._around.now() + TELL_AFTER, partial(self._tell, state, state.reason))

    def _tell(self, state: TunnelState, reason: str) -> None:
        """Log why a tunnel is down, where it still is: what passes by itself in a moment is no news."""
        if state.reason == reason and self._states.get(state.interface.name) is state:
            text = f"{state.interface.name} cannot carry packets: {reason}"
            self._around.log("TUN", 4, "OBSTACLE", text)

    def _guarded(self, state: TunnelState, action: Callable[[TunnelState], None]) -> None:
        """What the plane refuses takes this tunnel down, with its words as the reason, and no other."""
        if state.made:
            state.refusal = None
        try:
            action(state)
        except PlaneError as error:
            state.refusal = state.reason = str(error)
            state.tell = True
            self._around.stop(state.interface.name, state.reason)
            if state.carrier:
                state.carrier = False
                state.transitions += 1
                self._log_line_protocol(state.interface.name, False)

    def _work_out(self, state: TunnelState) -> None:
        state.tell = True
        obstacle = self._obstacle(state)
        tunnel = state.interface.tunnel
        assert tunnel is not None
        name = state.interface.name
        if obstacle is None:
            self._update_device(state)
        else:
            # before the engine says goodbye: what it sends must not go into the tunnel
            self._set_carrier(state, False)
            if not tunnel.mode.ipsec:
                self._change_device(state, _idle(state.device, state.parameters.mtu))
        if tunnel.mode.ipsec:
            if obstacle is None:
                if not state.sa_up:
                    obstacle = self._negotiate(state)
            elif not state.recursive:  # else the peer could not be told now
                self._around.stop(name, obstacle)
        state.reason = obstacle
        self._set_carrier(state, obstacle is None)

    def _negotiate(self, state: TunnelState) -> str:
        """Have the engine make SAs; why there are none yet.

        Without a policy nothing new is negotiated, but what was negotiated before carries packets for its lifetime.
        """
        if not settings.usable_policies(self._config):
            return NO_POLICY
        self._around.start(state.interface.name)
        state.tell = False  # the engine and the sockets log themselves
        return self._around.crypto_problem() or state.sa_reason or NEGOTIATING

    def _obstacle(self, state: TunnelState) -> str | None:
        """Why the tunnel cannot even try; one line."""
        interface = state.interface
        tunnel = interface.tunnel
        assert tunnel is not None
        state.recursive = False
        plane_problem = self._around.plane_problem()
        if plane_problem is not None:
            return plane_problem
        if not state.made:
            return state.refusal
        for missing, text in (
            (interface.shutdown, "administratively down"),
            (tunnel.source is None, "no tunnel source is configured"),
            (tunnel.destination is None, "no tunnel destination is configured"),
        ):
            if missing:
                state.tell = False  # somebody is just typing it
                return text
        if state.local is None or state.remote is None:
            return f"the tunnel source {tunnel.source} has no address"
        if state.local.version != state.remote.version:
            return f"the tunnel source {state.local} and destination {state.remote} are of different IP versions"
        if not isinstance(tunnel.source, str):
            if not self._view.has(state.local):
                return f"source {state.local} is no address of this router"
        else:
            link = self._view.links.get(self._around.linux_name(tunnel.source))
            if link is None or not link.up:
                return f"the tunnel source {tunnel.source} is down"
        # asked of GRE too: a line that was not understood may have been its protection
        problems = tunnel_problems(self._config, interface.name)
        if problems:
            return problems[0]
        own = self._view.links.get(state.device)
        if own is not None and not own.admin_up:
            return f"the device {state.device} was set down: ip link set {state.device} up"
        return self._route_obstacle(state, state.remote)

    def _route_obstacle(self, state: TunnelState, remote: Address) -> str | None:
        route = self._view.routes.get(remote)
        now = self._around.now()
        if route is None:
            state.route_device = None
            return f"no route to the tunnel destination {remote}"
        state.recursive = self._leads_back(state, route)
        if state.recursive:
            state.tell = False
            if now >= state.held_until:
                self._hold(state, now)
            return f"recursive routing: the route to the tunnel destination {remote} goes through the tunnel"
        if now < state.held_until:
            state.tell = False
            return "temporarily disabled due to recursive routing"
        state.route_device = route.interface
        state.link_mtu = route.mtu or settings.DEFAULT_LINK_MTU
        return None

    def _leads_back(self, state: TunnelState, route: RouteLookup | None) -> bool:
        """Whether the way leads back into this tunnel, itself or by way of other tunnels."""
        by_device = {other.device: other for other in self._states.values()}
        seen: set[str] = set()
        while route is not None and route.interface not in seen:
            if route.interface == state.device:
                return True
            seen.add(route.interface)
            other = by_device.get(route.interface)
            if other is None or other.remote is None:
                return False
            route = self._view.routes.get(other.remote)
        return False

    def _hold(self, state: TunnelState, now: float) -> None:
        """Take the tunnel down for a while, so that routing withdraws what it taught, then try again."""
        if now - state.held_until > RECURSION_FORGET:
            state.recursions = 0
        hold = min(RECURSION_HOLD * 2**state.recursions, RECURSION_HOLD_LIMIT)
        state.recursions += 1
        state.held_until = now + hold
        self._around.log("TUN", 5, "RECURDOWN", f"{state.interface.name} temporarily disabled due to recursive routing")
        self._around.at(state.held_until, self.refresh)

    # to the device

    def _update_device(self, state: TunnelState) -> None:
        interface = state.interface
        tunnel = interface.tunnel
        assert tunnel is not None
        if state.local is None or state.remote is None:
            return
        fits = settings.transport_mtu(
            self._config, tunnel, state.outer_mtu, outer_ipv6=state.remote.version == 6, udp=state.udp
        )
        parameters = TunnelParameters(
            device=state.device,
            mode=settings.plane_mode(tunnel.mode),
            source=state.local,
            destination=state.remote,
            mtu=max(MINIMUM_MTU, interface.ip_mtu or interface.mtu or fits),
            key=tunnel.key,
            ttl=tunnel.ttl or 255,
            df=settings.df_bit(self._config),
        )
        self._change_device(state, parameters)

    def _change_device(self, state: TunnelState, parameters: TunnelParameters) -> None:
        if parameters == state.parameters:
            return
        if self._plane is not None and state.made:
            if parameters.mode is not state.parameters.mode:
                # what crosses the device changes its meaning: nobody may see one carrier over both
                self._set_carrier(state, False)
                state.counted_from = self._plane.tunnel_counters(state.device)
            self._plane.update_tunnel(parameters)
        if state.carrier and parameters.mtu != state.parameters.mtu:
            text = (
                f"{state.interface.name}: the IP MTU is now {parameters.mtu} octets, not {state.parameters.mtu}; "
                "OSPF forms its adjacencies anew, and the other end must have the same"
            )
            self._around.log("TUN", 5, "MTU", text)
        state.parameters = parameters

    def _set_carrier(self, state: TunnelState, up: bool) -> None:
        """The line protocol is what the device's carrier was set to. Raises `PlaneError`, and then it is down."""
        if state.carrier == up:
            return
        if self._plane is not None and state.made:
            self._plane.set_carrier(state.device, up)
        state.carrier = up
        state.transitions += 1
        self._log_line_protocol(state.interface.name, up)

    def _log_line_protocol(self, name: str, up: bool) -> None:
        word = "up" if up else "down"
        self._around.log("LINEPROTO", 5, "UPDOWN", f"Line protocol on Interface {name}, changed state to {word}")


def _idle(device: str, mtu: int) -> TunnelParameters:
    """A device that carries nothing: without SAs, and of no two ends that another GRE tunnel could have too."""
    return TunnelParameters(device, TunnelMode.IPSEC, NONE_YET, NONE_YET, mtu)
