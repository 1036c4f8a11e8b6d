"""A hub that knows none of its spokes, and spokes that come, move and go, some of them behind NATs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from seikan.config.model import IdentityMatch, Keepalive, Keyring, PreSharedKey, SelfIdentity
from seikan.ike.effects import Address, Direction, Path
from seikan.ike.settings import (
    DynamicEntrySettings,
    DynamicMapSettings,
    EngineSettings,
    FlowSettings,
    ProfileSettings,
    TemplateSettings,
)
from seikan.ike.status import EngineStatus, TunnelStatus
from seikan.wire.secret import Secret
from seikan.wire.selector import ANY_IPV4, Selector

from .world import KEY, PHASE_TWO, POLICY, TUNNEL, Network, Side, Simulation, settings, with_tunnel

HUB = IPv4Address("192.0.2.254")
WAN = "FastEthernet0/0"
DOMAIN = "spokes.example"
EVERYWHERE = IPv4Network("0.0.0.0/0")
KEEPALIVE = Keepalive(10, 2, True)
Change = Callable[[EngineSettings], EngineSettings]

ANYBODY = (IdentityMatch(network=EVERYWHERE), IdentityMatch(domain=DOMAIN))
PROFILE = ProfileSettings("SPOKES", ("SPOKES",), ANYBODY, None, False, KEEPALIVE, None, 1)
TEMPLATE = TemplateSettings(1, None, ANY_IPV4, PHASE_TWO)


def ring(*keys: PreSharedKey, name: str = "SPOKES") -> Keyring:
    return Keyring(name, keys=keys)


GROUP_KEY = PreSharedKey(KEY, EVERYWHERE)


def hub_settings(**changes: object) -> EngineSettings:
    """One profile for all spokes, with one key for all, as small installations have it."""
    base = EngineSettings("HUB", True, (POLICY,), (), (ring(GROUP_KEY),), ())
    base = replace(base, profiles=(PROFILE,), templates=(TEMPLATE,))
    return replace(base, **changes)  # type: ignore[arg-type]


def map_settings(*selectors: Selector, profile: str | None = None, **changes: object) -> EngineSettings:
    """A dynamic crypto map with one entry instead; global keys where no profile is asked for."""
    entry = DynamicEntrySettings(10, selectors, replace(PHASE_TWO, name="crypto dynamic-map D 10"), profile)
    base = hub_settings(profiles=(), templates=(), dynamic_maps=(DynamicMapSettings(WAN, HUB, 100, (entry,)),))
    base = replace(base, keys=(GROUP_KEY,), keyrings=())
    return replace(base, **changes)  # type: ignore[arg-type]


class Nat:
    """An address translator: `inner` host and port to a port of its own, until it forgets."""

    def __init__(self, world: HubWorld, address: IPv4Address) -> None:
        self.world = world
        self.address = address
        self.ports: dict[tuple[Side, int], int] = {}

    def out(self, side: Side, port: int) -> int:
        return self.ports.setdefault((side, port), self.world.random.randrange(1024, 60000))

    def back(self, port: int) -> tuple[Side, int] | None:
        return next((inner for inner, outer in self.ports.items() if outer == port), None)

    def rebind(self) -> None:
        self.ports.clear()
        self.world.note(f"the NAT {self.address} rebinds")

    def readdress(self, address: IPv4Address) -> None:
        """Its provider gives it another address."""
        del self.world.nats[self.address]
        self.world.nats[address] = self
        self.world.note(f"the NAT {self.address} is now {address}")
        self.address = address
        self.ports.clear()


class Spoke(Side):
    """A router with a static tunnel to the hub. `identity` None is its address."""

    def __init__(
        self,
        world: HubWorld,
        name: str,
        address: Address,
        *,
        nat: Nat | None = None,
        identity: str | None = None,
        key: Secret = KEY,
        change: Change = lambda base: base,
    ) -> None:
        self.nat = nat
        self.identity = identity
        self.key = key
        self.change = change
        self.asleep = False
        self.attached = True  # its line to the provider
        super().__init__(world, name, address, self._configured(address))

    def _configured(self, address: Address) -> EngineSettings:
        base = settings(address, HUB)
        base = replace(base, keys=(replace(base.keys[0], key=self.key),))
        if self.identity is not None:
            own = SelfIdentity("user-fqdn" if "@" in self.identity else "fqdn", self.identity)
            row = ProfileSettings("HUB", (), (), own, False, None, None, None)
            base = with_tunnel(replace(base, profiles=(row,)), isakmp_profile="HUB")
        return self.change(replace(base, keepalive=KEEPALIVE))

    def readdress(self, address: Address) -> None:
        """The provider gives it another address: nothing can be sent from the old one any more."""
        self.world.note(f"{self.name} moves from {self.address} to {address}")
        assert isinstance(self.world, HubWorld)
        if self.nat is None:
            del self.world.places[self.address]
            self.world.places[address] = self
        self.address = address
        self.settings = self._configured(address)
        if self.alive:
            self.engine.configure(self.settings, self.world.now)
            self.drain()

    def leave(self) -> None:
        """Shut down with a goodbye."""
        self.engine.suspend(TUNNEL, "administratively down", self.world.now)
        self.drain()

    def drain(self) -> None:
        if not self.asleep:
            super().drain()


class HubWorld(Simulation):
    def __init__(
        self, seed: int, network: Network | None = None, configured: EngineSettings | None = None, **options: object
    ) -> None:
        super().__init__(seed, network, **options)  # type: ignore[arg-type]
        self.places: dict[Address, Side] = {}
        self.nats: dict[Address, Nat] = {}
        self.spokes: list[Spoke] = []
        self.hub = Side(self, "HUB", HUB, configured or hub_settings())
        self.places[HUB] = self.hub
        if self.hub.settings.dynamic_maps:
            self.hub.engine.initiate(WAN, self.now)

    def nat(self, address: str) -> Nat:
        made = Nat(self, IPv4Address(address))
        self.nats[made.address] = made
        return made

    def spoke(
        self,
        address: str,
        *,
        nat: Nat | None = None,
        identity: str | None = None,
        key: Secret = KEY,
        change: Change = lambda base: base,
    ) -> Spoke:
        name = f"S{len(self.spokes) + 1}"
        made = Spoke(self, name, IPv4Address(address), nat=nat, identity=identity, key=key, change=change)
        self.spokes.append(made)
        if nat is None:
            self.places[made.address] = made
        return made

    def connect(self, *spokes: Spoke, seconds: float = 10.0) -> None:
        for spoke in spokes:
            spoke.initiate()
        self.run(seconds)

    # -- the network -------------------------------------------------------------------------------------------------

    def translate(self, side: Side, path: Path) -> tuple[Side | None, Path]:
        source, port = path.local, path.local_port
        if path.local != side.address or (isinstance(side, Spoke) and not side.attached):
            return None, path  # it has not that address any more, or no line
        if isinstance(side, Spoke) and side.nat is not None:
            source, port = side.nat.address, side.nat.out(side, path.local_port)
        target, target_port = path.remote, path.remote_port
        receiver: Side | None
        if target in self.nats:
            inner = self.nats[target].back(target_port)
            if inner is None:
                return None, path
            receiver, target_port = inner
            target = receiver.address
        else:
            receiver = self.places.get(target)
        if isinstance(receiver, Spoke) and (receiver.asleep or not receiver.attached):
            receiver = None
        return receiver, Path(target, target_port, source, port)

    def sleep(self, spoke: Spoke, seconds: float) -> None:
        """A machine that is suspended: nothing runs in it, and then everything that is due at once."""
        spoke.asleep = True
        self.note(f"{spoke.name} sleeps")
        generation = spoke.generation

        def wake() -> None:
            spoke.asleep = False
            self.note(f"{spoke.name} wakes")
            if spoke.alive and spoke.generation == generation:
                spoke.engine.handle_timeout(self.now)
                spoke.drain()

        self.at(self.now + seconds, wake)

    def traffic(self, interval: float, until: float) -> None:
        """Packets both ways over every tunnel that is up."""

        def tick() -> None:
            for side in (self.hub, *self.spokes):
                if side.alive and not (isinstance(side, Spoke) and side.asleep):
                    for owner, flow in list(side.flows_up):
                        self.send_packet(side, owner, flow)
            if self.now + interval <= until:
                self.at(self.now + interval, tick)

        self.at(self.now + interval, tick)

    # -- judgement ---------------------------------------------------------------------------------------------------

    def sessions(self) -> dict[str, TunnelStatus]:
        return {row.name: row for row in self.hub.engine.status(self.now).tunnels}

    def access_of(self, spoke: Spoke) -> str:
        """The hub's interface whose pair the spoke has."""
        (spi,) = spoke.plane.outbound
        return self.hub.plane.inbound[spi].owner

    def counted(self, name: str) -> int:
        return self.hub.engine.status(self.now).counters.get(name, 0)

    def assert_exactly(self, spokes: Collection[Spoke]) -> None:
        """These spokes have one interface each, with one phase 1 and one pair that fits theirs; nobody else has."""
        status = self.hub.engine.status(self.now)
        owners: set[str] = set()
        for spoke in spokes:
            assert spoke.up, f"{spoke.name} is down: {spoke.engine.status(self.now).tunnels[0].last_error}"
            own = spoke.engine.status(self.now)
            assert [state for state, _, _ in ike_sas(own)] in (["QM_IDLE"], ["READY"]), f"{spoke.name}'s IKE SAs"
            assert len(spoke.plane.inbound) == len(spoke.plane.outbound) == 1, f"{spoke.name} has more than a pair"
            ((out_spi, out),) = spoke.plane.outbound.items()
            ((in_spi, _),) = spoke.plane.inbound.items()
            inbound, outbound = self.hub.plane.inbound.get(out_spi), self.hub.plane.outbound.get(in_spi)
            assert inbound is not None, f"the hub has no SA for what {spoke.name} sends"
            assert outbound is not None, f"the hub has no SA for what {spoke.name} receives"
            assert inbound.owner == outbound.owner
            assert inbound.encryption_key == out.encryption_key
            owners.add(inbound.owner)
            ((_, spis, _),) = ike_sas(own)
            seen = [tunnel for _, row, tunnel in ike_sas(status) if row == spis]
            assert seen == [inbound.owner], f"{spoke.name}'s IKE SA at the hub"
        assert len(owners) == len(spokes), "two spokes share an interface"
        assert set(self.hub.access) == owners, f"interfaces {set(self.hub.access)} for {owners}"
        assert self.hub.owners_up == owners
        assert len(ike_sas(status)) == len(spokes), "IKE SAs that are nobody's"
        assert len(self.hub.plane.inbound) == len(self.hub.plane.outbound) == len(spokes)

    def assert_empty(self) -> None:
        """The hub keeps nothing of sessions that have ended."""
        hub, core = self.hub, self.hub.engine._core
        assert not hub.access
        assert not hub.dynamic
        assert not hub.plane.sas()
        assert not hub.owners_up
        sessions = hub.engine._tunnels.sessions
        tables = {
            "ike_sas": core.ike_sas,
            "ikev2_sas": core.ikev2_sas,
            "ikev2_first": core.ikev2_first,
            "lingering": core.lingering,
            "first_messages": core.first_messages,
            "half_open": core.half_open,
            "half_open_of": core.half_open_of,
            "unproven": core.unproven,
            "initiating": core.initiating,
            "established": core.established,
            "tunnels": core.tunnels,
            "by_remote": core.by_remote,
            "inbound": core.inbound,
            "outbound": core.outbound,
            "completions": core.completions,
            "sessions": sessions._all,
            "known": sessions._known,
            "paths": sessions._paths,
            "sources": sessions._from,
        }
        assert {name: table for name, table in tables.items() if table} == {}
        kept = {row.owner for row in hub.settings.dynamic_maps}
        assert set(core.owners) == kept
        assert not any(owner.flows or owner.sessions or owner.by_selector for owner in core.owners.values())
        assert hub.engine.next_timeout() is None, "timers are left"
        assert len(sessions.numbers) <= 4096


def ike_sas(status: EngineStatus) -> list[tuple[str, tuple[bytes, bytes], str]]:
    """State, cookies or SPIs, and tunnel of each, of either version."""
    return [
        *((sa.state, sa.cookies, sa.tunnel) for sa in status.isakmp_sas),
        *((sa.state, sa.spis, sa.tunnel) for sa in status.ikev2_sas),
    ]


def last_used(side: Side, direction: Direction) -> float | None:
    """When any SA of a direction last carried a packet."""
    return max((when for (way, _), when in side.plane.used.items() if way is direction), default=None)


def lines(*rows: tuple[str, str]) -> tuple[FlowSettings, ...]:
    """A spoke's crypto map: local and remote networks."""
    selectors = [Selector(IPv4Network(local), IPv4Network(remote)) for local, remote in rows]
    return tuple(FlowSettings(WAN, number, selector, PHASE_TWO) for number, selector in enumerate(selectors, 1))
