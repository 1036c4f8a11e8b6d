"""Crypto maps as they run: an interface's map is one plane device that nftables sends the matching packets to.

Each line that permits in an entry's access list is a flow with SAs of its own, negotiated when traffic asks for it.
An entry has one current peer of those it names; the others may begin themselves, and are tried in turn when it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address

from seikan.config import access, misread
from seikan.config.model import Config, CryptoMap, CryptoMapEntry, StaticRoute
from seikan.config.validate import map_problems
from seikan.daemon import settings
from seikan.daemon.map_state import (
    DynamicFlow,
    MapState,
    belongs,
    default_peer,
    lines,
    maps_on,
    parts,
    reverse,
    sequence_of,
)
from seikan.daemon.settings import Protected
from seikan.daemon.view import View
from seikan.ike.effects import AddFlow, FlowDown, FlowUp, PeerFailed, RemoveFlow
from seikan.ike.settings import DynamicEntrySettings, DynamicMapSettings, FlowSettings
from seikan.plane.base import Plane, PlaneError, Policy, TunnelMode, TunnelParameters
from seikan.system.errors import AdapterError
from seikan.system.netlink import Netlink
from seikan.system.policy_routing import MOST_MAPS

Address = IPv4Address | IPv6Address

NOWHERE = IPv4Address(0)


@dataclass(frozen=True, slots=True)
class Around:
    """What the maps ask of the running router, and whom they tell.

    `negotiate` has the engine told anew what to negotiate; `derive` has the derived configuration worked out anew.
    """

    linux_name: Callable[[str], str]
    log: Callable[[str, int, str, str], object]
    start: Callable[[str], None]
    stop: Callable[[str, str], None]
    negotiate: Callable[[], None]
    derive: Callable[[], None]


class CryptoMaps:
    """All crypto maps that are on interfaces."""

    def __init__(self, plane: Plane | None, netlink: Netlink, around: Around) -> None:
        self._plane = plane
        self._netlink = netlink
        self._around = around
        self._config = Config()
        self._view = View()
        self._states: dict[str, MapState] = {}

    @property
    def states(self) -> Mapping[str, MapState]:
        """By owner: the interface's IOS name, with the first entry's number behind it for further parts of its map."""
        return self._states

    def bundle_of(self, owner: str) -> str | None:
        """What the plane calls the SAs of an interface's map; None where it has none."""
        state = self._states.get(owner)
        return None if state is None else state.device

    # -- configuration -----------------------------------------------------------------------------------------------

    async def apply(self, config: Config, view: View) -> None:
        """Make, change and remove devices until they are as `config` wants them. Raises `AdapterError`, `PlaneError`.

        A device is made before anything is sent to it, and goes after that. What cannot be made keeps its place, so
        that its traffic is dropped, and so does what cannot be removed; the others are made all the same.
        """
        self._config, self._view = config, view
        wanted = self._wanted(config)
        problem: AdapterError | PlaneError | None = None
        for leaving in [state for owner, state in self._states.items() if owner not in wanted]:
            try:
                await self._remove(leaving)
            except (AdapterError, PlaneError) as error:
                leaving.refusal = str(error)
                problem = problem or error
        for owner, (names, crypto_map) in wanted.items():
            interfaces = {name: self._around.linux_name(name) for name in names}
            state = self._states.get(owner)
            if state is None:
                state = self._states[owner] = MapState(owner, interfaces, self._free_number(), crypto_map)
            state.interfaces, state.crypto_map = interfaces, crypto_map
            self._look(state)
            known = state.refusal
            try:
                await self._make(state)
            except (AdapterError, PlaneError) as error:
                state.refusal = str(error)
                if state.refusal != known:  # told once
                    problem = problem or error
        staying = [owner for owner in self._states if owner not in wanted]
        self._states = {owner: self._states[owner] for owner in (*wanted, *staying)}
        if problem is not None:
            raise problem

    def expect(self, config: Config, view: View) -> None:
        """Take `config` as though every device could be made: what would be negotiated then, asked without a kernel."""
        self._config, self._view = config, view
        self._states = {}
        for owner, (names, crypto_map) in self._wanted(config).items():
            interfaces = {name: self._around.linux_name(name) for name in names}
            state = MapState(owner, interfaces, self._free_number(), crypto_map)
            self._look(state)
            state.made = True
            self._states[owner] = state

    def _wanted(self, config: Config) -> dict[str, tuple[list[str], CryptoMap]]:
        """Every part of every map on interfaces, and what may have been one, with the interfaces, by owner."""
        found: dict[str, tuple[list[str], CryptoMap]] = {}
        shared: dict[str, list[str]] = {}
        for interface, crypto_map in maps_on(config):
            names = shared.get(crypto_map.name)
            if names is not None:
                names.append(interface.name)
                continue
            names = [interface.name]
            if crypto_map.local_address is not None:
                shared[crypto_map.name] = names
            for place, part in enumerate(parts(config, crypto_map)):
                owner = f"{interface.name} {next(iter(part.entries))}" if place else interface.name
                found[owner] = (names, part)
        return found

    def _free_number(self) -> int:
        """0 where there is none left."""
        taken = {state.number for state in self._states.values()}
        return next((number for number in range(1, MOST_MAPS + 1) if number not in taken), 0)

    def _look(self, state: MapState) -> None:
        config = self._config
        state.local = self._address(state.crypto_map.local_address or state.interface)
        links = [self._view.links[device] for device in state.interfaces.values() if device in self._view.links]
        state.link_mtu = min((link.mtu for link in links), default=settings.DEFAULT_LINK_MTU)
        state.problems = tuple(problem for name in state.interfaces for problem in map_problems(config, name))
        unknown = [line for name in state.interfaces for line in misread.about_map(config, config.interfaces[name])]
        state.guarded = any(misread.may_name_traffic(line) for line in unknown)

    def _address(self, interface: str) -> Address | None:
        configured = self._config.interfaces.get(interface)
        device = self._around.linux_name(interface)
        wanted = configured.address if configured is not None else None
        if wanted is not None and any(entry.address == wanted for entry in self._view.addresses.get(device, ())):
            return wanted.ip
        primary = self._view.primary(device)
        return primary.ip if primary is not None else self._view.primary_ipv6(device)

    async def _make(self, state: MapState) -> None:
        if not state.number:
            raise AdapterError(f"crypto maps can have {MOST_MAPS} parts on all interfaces: {state.owner} has none")
        if self._plane is None:
            return
        if state.made and await self._netlink.link(state.device) is None:
            self._unmake(state, f"its device {state.device} was deleted")
        parameters = self._parameters(state)
        if not state.made:
            self._plane.create_tunnel(parameters)
            state.made = True
            self._plane.set_carrier(state.device, True)
        elif parameters != state.parameters:
            self._plane.update_tunnel(parameters)
        state.parameters = parameters
        self._netlink.loosen_reverse_path(state.device)
        await self._netlink.set_up(state.device)
        await self._borrow(state)
        if not await self._netlink.set_crypto_route(state.routing, state.device):
            raise AdapterError(f"crypto map on {state.interface}: its device {state.device} is away")
        state.refusal = None

    def set_going(self) -> None:
        """Have the engine negotiate for what can be protected, once it knows of it, and for nothing else."""
        for state in self._states.values():
            if state.usable and state.local is not None:
                self._around.start(state.owner)
            else:
                reason = state.refusal or next(iter(state.problems), "the crypto map has no address")
                self._around.stop(state.owner, reason)

    def _unmake(self, state: MapState, reason: str) -> None:
        """Its SAs are gone with it: the peers are told, and traffic asks for new ones."""
        self._around.log("CRYPTO", 3, "MAP", f"crypto map on {state.interface}: {reason}")
        self._around.stop(state.owner, reason)
        if self._plane is not None:
            self._plane.remove_tunnel(state.device)
        state.made = False
        self._netlink.forget_device(state.device)

    async def _borrow(self, state: MapState) -> None:
        """The device has the map's own address: of one without any, Linux takes no packet whose way back is another."""
        wanted = IPv4Interface((state.local, 32)) if isinstance(state.local, IPv4Address) else None
        for address in self._netlink.addresses_set(state.device):
            if address != wanted:
                await self._netlink.remove_address(state.device, address)
        if wanted is not None:
            await self._netlink.add_address(state.device, wanted)

    def _parameters(self, state: MapState) -> TunnelParameters:
        sets = [
            chosen
            for entry in self._offering(state)
            for chosen in settings.transform_sets(self._config, entry.transform_sets)
        ]
        local = state.local or NOWHERE
        fits = settings.transport_mtu(sets, state.link_mtu, outer_ipv6=local.version == 6, udp=state.udp)
        return TunnelParameters(
            device=state.device,
            mode=TunnelMode.IPSEC,
            source=local,
            destination=type(local)(0),
            mtu=fits,
            df=settings.df_bit(self._config),
            policies=tuple(self._policies(state)),
        )

    def _offering(self, state: MapState) -> Iterator[CryptoMapEntry]:
        """Every entry that negotiates, those of dynamic maps among them."""
        for entry in state.crypto_map.entries.values():
            dynamic = self._config.dynamic_maps.get(entry.dynamic or "")
            if dynamic is not None:
                yield from dynamic.entries.values()
            elif entry.dynamic is None:
                yield entry

    def _policies(self, state: MapState) -> Iterator[Policy]:
        """In the order of the map's sequence numbers."""
        for entry in state.crypto_map.entries.values():
            for number, selector in lines(self._config, entry):
                yield Policy(number, selector)
            for flow in state.dynamic.values():
                if belongs(flow.number, entry.sequence):
                    yield Policy(flow.number, flow.selector)

    async def _remove(self, state: MapState) -> None:
        self._around.stop(state.owner, "the crypto map is removed")
        if state.number:
            await self._netlink.remove_crypto_route(state.routing)
            if self._plane is not None and state.made:
                self._plane.remove_tunnel(state.device)
                state.made = False
            self._netlink.forget_device(state.device)
        del self._states[state.owner]

    # -- for the engine ----------------------------------------------------------------------------------------------

    def protected(self) -> list[Protected]:
        """Every flow of every entry, with each of the entry's peers: all but the current one may only answer."""
        found = []
        for state in self._states.values():
            if state.local is None or not state.usable:
                continue
            for entry in state.crypto_map.entries.values():
                name = f"crypto map {state.crypto_map.name} {entry.sequence}"
                offer = settings.phase_two(self._config, entry, name)
                if offer is None:
                    continue
                current = state.peer_of(entry)
                profile = entry.isakmp_profile or state.crypto_map.isakmp_profile
                for number, selector in lines(self._config, entry):
                    for peer in dict.fromkeys(peer.address for peer in entry.peers):
                        flow = FlowSettings(
                            owner=state.owner,
                            number=number,
                            selector=selector,
                            phase_two=offer,
                            on_demand=True,
                            initiate=peer == current,
                        )
                        found.append(Protected(state.local, peer, flow, profile, state.interface, entry.ikev2_profile))
        return found

    def dynamic_maps(self) -> tuple[DynamicMapSettings, ...]:
        """What peers that are not known before may negotiate."""
        found = []
        for state in self._states.values():
            if state.local is None or not state.usable:
                continue
            for entry in state.crypto_map.entries.values():
                dynamic = self._config.dynamic_maps.get(entry.dynamic or "")
                if dynamic is None:
                    continue
                rows = tuple(self._dynamic_entries(state, dynamic.entries))
                found.append(DynamicMapSettings(state.owner, state.local, entry.sequence, rows))
        return tuple(found)

    def _dynamic_entries(
        self, state: MapState, entries: Mapping[int, CryptoMapEntry]
    ) -> Iterator[DynamicEntrySettings]:
        for entry in entries.values():
            offer = settings.phase_two(self._config, entry, f"crypto dynamic-map {entry.sequence}")
            if offer is None:
                continue
            access_list = self._config.access_lists.get(entry.access_list or "")
            selectors = () if access_list is None else tuple(row for _, row in access.selectors(access_list))
            if entry.access_list is not None and not selectors:
                continue  # named and empty permits nothing
            yield DynamicEntrySettings(
                entry.sequence,
                selectors,
                offer,
                entry.isakmp_profile or state.crypto_map.isakmp_profile,
                entry.ikev2_profile,
                () if access_list is None else access.denied(access_list),
            )

    def take(self, effect: FlowUp | FlowDown | AddFlow | RemoveFlow | PeerFailed) -> None:
        """What the engine says of flows and peers."""
        match effect:
            case PeerFailed(_, remote, reason):
                self._next_peer(remote, reason)
            case FlowUp(owner, number, remote):
                self._flow_up(owner, number, remote)
            case FlowDown(owner, number, _):
                state = self._states.get(owner)
                if state is not None and state.up.pop(number, None) is not None:
                    self._around.derive()
                    if not state.up_flows(sequence_of(number)):
                        self._back_to_default(state, sequence_of(number))
            case AddFlow(owner, number, selector, remote, entry):
                state = self._states.get(owner)
                if state is not None:
                    state.dynamic[number] = DynamicFlow(number, selector, remote, entry)
                    self._update_policies(state)
                    self._around.derive()
            case RemoveFlow(owner, number):
                state = self._states.get(owner)
                if state is not None and state.dynamic.pop(number, None) is not None:
                    self._update_policies(state)
                    self._around.derive()

    def _update_policies(self, state: MapState) -> None:
        """At once: the SAs of a new flow are installed next."""
        if self._plane is None or not state.made:
            return
        parameters = self._parameters(state)
        try:
            self._plane.update_tunnel(parameters)
        except PlaneError as error:
            state.refusal = str(error)
            self._around.log("CRYPTO", 3, "MAP", f"crypto map on {state.interface}: {error}")
        else:
            state.parameters = parameters

    def _flow_up(self, owner: str, number: int, remote: Address) -> None:
        state = self._states.get(owner)
        if state is None:
            return
        state.up[number] = remote
        entry = state.crypto_map.entries.get(sequence_of(number))
        if entry is not None and entry.dynamic is None and state.peer_of(entry) != remote:
            text = f"crypto map {state.crypto_map.name} {entry.sequence}: the peer in use is {remote} now, it has begun"
            self._around.log("CRYPTO", 5, "PEER_CHANGE", text)
            state.current[entry.sequence] = remote
            self._around.negotiate()
        self._around.derive()

    def _next_peer(self, failed: Address, reason: str) -> None:
        changed = False
        for state in self._states.values():
            for entry in state.crypto_map.entries.values():
                peers = list(dict.fromkeys(peer.address for peer in entry.peers))
                if len(peers) < 2 or state.peer_of(entry) != failed:
                    continue
                chosen = peers[(peers.index(failed) + 1) % len(peers)]
                state.current[entry.sequence] = chosen
                changed = True
                name = f"crypto map {state.crypto_map.name} {entry.sequence}"
                self._around.log("CRYPTO", 5, "PEER_CHANGE", f"{name}: {failed} has failed ({reason}), now {chosen}")
        if changed:
            self._around.negotiate()
            self._around.derive()

    def _back_to_default(self, state: MapState, sequence: int) -> None:
        """An entry that is idle begins with its default peer again; without one it stays where it was."""
        entry = state.crypto_map.entries.get(sequence)
        default = default_peer(entry) if entry is not None else None
        if default is not None and state.current.get(sequence) not in (None, default):
            del state.current[sequence]
            self._around.negotiate()
            self._around.derive()

    def set_udp(self, owner: str, udp: bool) -> None:
        """A NAT is in the way of one of the map's peers: packets become smaller for all of them."""
        state = self._states.get(owner)
        if state is not None and udp and not state.udp:
            state.udp = True
            self._update_policies(state)

    # -- for the derived configuration -------------------------------------------------------------------------------

    def routes(self) -> tuple[StaticRoute, ...]:
        """`reverse-route`: the peer's networks by way of the peer, while there are SAs, or always with `static`."""
        found: dict[StaticRoute, None] = {}
        for state in self._states.values():
            for entry in state.crypto_map.entries.values():
                if entry.reverse_route is None:
                    continue
                for number, selector in lines(self._config, entry):
                    remote = state.up.get(number) or (state.peer_of(entry) if entry.reverse_route.static else None)
                    found.update(dict.fromkeys(reverse(entry.reverse_route, selector, remote)))
            for flow in state.dynamic.values():
                described = self._described(state, flow)
                if described is not None and described.reverse_route is not None and flow.number in state.up:
                    found.update(dict.fromkeys(reverse(described.reverse_route, flow.selector, flow.remote)))
        return tuple(found)

    def _described(self, state: MapState, flow: DynamicFlow) -> CryptoMapEntry | None:
        entry = state.crypto_map.entries.get(sequence_of(flow.number))
        dynamic = self._config.dynamic_maps.get(entry.dynamic or "") if entry is not None else None
        return None if dynamic is None else dynamic.entries.get(flow.entry)
