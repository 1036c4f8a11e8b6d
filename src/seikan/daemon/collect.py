"""Gathers what the show commands may know: one `Status` for each, with the parts that it needs."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TYPE_CHECKING, Any, TypeVar

from seikan import __version__
from seikan.cli.status import (
    Admission,
    CryptoFlow,
    CryptoStatus,
    CryptoTunnel,
    Diagnosis,
    Ikev2Sa,
    InterfaceStatus,
    IpsecSa,
    IsakmpSa,
    LoggingStatus,
    Lsa,
    LsaLink,
    Mismatch,
    Need,
    NextHop,
    OspfInterfaceStatus,
    OspfNeighbor,
    OspfStatus,
    Route,
    Status,
)
from seikan.config.model import CryptoMapEntry, Interface
from seikan.config.names import is_access, is_loopback, is_template, is_tunnel, sort_key
from seikan.config.parse import parse
from seikan.daemon import settings
from seikan.daemon.map_state import MapState, belongs
from seikan.daemon.pki import pki_status
from seikan.daemon.rates import LoadAverage, Sample
from seikan.daemon.terminals import stamp
from seikan.daemon.tunnels import NEGOTIATING, NOTHING_COUNTED, TunnelState
from seikan.daemon.view import look
from seikan.ike.status import Diagnosis as EngineDiagnosis
from seikan.ike.status import EngineStatus, FlowStatus, IpsecSaStatus, TunnelStatus
from seikan.plane.base import Direction, Plane, PlaneError, SaCounters, TunnelCounters, TunnelParameters
from seikan.system.errors import AdapterError
from seikan.system.journal import clock_synchronized
from seikan.system.netlink import Link
from seikan.system.ruleset import KEPT_IN, access_list_counter, crypto_counter

if TYPE_CHECKING:
    from seikan.daemon.router import Router

_NO_SA = SaCounters(0, 0, {}, 0.0)
_SEND_DROPS = ("out", "send", "seal", "no-sa", "no-policy", "sequence")  # a drop's name tells its direction by these

Address = IPv4Address | IPv6Address
Copied = TypeVar("Copied")


class Collector:
    """Keeps what counters looked like when they were cleared, and rates; everything else is asked for when needed."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._rates: dict[str, LoadAverage] = {}
        self._cleared: dict[str, tuple[Link, float]] = {}
        self._cleared_matches: dict[str, int] = {}
        self._cleared_admission: dict[str, int] = {}
        self._cleared_ikev2: dict[str, int] = {}
        self._cleared_policies: dict[tuple[str, int], TunnelCounters] = {}

    # counters

    async def sample(self) -> None:
        """Take the counters of every device, for the rates. Raises `AdapterError`."""
        self._sample(await self._router.netlink.links())

    def _sample(self, links: Mapping[str, Link]) -> None:
        now = self._router.clock()
        for name in self._rates.keys() - links.keys():
            del self._rates[name]
        for name, link in links.items():
            average = self._rates.setdefault(name, LoadAverage())
            average.sample(Sample(link.octets_in, link.octets_out, link.packets_in, link.packets_out), now)

    def clear_counters(self, interface: str | None) -> None:
        """`clear counters`: the kernel's go on, show commands start from here."""
        now = self._router.clock()
        interfaces = self._router.interfaces
        names = [interface] if interface is not None else list(self._router.running.interfaces)
        for name in names:
            link = interfaces.view.links.get(interfaces.linux_name(name))
            if link is not None:
                self._cleared[name] = (link, now)

    def clear_sa_counters(self) -> None:
        """`clear crypto sa counters`."""
        for state in self._router.tunnels.states.values():
            state.counted_from = self._tunnel_counters(state.device)
            self._cleared_policies |= self._policies(state.device, state.parameters)
        for held in self._router.maps.states.values():
            if held.parameters is not None:
                self._cleared_policies |= self._policies(held.device, held.parameters)

    def _policies(self, device: str, parameters: TunnelParameters) -> dict[tuple[str, int], TunnelCounters]:
        numbers = [policy.number for policy in parameters.policies]
        return {(device, number): self._policy_counters(device, number) for number in numbers}

    def _policy_counters(self, device: str, number: int) -> TunnelCounters:
        plane = self._router.plane
        if plane is None:
            return NOTHING_COUNTED
        try:
            return plane.policy_counters(device, number)
        except PlaneError:  # the flow is just going
            return NOTHING_COUNTED

    def _tunnel_counters(self, device: str) -> TunnelCounters:
        plane = self._router.plane
        if plane is None:
            return NOTHING_COUNTED
        try:
            return plane.tunnel_counters(device)
        except PlaneError:  # the tunnel is just going
            return NOTHING_COUNTED

    def _flow_counters(self, device: str, base: TunnelCounters, number: int) -> TunnelCounters:
        """What crossed as ESP: all of the device's where it has one flow, from `base` on; else the one flow's."""
        if number:
            now = self._policy_counters(device, number)
            base = self._cleared_policies.get((device, number), NOTHING_COUNTED)
        else:
            now = self._tunnel_counters(device)
        return TunnelCounters(
            now.packets_in - base.packets_in,
            now.packets_out - base.packets_out,
            now.octets_in - base.octets_in,
            now.octets_out - base.octets_out,
            {name: count - base.drops.get(name, 0) for name, count in now.drops.items()},
        )

    # the snapshot

    async def status(self, needs: frozenset[Need], debugging: tuple[str, ...]) -> Status:
        """Raises `AdapterError` where the kernel does not answer; FRR's silence is part of the answer."""
        router = self._router
        now = stamp()
        machine = os.uname()
        startup_text = router.store.read() if Need.STARTUP in needs else None
        if needs & {Need.INTERFACES, Need.CRYPTO}:
            # the routes are as news of them have kept them
            router.interfaces.view = replace(await look(router.netlink, ()), routes=router.interfaces.view.routes)
            self._sample(router.interfaces.view.links)
        engine = router.crypto.engine.status(router.clock()) if needs & {Need.INTERFACES, Need.CRYPTO} else None
        return Status(
            now=now,
            time_source_synchronized=clock_synchronized(),
            uptime=router.clock() - router.started,
            version=__version__,
            kernel=f"{machine.sysname} {machine.release}",
            machine=machine.machine,
            config_file=str(router.store.path),
            running=router.running,
            config_changed=router.changed_at,
            config_changed_by=router.changed_by,
            startup=parse(startup_text, str(router.store.path)).config if startup_text is not None else None,
            startup_text=startup_text,
            plane=router.plane.name if router.plane is not None else "none",
            memory_kilobytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            serial=router.name,
            interfaces=self._interfaces(engine) if engine is not None and Need.INTERFACES in needs else (),
            crypto=await self._crypto(engine, now) if engine is not None and Need.CRYPTO in needs else None,
            routes=await self._routes() if Need.ROUTES in needs else None,
            ospf=await self._ospf() if Need.OSPF in needs else None,
            logging=self._logging() if Need.LOGGING in needs else None,
            problems=router.problems,
            debugging=debugging,
            access_matches=await self._matches() if Need.ACCESS_LISTS in needs else {},
            pki=pki_status(router) if Need.PKI in needs else None,
            derived=router.effective,
        )

    async def _matches(self) -> Mapping[tuple[str, int], int]:
        """Packets that each line of an access list has had, since they were cleared."""
        counted = await self._filtered()
        found = {}
        for access_list in self._router.running.access_lists.values():
            for entry in access_list.entries:
                name = access_list_counter(access_list.name, entry.sequence)
                if name in counted:
                    found[access_list.name, entry.sequence] = counted[name] - self._cleared_matches.get(name, 0)
        return found

    async def clear_matches(self, name: str | None) -> None:
        """`clear access-list counters [NAME]`."""
        counted = await self._filtered()
        for access_list in self._router.running.access_lists.values():
            if name in (None, access_list.name):
                for entry in access_list.entries:
                    counter = access_list_counter(access_list.name, entry.sequence)
                    self._cleared_matches[counter] = counted.get(counter, 0)

    async def _filtered(self) -> Mapping[str, int]:
        """The packet filter's counters; none where it does not answer, which its own problem line says."""
        try:
            return await self._router.firewall.counters()
        except AdapterError:
            return {}

    def _logging(self) -> LoggingStatus:
        state = self._router.journal.state()
        return LoggingStatus(
            state.buffer,
            state.size,
            state.console_messages,
            state.monitor_messages,
            state.buffer_messages,
            state.dropped,
        )

    # interfaces

    def _interfaces(self, engine: EngineStatus) -> tuple[InterfaceStatus, ...]:
        router = self._router
        errors = {flow.owner: _last_error(tunnel) for tunnel in engine.tunnels for flow in tunnel.flows if not flow.up}
        ordered = sorted(router.effective.interfaces.values(), key=lambda interface: _listed(interface.name))
        return tuple(self._interface(interface, errors.get(router.owner_of(interface.name))) for interface in ordered)

    def _interface(self, interface: Interface, negotiation: str | None) -> InterfaceStatus:
        router = self._router
        device = router.interfaces.linux_name(interface.name)
        link = router.interfaces.view.links.get(device)
        state = router.tunnels.states.get(interface.name)
        entries = router.interfaces.view.addresses.get(device, ())
        primary = router.interfaces.view.primary(device)
        secondary = [entry.address for entry in entries if entry.secondary]
        rates = self._rates.get(device, LoadAverage())
        now = router.clock()
        base, cleared = self._cleared.get(interface.name, (None, None))
        access = router.accesses.held.get(interface.name)

        def counted(name: str) -> int:
            value = int(getattr(link, name)) if link is not None else 0
            return max(0, value - int(getattr(base, name))) if base is not None else value

        def ago(moment: float | None) -> float | None:
            return now - moment if moment is not None else None

        return InterfaceStatus(
            name=interface.name,
            linux_name=device,
            present=link is not None,
            admin_up=not interface.shutdown,
            protocol_up=link is not None and link.up and (state is None or state.carrier),
            hardware=_hardware(interface.name),
            mac=link.mac if link is not None else None,
            mtu=link.mtu if link is not None else interface.mtu or settings.DEFAULT_LINK_MTU,
            address=interface.address or primary,
            secondary=tuple(address for address in secondary if isinstance(address, IPv4Interface)),
            ipv6_addresses=tuple(entry.address for entry in entries if isinstance(entry.address, IPv6Interface)),
            address_method=self._method(interface, primary is not None),
            unnumbered=interface.unnumbered,
            packets_in=counted("packets_in"),
            packets_out=counted("packets_out"),
            octets_in=counted("octets_in"),
            octets_out=counted("octets_out"),
            multicast_in=counted("multicast_in"),
            errors_in=counted("errors_in"),
            errors_out=counted("errors_out"),
            drops_in=counted("drops_in"),
            drops_out=counted("drops_out"),
            rate_in=round(rates.bits_in),
            rate_out=round(rates.bits_out),
            packet_rate_in=round(rates.packets_in),
            packet_rate_out=round(rates.packets_out),
            last_input=ago(rates.last_input),
            last_output=ago(rates.last_output),
            resets=state.transitions if state is not None else link.carrier_changes if link is not None else 0,
            tunnel_source=state.local if state is not None else None,
            tunnel_mtu=state.parameters.mtu if state is not None else None,
            path_mtu=state.outer_mtu if state is not None else None,
            down_reason=_reason(state, negotiation) if state is not None else None,
            drops=self._tunnel_counters(device).drops if state is not None else {},
            since_cleared=ago(cleared),
            template=access.template if access is not None else None,
            peer_identity=access.identity if access is not None else None,
        )

    def _method(self, interface: Interface, has_address: bool) -> str:
        if interface.unnumbered is not None:
            return "TFTP"  # what IOS prints for a borrowed address
        if interface.address is not None:
            return "manual" if interface.name in self._router.typed else "NVRAM"
        return "other" if has_address else "unset"

    # crypto

    async def _crypto(self, engine: EngineStatus, now: datetime) -> CryptoStatus:
        router = self._router
        by_owner: dict[str, TunnelStatus] = {}
        by_ends: dict[tuple[str, Address], TunnelStatus] = {}
        for tunnel in engine.tunnels:
            for flow in tunnel.flows:
                by_owner[flow.owner] = tunnel
                by_ends[flow.owner, tunnel.remote] = tunnel
        tunnels = [
            self._tunnel(state, by_owner.get(state.owner), now)
            for state in router.tunnels.states.values()
            if state.protected
        ]
        for held in router.maps.states.values():
            tunnels += self._map(held, by_ends, now)
        counters = {
            name: count - self._cleared_ikev2.get(name, 0)
            for name, count in {**engine.counters, **router.crypto.counters}.items()
        }
        filtered = await self._filtered() if router.maps.states else {}
        return CryptoStatus(
            isakmp_enabled=router.crypto.listening,
            isakmp_sas=_isakmp_sas(engine),
            tunnels=tuple(tunnels),
            counters=counters,
            drops={**(router.plane.drops() if router.plane is not None else {}), **_kept_in(filtered)},
            not_ipsec=self._not_ipsec(filtered),
            admission=self._admission(engine),
            ikev2_sas=tuple(_copy(Ikev2Sa, sa) for sa in engine.ikev2_sas),
            diagnoses=tuple(_diagnosis(found, now, router.clock()) for found in engine.diagnoses),
            kept_diagnoses=router.crypto.settings.ikev2.kept_errors,
        )

    def _not_ipsec(self, counted: Mapping[str, int]) -> Mapping[str, int]:
        """What came in clear against a crypto map, by interface."""
        found: dict[str, int] = {}
        for state in self._router.maps.states.values():
            for name in state.interfaces:
                came = sum(counted.get(crypto_counter(name, number, "clear"), 0) for number in state.crypto_map.entries)
                found[name] = found.get(name, 0) + came
        return found

    def _tunnel(self, state: TunnelState, engine: TunnelStatus | None, now: datetime) -> CryptoTunnel:
        """A tunnel interface, with those of the peer's flows that are its own."""
        router, name = self._router, state.name
        access = router.accesses.held.get(name)
        rows = [flow for flow in engine.flows if flow.owner == state.owner] if engine is not None else []
        error = engine.last_error if engine is not None else None
        if not state.carrier:
            error = _reason(state, error)
        way = state.route_device
        protection = router.running.ipsec.profiles.get(state.tunnel.protection or "")
        return CryptoTunnel(
            interface=name,
            profile=state.tunnel.protection,
            crypto_map_tag=f"{name}-head-0",
            local=state.local,
            remote=state.remote,
            remote_port=engine.remote_port if engine is not None else 500,
            protocol_up=state.carrier,
            session=engine.session if engine is not None else "DOWN",
            uptime=min((flow.uptime for flow in rows if flow.uptime is not None), default=None),
            path_mtu=state.outer_mtu,
            ip_mtu=state.link_mtu,
            ip_mtu_interface=self._ios_name(way) if way is not None else name,
            plaintext_mtu=state.parameters.mtu,
            mode="ipsec" if state.tunnel.mode.ipsec else "gre",
            flows=tuple(self._flow(flow, state.device, state.counted_from) for flow in rows),
            **_told(engine, error, now, router.clock(), protection.ikev2_profile if protection is not None else None),
            template=access.template if access is not None else None,
        )

    def _map(
        self, held: MapState, by_ends: Mapping[tuple[str, Address], TunnelStatus], now: datetime
    ) -> Iterator[CryptoTunnel]:
        """Each entry of a crypto map with its current peer, and each peer of a dynamic one."""
        for entry in held.crypto_map.entries.values():
            remotes: list[Address | None] = [held.peer_of(entry)]
            if entry.dynamic is not None:
                flows = [flow for flow in held.dynamic.values() if belongs(flow.number, entry.sequence)]
                remotes = list(dict.fromkeys(flow.remote for flow in flows))
            for remote in remotes:
                engine = by_ends.get((held.owner, remote)) if remote is not None else None
                yield self._map_entry(held, entry, remote, engine, now)

    def _map_entry(
        self,
        held: MapState,
        entry: CryptoMapEntry,
        remote: Address | None,
        engine: TunnelStatus | None,
        now: datetime,
    ) -> CryptoTunnel:
        rows = [
            flow
            for flow in (engine.flows if engine is not None else ())
            if flow.owner == held.owner and belongs(flow.number, entry.sequence)
        ]
        flows = tuple(
            replace(
                self._flow(flow, held.device, NOTHING_COUNTED),
                access_list=entry.access_list,
                sequence=held.dynamic[flow.number].entry if flow.number in held.dynamic else entry.sequence,
                dynamic=entry.dynamic is not None,
            )
            for flow in rows
        )
        error = held.refusal or next(iter(held.problems), None) or (engine.last_error if engine is not None else None)
        mtu = held.parameters.mtu if held.parameters is not None else held.link_mtu
        return CryptoTunnel(
            interface=held.interface,
            profile=None,
            crypto_map_tag=held.crypto_map.name,
            local=held.local,
            remote=remote,
            remote_port=engine.remote_port if engine is not None else 500,
            protocol_up=any(flow.up for flow in rows),
            session=engine.session if engine is not None else "DOWN",
            uptime=min((flow.uptime for flow in rows if flow.uptime is not None), default=None),
            path_mtu=held.link_mtu,
            ip_mtu=held.link_mtu,
            ip_mtu_interface=held.interface,
            plaintext_mtu=mtu,
            mode="map",
            flows=flows,
            **_told(engine, error, now, self._router.clock(), entry.ikev2_profile),
            peers=tuple(peer.address for peer in entry.peers),
            map_sequence=entry.sequence,
        )

    def _flow(self, flow: FlowStatus, device: str, base: TunnelCounters) -> CryptoFlow:
        counters = self._flow_counters(device, base, flow.number)
        sent = sum(count for name, count in counters.drops.items() if name.startswith(_SEND_DROPS))
        bundle = self._router.crypto.bundle_of(flow.owner)
        return CryptoFlow(
            number=flow.number,
            selector=flow.selector,
            up=flow.up,
            uptime=flow.uptime,
            sas=tuple(self._sa(bundle, sa, self._router.plane) for sa in flow.sas),
            packets_encapsulated=counters.packets_out,
            packets_decapsulated=counters.packets_in,
            octets_encapsulated=counters.octets_out,
            octets_decapsulated=counters.octets_in,
            send_errors=sent,
            receive_errors=sum(counters.drops.values()) - sent,
            drops=counters.drops,
        )

    def _admission(self, engine: EngineStatus) -> Admission:
        limits = self._router.crypto.settings
        established = sum(sa.state == "QM_IDLE" for sa in engine.isakmp_sas)

        def counted(*names: str) -> int:
            return sum(engine.counters.get(name, 0) - self._cleared_admission.get(name, 0) for name in names)

        return Admission(
            max_sas=limits.max_sas,
            max_negotiating=limits.max_negotiating,
            sas=established,
            negotiating=len(engine.isakmp_sas) - established,
            incoming_accepted=counted("incoming_accepted"),
            outgoing_accepted=counted("outgoing_accepted"),
            outgoing_refused=counted("outgoing_refused"),
            refused_sas=counted("refused_sas"),
            refused_negotiating=counted("refused_negotiating"),
            refused_half_open=counted("refused_half_open", "first_messages_limited"),
        )

    def clear_admission(self) -> None:
        """`clear crypto call admission statistics`."""
        self._cleared_admission = dict(self._router.crypto.engine.status(self._router.clock()).counters)

    def clear_ikev2_stats(self) -> None:
        """`clear crypto ikev2 stats`."""
        counters = self._router.crypto.engine.status(self._router.clock()).counters
        self._cleared_ikev2 = {name: count for name, count in counters.items() if name.startswith("ikev2")}

    def _ios_name(self, linux_name: str) -> str:
        names = self._router.interfaces.linux_names(self._router.effective)
        return next((ios for ios, linux in names.items() if linux == linux_name), linux_name)

    def _sa(self, bundle: str, sa: IpsecSaStatus, plane: Plane | None) -> IpsecSa:
        counters = _NO_SA
        if plane is not None:
            try:
                counters = plane.sa_counters(Direction.IN if sa.inbound else Direction.OUT, sa.spi, bundle)
            except PlaneError:  # installed by the engine, but not (or no longer) in the plane
                counters = _NO_SA
        left = None if sa.lifetime_octets == 0 else max(0, sa.lifetime_octets - counters.octets) // 1024
        return IpsecSa(
            inbound=sa.inbound,
            spi=sa.spi,
            conn_id=sa.conn_id,
            transform=sa.transform,
            udp_encapsulation=sa.udp_encapsulation,
            remaining_kilobytes=left,
            remaining_seconds=sa.remaining_seconds,
            replay_window=sa.replay_window,
            extended_sequence_numbers=sa.extended_sequence_numbers,
            pfs_group=sa.pfs_group,
            packets=counters.packets,
            octets=counters.octets,
            errors=counters.errors,
        )

    # routing

    async def _routes(self) -> tuple[Route, ...] | None:
        try:
            found = await self._router.frr.routes()
        except AdapterError:  # the renderers say that FRR does not answer, `problems` says why
            return None
        return tuple(
            _copy(Route, route, next_hops=tuple(_copy(NextHop, hop) for hop in route.next_hops)) for route in found
        )

    async def _ospf(self) -> tuple[OspfStatus, ...] | None:
        try:
            found = await self._router.frr.ospf()
        except AdapterError:
            return None
        return tuple(
            _copy(
                OspfStatus,
                process,
                interfaces=tuple(_copy(OspfInterfaceStatus, row) for row in process.interfaces),
                neighbors=tuple(_copy(OspfNeighbor, row) for row in process.neighbors),
                database=tuple(
                    _copy(
                        Lsa,
                        row,
                        router_links=tuple(_copy(LsaLink, link) for link in getattr(row, "router_links", ())),
                    )
                    for row in process.database
                ),
            )
            for process in found
        )


def _kept_in(counted: Mapping[str, int]) -> dict[str, int]:
    """What the packet filter did not let leave in clear, by its counters' names."""
    return {name: count for name, count in counted.items() if count and name.endswith(KEPT_IN)}


def _listed(name: str) -> tuple[object, ...]:
    """The order of IOS's tables of interfaces: what has a plug first, then loopbacks, then tunnels."""
    return is_loopback(name) + 2 * (is_tunnel(name) or is_template(name)), sort_key(name)


def _last_error(tunnel: TunnelStatus) -> str | None:
    """What the last negotiation ended with, and which attributes differ."""
    differ = ", ".join(f"{row.attribute}: local {row.local}, remote {row.remote}" for row in tunnel.mismatches)
    return f"{tunnel.last_error} ({differ})" if tunnel.last_error is not None and differ else tunnel.last_error


def _reason(state: TunnelState, negotiation: str | None) -> str | None:
    """Why the tunnel is down; while it negotiates, what the last attempt ended with, before why it has to."""
    negotiating = state.reason in (NEGOTIATING, state.sas.reason)
    return negotiation if negotiating and negotiation is not None else state.reason


def _diagnosis(found: EngineDiagnosis, now: datetime, clock: float) -> Diagnosis:
    at = now - timedelta(seconds=max(0.0, clock - found.at))
    return _copy(Diagnosis, found, at=at, mismatches=tuple(_copy(Mismatch, row) for row in found.mismatches))


def _told(
    engine: TunnelStatus | None, error: str | None, now: datetime, clock: float, ikev2_profile: str | None
) -> dict[str, Any]:
    """What is known of the peer, and why there is nothing with it. `ikev2_profile` is the configured one, which may
    be one that cannot be used.
    """
    if error == NEGOTIATING:
        error = None  # no failure yet
    if engine is None:
        return {"last_error": error, "ikev2_profile": ikev2_profile}
    age = engine.last_error_age
    return {
        "last_error": error,
        "last_error_at": now - timedelta(seconds=age) if age is not None else None,
        "mismatches": tuple(Mismatch(row.attribute, row.local, row.remote) for row in engine.mismatches),
        "identity": engine.identity,
        "isakmp_profile": engine.isakmp_profile,
        "ikev2_profile": engine.ikev2_profile,
        "diagnosis": _diagnosis(engine.diagnosis, now, clock) if engine.diagnosis is not None else None,
    }


def _hardware(name: str) -> str:
    for kind, word in (
        (is_access, "Virtual Access"),
        (is_template, "Virtual Template"),
        (is_tunnel, "Tunnel"),
        (is_loopback, "Loopback"),
    ):
        if kind(name):
            return word
    return "Ethernet"


def _isakmp_sas(engine: EngineStatus) -> tuple[IsakmpSa, ...]:
    return tuple(_copy(IsakmpSa, sa) for sa in engine.isakmp_sas)


def _copy(kind: type[Copied], source: object, **replaced: Any) -> Copied:
    """`source` as `kind`, whose fields have the same names in both rooms."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    given = {name: getattr(source, name) for name in names if name not in replaced and hasattr(source, name)}
    return kind(**given, **replaced)
