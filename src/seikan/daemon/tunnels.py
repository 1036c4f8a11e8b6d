"""The tunnels as they run: one state each, from which alone the carrier (the line protocol) follows.

A tunnel's state outlives its SAs: those come and go below it. Every change, of configuration,
addresses, routes or SAs, ends in `refresh`, which works out anew why a tunnel cannot carry a
packet; the carrier is up exactly where there is no such reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from seikan.config.access import crypto_lines
from seikan.config.model import Config, Interface, Tunnel
from seikan.config.names import is_access, is_tunnel
from seikan.config.validate import meets_neighbors
from seikan.daemon import settings
from seikan.daemon.keepalives import GreKeepalives
from seikan.daemon.settings import Protected
from seikan.daemon.verdicts import Verdicts
from seikan.daemon.view import View
from seikan.ike.settings import FlowSettings
from seikan.plane.base import Plane, PlaneError, Policy, TunnelCounters, TunnelMode, TunnelParameters
from seikan.system.netlink import RouteLookup
from seikan.wire.selector import Selector

Address = IPv4Address | IPv6Address

NONE_YET = IPv4Address(0)  # an end that is not configured or not known
RECURSION_HOLD = 10.0  # seconds that a recursive tunnel stays down the first time; doubles up to the limit
RECURSION_HOLD_LIMIT = 60.0
RECURSION_FORGET = 120.0  # seconds of peace after a hold, after which a recursion counts as the first again
EXCHANGE_HOLD = 60.0  # seconds for which a tunnel stays up whose pairs an edit takes away, until others are there
PATH_MTU_AGE = 600.0  # seconds after which a learnt path MTU is tried anew (IOS; RFC 1191 section 6.3)
NEGOTIATING = "negotiating"
TELL_AFTER = 2.0  # seconds
MINIMUM_MTU = 68  # RFC 791
NOTHING_COUNTED = TunnelCounters(0, 0, 0, 0, {})
GRE_PROTOCOL = 47


@dataclass(slots=True)
class SaState:
    """What the engine told of an owner's SAs; all tunnels of the owner see the same."""

    up: bool = False
    reason: str | None = None  # why they went
    udp: bool = False  # a NAT is in the way
    transport: bool = True  # what was agreed last, where a transform set asks for transport mode


@dataclass(slots=True)
class TunnelState:
    """One tunnel interface as it runs; `reason` is why its line protocol is down, None while it is up.

    Until `keep_until` it stays up without SAs and drops what is sent: an edit has changed what they are for, and routes
    that went with it would let the traffic leave in clear by others.
    """

    interface: Interface
    device: str
    parameters: TunnelParameters
    follows: tuple[object, ...] | None = None  # what the parameters were worked out from, where that has not changed
    local: Address | None = None
    remote: Address | None = None
    link_mtu: int = settings.DEFAULT_LINK_MTU
    path_mtu: int | None = None  # learnt from ICMP
    path_mtu_until: float = 0.0
    made: bool = False  # the plane has the device
    refusal: str | None = None  # what the plane said when it did not do what was asked
    route_device: str | None = None  # Linux name of the way to the destination
    sas: SaState = field(default_factory=lambda: SaState())
    reason: str | None = "not yet configured"
    tell: bool = True  # whether the reason is news to whoever reads the log
    told: str | None = None
    carrier: bool = False
    counted_from: TunnelCounters = NOTHING_COUNTED  # the device's counters when its mode was set, or cleared
    transitions: int = 0
    held_until: float = 0.0
    keep_until: float = 0.0
    recursive: bool = False  # the route to the destination goes through the tunnel itself
    recursions: int = 0
    ready: bool = False  # a spoke's: its addresses, filters and routing are there
    waits_for: str | None = None  # why they are not

    @property
    def name(self) -> str:
        return self.interface.name

    @property
    def tunnel(self) -> Tunnel:
        assert self.interface.tunnel is not None
        return self.interface.tunnel

    @property
    def outer_mtu(self) -> int:
        return min(self.link_mtu, self.path_mtu or self.link_mtu)

    @property
    def protected(self) -> bool:
        """Whether packets leave only inside SAs."""
        return self.tunnel.mode.ipsec or self.tunnel.protection is not None

    @property
    def owner(self) -> str:
        """Whose SAs this tunnel uses: its own, or those of all tunnels of one profile between the same two ends."""
        if self.tunnel.shared and not self.tunnel.mode.ipsec:
            return f"GRE with profile {self.tunnel.protection}, {self.local} to {self.remote}"
        return self.name


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
    name_problem: Callable[[str], str | None]


class Tunnels:
    """All tunnel interfaces of the router."""

    def __init__(self, plane: Plane | None, around: Surroundings) -> None:
        self._plane = plane
        self._around = around
        self._config = Config()
        self._verdicts = Verdicts(self._config)
        self._view = View()
        self._states: dict[str, TunnelState] = {}
        self._by_device: dict[str, TunnelState] = {}
        self._sas: dict[str, SaState] = {}
        self.keepalives = GreKeepalives(plane, around.now, around.at, self._refresh_one)

    @property
    def states(self) -> Mapping[str, TunnelState]:
        return self._states

    def device_of(self, name: str) -> str:
        """The Linux name of a tunnel: its own, or a short one where that is too long for Linux (15 characters)."""
        if is_access(name):
            return "Vi" + name.removeprefix("Virtual-Access")
        return name if len(name) <= 15 else "Tu" + name.removeprefix("Tunnel")

    def bundle_of(self, owner: str) -> str:
        """What the plane calls an owner of SAs."""
        return self.device_of(owner) if is_tunnel(owner) else owner

    def owned(self, owner: str) -> list[TunnelState]:
        """The tunnels that an owner's SAs carry."""
        state = self._states.get(owner)
        if state is not None:
            return [state] if state.owner == owner else []
        return [state for state in self._states.values() if state.owner == owner]

    # configuration

    def configure(self, config: Config) -> None:
        """Take the configuration; `add` and `remove` make and remove the devices, `refresh` does the rest."""
        if config is not self._config:
            self._config, self._verdicts = config, Verdicts(config)
        for state in self._states.values():
            state.interface = config.interfaces.get(state.interface.name, state.interface)

    def add(self, name: str, interface: Interface, *, tolerant: bool = False) -> None:
        """Create a tunnel's device, or take its new configuration. That of a spoke is to be made ready first.

        Raises `PlaneError` where the device cannot be made; `tolerant` keeps the tunnel then, for `retry`.
        """
        state = self._states.get(name)
        if state is not None:
            if is_access(name) and state.interface != interface:
                state.ready = False
            state.interface = interface
            return
        assert interface.tunnel is not None
        device = self.device_of(name)
        parameters = _idle(device, settings.DEFAULT_LINK_MTU)
        if is_access(name):
            anywhere = _anywhere(interface.tunnel.destination)
            parameters = replace(parameters, source=anywhere, destination=anywhere)
        state = TunnelState(interface, device, parameters)
        try:
            self._make(state)
        except PlaneError as error:
            if not tolerant:
                raise
            state.refusal = str(error)
        state.sas = self._sas_of(state.owner)
        self._states[name] = self._by_device[state.device] = state
        self._log_line_protocol(name, False)

    def remove(self, name: str) -> None:
        """Remove a tunnel, its device and its SAs. Raises `PlaneError`."""
        state = self._states.get(name)
        if state is None:
            return
        del self._states[name], self._by_device[state.device]  # first: the engine's goodbye is no reason to start anew
        if not self.owned(state.owner):
            self._around.stop(state.owner, "the tunnel is removed")
        try:
            if self._plane is not None and state.made:
                self._plane.remove_tunnel(state.device)
        except PlaneError:
            self._states[name] = self._by_device[state.device] = state
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

    def protected(self) -> list[Protected]:
        """What the engine shall negotiate: every protected tunnel whose two ends are known.

        Virtual-Access interfaces are not among them: the engine made those.
        """
        found: dict[tuple[str, int], Protected] = {}
        for state in self._states.values():
            if state.local is None or state.remote is None or not self._wants_engine(state):
                continue
            profile = self._config.ipsec.profiles.get(state.tunnel.protection or "")
            offer = settings.profile_phase_two(self._config, state.tunnel.protection)
            if profile is None or offer is None:
                continue
            for policy in self._flows(state):
                flow = FlowSettings(
                    owner=state.owner,
                    number=policy.number,
                    selector=policy.selector,
                    phase_two=offer,
                    initiate=not profile.responder_only,
                    transport=not state.tunnel.mode.ipsec,
                    more=self._more(state, policy),
                )
                row = Protected(
                    state.local, state.remote, flow, profile.isakmp_profile, ikev2_profile=profile.ikev2_profile
                )
                found.setdefault((flow.owner, flow.number), row)
        return list(found.values())

    def _flows(self, state: TunnelState) -> tuple[Policy, ...]:
        """What has SAs of its own: everything, GRE between the ends, or each line of an access list."""
        policies = self._policies(state)
        if policies:
            return policies
        assert state.local is not None
        assert state.remote is not None
        if not state.tunnel.mode.ipsec:
            return (Policy(0, Selector(_host(state.local), _host(state.remote), GRE_PROTOCOL)),)
        return (Policy(0, settings.overlays(self._config, state.tunnel)[0]),)

    def _more(self, state: TunnelState, policy: Policy) -> tuple[Selector, ...]:
        """What the SAs for everything carry beside their first selector."""
        return settings.overlays(self._config, state.tunnel)[1:] if policy.selector.any else ()

    def _policies(self, state: TunnelState) -> tuple[Policy, ...]:
        """`tunnel protection ipsec policy ipv4 ACL`: a policy for each line that permits."""
        access_list = self._config.access_lists.get(state.tunnel.protection_policy or "")
        if access_list is None or not state.tunnel.mode.ipsec:
            return ()
        return tuple(Policy(line.sequence, line.selector) for line in crypto_lines(access_list) if line.selector)

    def _wants_engine(self, state: TunnelState) -> bool:
        return (
            state.protected
            and not is_access(state.name)
            and not state.interface.shutdown
            and not self._verdicts.problems(state.name)
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
            state.sas = self._sas_of(state.owner)
        owners = {state.owner for state in self._states.values()}
        for owner in self._sas.keys() - owners:
            del self._sas[owner]

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

    def sa_changed(self, owner: str, up: bool, reason: str | None) -> None:
        """The engine has a usable pair of SAs for an owner, or has lost its last one."""
        sas = self._sas_of(owner)
        sas.up, sas.reason = up, None if up else reason
        for state in self.owned(owner):
            if up:
                state.keep_until = 0.0
            self._refresh_one(state)

    def agreed(self, owner: str, udp: bool, transport: bool) -> None:
        """How the owner's SAs are put around a packet: a NAT was found (or went), or the mode was agreed on."""
        sas = self._sas_of(owner)
        if (sas.udp, sas.transport) != (udp, transport):
            sas.udp, sas.transport = udp, transport
            for state in self.owned(owner):
                self._guarded(state, self._update_device)

    def _sas_of(self, owner: str) -> SaState:
        return self._sas.setdefault(owner, SaState())

    def path_mtu(self, owner: str, mtu: int) -> None:
        """ICMP told of a narrower path (RFC 1191, RFC 4301 section 8.2)."""
        for state in self.owned(owner):
            if mtu >= state.outer_mtu:
                continue
            state.path_mtu = max(mtu, MINIMUM_MTU)
            state.path_mtu_until = self._around.now() + PATH_MTU_AGE
            self._around.at(state.path_mtu_until, self._age_path_mtu)
            self._around.log("TUN", 5, "PATHMTU", f"{state.name}: the path to {state.remote} carries {mtu} octets only")
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
            self._stop(state, state.reason)
            if state.carrier:
                state.carrier = False
                state.transitions += 1
                self._log_line_protocol(state.interface.name, False)

    def _work_out(self, state: TunnelState) -> None:
        state.tell = True
        if is_access(state.name) and not (state.ready and state.remote in self._view.routes):
            # It was made, or has moved, since the last look: what carries packets goes on doing so.
            state.tell = False
            state.reason = state.waits_for or NEGOTIATING
            if not state.sas.up:
                self._set_carrier(state, False)
            return
        obstacle = self._obstacle(state)
        if obstacle is None:
            self._update_device(state)
        else:
            # before the engine says goodbye: what it sends must not go into the tunnel
            self._set_carrier(state, False)
            if not state.protected:
                self._change_device(state, _idle(state.device, state.parameters.mtu))
        kept = False
        if state.protected:
            if obstacle is None:
                if not state.sas.up:
                    obstacle = self._negotiate(state)
                    kept = state.carrier and self._around.now() < state.keep_until
            elif not state.recursive:  # else the peer could not be told now
                self._stop(state, obstacle)
        if obstacle is None:
            obstacle = self.keepalives.obstacle(state)
        else:
            self.keepalives.forget(state)
        state.reason = obstacle
        self._set_carrier(state, kept or obstacle is None)

    def make_ready(self, config: Config, problem: str | None) -> None:
        """Everything that `config` says of the spokes' interfaces is done, and they may carry packets, unless there is
        a `problem`.
        """
        for state in self._states.values():
            if not state.ready and is_access(state.name) and state.interface == config.interfaces.get(state.name):
                own = self._view.links.get(state.device)
                state.ready = problem is None and own is not None and own.admin_up
                state.waits_for = problem

    def _stop(self, state: TunnelState, reason: str) -> None:
        """The tunnel can do without its SAs; those that others share stay while one of them can carry packets."""
        if all(other is state or other.reason not in (None, NEGOTIATING) for other in self.owned(state.owner)):
            self._around.stop(state.owner, reason)

    def _negotiate(self, state: TunnelState) -> str:
        """Have the engine make SAs; why there are none yet.

        Without a policy nothing new is negotiated, but what was negotiated before carries packets for its lifetime.
        """
        obstacle = self._verdicts.unnegotiable(state.tunnel.protection or "")
        if obstacle is not None:
            return obstacle
        self._around.start(state.owner)
        state.tell = False  # the engine and the sockets log themselves
        return self._around.crypto_problem() or state.sas.reason or NEGOTIATING

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
            (tunnel.destination is None and tunnel.destination_name is None, "no tunnel destination is configured"),
        ):
            if missing:
                state.tell = False  # somebody is just typing it
                return text
        if tunnel.destination is None and tunnel.destination_name is not None:
            why = self._around.name_problem(tunnel.destination_name)
            return f"the tunnel destination {tunnel.destination_name} has no address: {why or NEGOTIATING}"
        if state.local is None or state.remote is None:
            return f"the tunnel source {tunnel.source} has no address"
        if state.local.version != state.remote.version:
            return f"the tunnel source {state.local} and destination {state.remote} are of different IP versions"
        twin = self._twin(state)
        if twin is not None:
            return f"{twin} has the same GRE source, destination and key as {state.name}: give one a key (tunnel key N)"
        if not isinstance(tunnel.source, str):
            if not self._view.has(state.local):
                return f"source {state.local} is no address of this router"
        else:
            link = self._view.links.get(self._around.linux_name(tunnel.source))
            if link is None or not link.up:
                return f"the tunnel source {tunnel.source} is down"
        # asked of GRE too: a line that was not understood may have been its protection
        problems = self._verdicts.problems(interface.name)
        if problems:
            return problems[0]
        own = self._view.links.get(state.device)
        if own is not None and not own.admin_up:
            return f"the device {state.device} was set down: ip link set {state.device} up"
        return self._route_obstacle(state, state.remote)

    def _twin(self, state: TunnelState) -> str | None:
        """An earlier GRE tunnel that received packets could be meant for as well."""
        for other in self._states.values():
            if other is state or state.tunnel.mode.ipsec:
                break
            alike = (other.local, other.remote, other.tunnel.key) == (state.local, state.remote, state.tunnel.key)
            together = other.owner == state.owner if state.protected else not other.protected
            if alike and together and not other.tunnel.mode.ipsec and not other.interface.shutdown:
                return other.name
        return None

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
        seen: set[str] = set()
        while route is not None and route.interface not in seen:
            if route.interface == state.device:
                return True
            seen.add(route.interface)
            other = self._by_device.get(route.interface)
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
        interface, tunnel = state.interface, state.tunnel
        if state.local is None or state.remote is None:
            return
        sas, ends = state.sas, (state.local, state.remote)
        follows: tuple[object, ...] = (self._verdicts, interface, ends, state.outer_mtu, sas.udp, sas.transport)
        if follows == state.follows:
            return
        fits = settings.inner_mtu(
            self._config,
            tunnel,
            state.outer_mtu,
            outer_ipv6=state.remote.version == 6,
            udp=sas.udp,
            transport=sas.transport,
        )
        if is_access(state.name):  # its SAs, which are there first, know the ends; other ends would cost them
            ends = (_anywhere(state.remote), _anywhere(state.remote))
        elif tunnel.mode.ipsec and state.sas.up and state.remote == state.parameters.destination:
            # Pairs that came along to another address of this side (MOBIKE) know it themselves.
            ends = (state.parameters.source, state.remote)
        parameters = TunnelParameters(
            device=state.device,
            mode=settings.plane_mode(tunnel.mode),
            source=ends[0],
            destination=ends[1],
            mtu=max(MINIMUM_MTU, interface.ip_mtu or interface.mtu or fits),
            key=tunnel.key,
            ttl=tunnel.ttl or 255,
            df=settings.df_bit(self._config),
            bundle=self.bundle_of(state.owner) if state.protected and not tunnel.mode.ipsec else None,
            policies=self._policies(state),
        )
        self._change_device(state, parameters)
        state.follows = follows

    def _change_device(self, state: TunnelState, parameters: TunnelParameters) -> None:
        state.follows = None
        if parameters == state.parameters:
            return
        if self._plane is not None and state.made:
            if parameters.mode is not state.parameters.mode:
                # what crosses the device changes its meaning: nobody may see one carrier over both
                self._set_carrier(state, False)
                state.counted_from = self._plane.tunnel_counters(state.device)
            elif state.carrier and self._exchanged(state, parameters):
                state.keep_until = self._around.now() + EXCHANGE_HOLD
                self._around.at(state.keep_until, self.refresh)
            self._plane.update_tunnel(parameters)
        if state.carrier and parameters.mtu != state.parameters.mtu and meets_neighbors(self._config, state.interface):
            text = (
                f"{state.interface.name}: the IP MTU is now {parameters.mtu} octets, not {state.parameters.mtu}; "
                "OSPF forms its adjacencies anew, and the other end must have the same"
            )
            self._around.log("TUN", 5, "MTU", text)
        state.parameters = parameters

    @staticmethod
    def _exchanged(state: TunnelState, parameters: TunnelParameters) -> bool:
        """Whether no pair outlives the change of what pairs are for."""
        old, new = state.parameters.policies, parameters.policies
        return old != new and not (state.sas.up and set(old) & set(new))

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


def _host(address: Address) -> IPv4Network | IPv6Network:
    return ip_network(address)


def _anywhere(other: Address | None) -> Address:
    """The address that stands for all of the same IP version."""
    return IPv6Address(0) if isinstance(other, IPv6Address) else IPv4Address(0)


def _idle(device: str, mtu: int) -> TunnelParameters:
    """A device that carries nothing: without SAs, and of no two ends that another GRE tunnel could have too."""
    return TunnelParameters(device, TunnelMode.IPSEC, NONE_YET, NONE_YET, mtu)
