"""Links, addresses and routes of this network namespace, over rtnetlink.

Everything made or changed here is recorded and undone by `close`; what the operating system set stays its own.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, ip_interface
from pathlib import Path
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from seikan.system.errors import AdapterError
from seikan.system.ledger import Entry, Ledger
from seikan.system.policy_routing import CRYPTO_ROUTE, CryptoRouting, PolicyRouting
from seikan.system.rtnetlink import Attributes, Rtnetlink, number, text
from seikan.system.rtnetlink import address as address_of
from seikan.system.rtnetlink import attributes as attributes_of

Address = IPv4Address | IPv6Address
InterfaceAddress = IPv4Interface | IPv6Interface

_IFF_UP = 0x1
_IFF_LOWER_UP = 0x10000
_IFA_F_SECONDARY = 0x01
_IFA_F_PERMANENT = 0x80
_IFA_F_NODAD = 0x02
_RT_SCOPE_LINK = 253
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_METRICS = 4, 5, 7, 8
_RTAX_MTU = 2
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO = 1, 3, 4, 18
_IFLA_STATS64, _IFLA_CARRIER, _IFLA_CARRIER_CHANGES = 23, 33, 35
_IFLA_INFO_KIND = 1
# rtnl_link_stats64: packets, octets, errors and drops, received and sent; multicast
_STATS64 = struct.Struct("=9Q")
_MAC_OCTETS = 6
# A kernel may lack the first; an empty bridge keeps its carrier just as well.
_LOOPBACK_KINDS = ("dummy", "bridge")
_SYSCTL = Path("/proc/sys/net")
_REVERSE_PATH_OFF = "0"
_REVERSE_PATH_LOOSE = "2"
_LOST = ("lost-address", "lost-route")
_REMOVED_GROUP = 0x5E000000  # of devices (IFLA_GROUP) that go together; the process is in it
_BACKSTOP = "backstop"
_PROTOCOL = 94  # rtnetlink(7): none of those that FRR and the system take for their own
_BLACKHOLE = 6  # RTN_BLACKHOLE
_BACKSTOP_METRIC = 0xFF000000  # behind every other route; zebra takes the first octet for a distance: unusable
_SYSTEM_PROTOCOLS = (3, 4, 16)  # rtnetlink(7): boot (`ip route add`), static, DHCP; FRR and the kernel renew their own
_GONE = {errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENOENT, errno.ESRCH, errno.ENXIO}


@dataclass(frozen=True, slots=True)
class Link:
    """A network device; counters are the kernel's since the device was made."""

    index: int
    name: str
    kind: str | None  # "tun", "veth", "bridge", …; None for hardware
    admin_up: bool
    carrier: bool
    mtu: int
    mac: str | None
    packets_in: int
    packets_out: int
    octets_in: int
    octets_out: int
    multicast_in: int
    errors_in: int
    errors_out: int
    drops_in: int
    drops_out: int
    carrier_changes: int

    @property
    def up(self) -> bool:
        """Line protocol: administratively up, with carrier."""
        return self.admin_up and self.carrier


class Links(dict[str, Link]):
    """Devices by name, and by index: one look of a thousand tunnels asks for each of them."""

    _by_index: dict[int, Link] | None = None

    def at(self, index: int) -> Link | None:
        """The device with this index."""
        if self._by_index is None:
            self._by_index = {link.index: link for link in self.values()}
        return self._by_index.get(index)


def _at(links: Mapping[str, Link], index: int) -> Link | None:
    return next((link for link in links.values() if link.index == index), None)


@dataclass(frozen=True, slots=True)
class AddressEntry:
    """An address of a device. `ours`: the configuration set it; `secondary` as the kernel counts it (IPv4)."""

    interface: str
    address: InterfaceAddress
    secondary: bool
    link_local: bool
    ours: bool


@dataclass(frozen=True, slots=True)
class RouteLookup:
    """Which way the kernel would send. `mtu` in octets is the route's (a learnt path MTU), else the device's.

    `local`: the destination is this host.
    """

    interface: str
    source: Address | None
    gateway: Address | None
    mtu: int
    local: bool


class Netlink:
    """`ledger` is the file below the runtime directory where changes are noted, None for memory only."""

    def __init__(self, ledger: Path | None = None) -> None:
        self._ledger = Ledger(ledger)
        self._ipr: Any = None
        self._asking: Rtnetlink
        self._policy: PolicyRouting
        self._backstops: set[str] = set()

    async def open(self) -> None:
        self._asking = Rtnetlink()
        self._ipr = AsyncIPRoute()
        await self._ipr.setup_endpoint()
        self._policy = PolicyRouting(self._ipr, self._ledger)

    async def sweep(self) -> None:
        """After the start-up configuration is applied: undo what a killed daemon did and this one does not."""
        unclaimed = self._ledger.unclaimed()
        lost = [entry for entry in unclaimed if entry.kind in _LOST]
        for device in {entry.target for entry in lost}:
            link = await self.link(device)
            if link is not None and not link.admin_up:  # for when it is set up again
                unclaimed = [entry for entry in unclaimed if entry not in lost or entry.target != device]
        await self._undo_all(unclaimed)

    async def _undo_all(self, entries: list[Entry]) -> None:
        """Newest first; what the kernel forgot while a device was down comes last, addresses before routes.

        Raises `AdapterError` at the end, naming what could not be set back.
        """
        failed: list[str] = []
        changed = [entry for entry in entries if entry.kind not in _LOST]
        lost = [entry for entry in reversed(entries) if entry.kind in _LOST]
        for entry in (*changed, *sorted(lost, key=lambda entry: _LOST.index(entry.kind))):
            try:
                await self._undo(entry)
            except AdapterError as error:
                failed.append(str(error))
        if failed:
            raise AdapterError("; ".join(failed))

    async def close(self) -> None:
        """Undo everything, newest first. Raises `AdapterError` at the end, naming what could not be set back."""
        if self._ipr is None:
            return
        try:
            await self._undo_all(self._ledger.entries())
        finally:
            self._ipr.close()
            self._asking.close()
            self._ipr = None

    # --- questions

    async def links(self) -> Links:
        """Every device by name."""
        try:
            found = [_link(*row) for row in self._asking.links()]
        except OSError as error:
            raise AdapterError(f"devices cannot be listed: {error.strerror}") from None
        return Links((link.name, link) for link in found)

    async def link(self, name: str) -> Link | None:
        """One device, without asking for all of them."""
        try:
            return _link(*self._asking.link(name))
        except OSError as error:
            # ERANGE: no device has a name of that length, as GigabitEthernet0/0 would be without interfaces.map
            if error.errno in _GONE | {errno.ERANGE}:
                return None
            raise AdapterError(f"the device {name} cannot be looked up: {error.strerror}") from None

    async def addresses(
        self, interface: str | None = None, *, links: Mapping[str, Link] | None = None
    ) -> tuple[AddressEntry, ...]:
        """The addresses of one device, or of all, in the kernel's order: an IPv4 primary before its secondaries.

        `links` is what `links()` has just said, where that is known.
        """
        known = await self.links() if links is None else links
        names = {link.index: name for name, link in known.items()}
        ours = {(entry.target, entry.detail) for entry in self._ledger.entries() if entry.kind == "address"}
        try:
            rows = self._asking.addresses()
        except OSError as error:
            raise AdapterError(f"addresses cannot be listed: {error.strerror}") from None
        found = []
        for family, bits, flags, scope, index, attributes in rows:
            name = names.get(index)
            # A point-to-point address has its own in IFA_LOCAL and the peer's in IFA_ADDRESS.
            octets = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
            if name is None or octets is None or interface not in (None, name):
                continue
            address = ip_interface((octets, bits))
            found.append(
                AddressEntry(
                    interface=name,
                    address=address,
                    secondary=family == socket.AF_INET and bool(flags & _IFA_F_SECONDARY),
                    link_local=scope == _RT_SCOPE_LINK,
                    ours=(name, str(address)) in ours,
                )
            )
        return tuple(found)

    async def route_to(
        self, destination: Address, source: Address | None = None, *, links: Mapping[str, Link] | None = None
    ) -> RouteLookup | None:
        """The kernel's route for a packet to `destination` (from `source`); None where there is none.

        `links` is what `links()` has just said, where that is known.
        """
        try:
            kind, answer = self._asking.route(destination, source)
        except OSError as error:
            # No route at all, or one of type unreachable, prohibit or blackhole; or `source` is not an address here.
            if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.ENODEV):
                return None
            raise AdapterError(f"the route to {destination} cannot be looked up: {error.strerror}") from None
        if kind not in (_RTN_UNICAST, _RTN_LOCAL):
            return None
        index = number(answer.get(_RTA_OIF))
        known = await self.links() if links is None else links
        link = known.at(index) if isinstance(known, Links) else _at(known, index)
        if link is None:
            return None
        metrics = attributes_of(answer.get(_RTA_METRICS, b""))
        return RouteLookup(
            interface=link.name,
            source=address_of(answer.get(_RTA_PREFSRC)),
            gateway=address_of(answer.get(_RTA_GATEWAY)),
            mtu=number(metrics.get(_RTAX_MTU)) or link.mtu,
            local=kind == _RTN_LOCAL,
        )

    # --- addresses

    async def add_address(self, interface: str, address: InterfaceAddress) -> None:
        """Set an address; one that is there already is left as it is, and stays the system's if it was.

        For `ip unnumbered` give the borrowed address as a /32: it makes no route, so neither the lender's
        network nor the kernel's choice of source addresses on other devices changes.
        """
        entry = Entry("address", interface, str(address))
        index = await self._index(interface)
        ours = self._ledger.find("address", interface, str(address)) is not None
        self._ledger.record(entry)
        try:
            await self._ipr.addr("add", index=index, **_address_options(address))
        except NetlinkError as error:
            if not ours:
                self._ledger.forget(entry)
            if error.code != errno.EEXIST:
                raise AdapterError(f"{address} cannot be set on {interface}: {_reason(error)}") from None

    async def announce_address(self, interface: str, address: InterfaceAddress) -> None:
        """Have the kernel tell everybody who listens of an address that `add_address` set; nothing else changes."""
        if self._ledger.find("address", interface, str(address)) is None:
            return
        try:
            await self._ipr.addr("replace", index=await self._index(interface), **_address_options(address))
        except NetlinkError as error:
            raise AdapterError(f"{address} cannot be set again on {interface}: {_reason(error)}") from None

    def addresses_set(self, interface: str) -> tuple[InterfaceAddress, ...]:
        """What `add_address` set on a device and nobody has taken back."""
        return tuple(ip_interface(entry.detail) for entry in self._ledger.of(interface) if entry.kind == "address")

    async def remove_address(self, interface: str, address: InterfaceAddress) -> None:
        """Remove an address that `add_address` set; the operating system's own are left alone."""
        entry = self._ledger.find("address", interface, str(address))
        if entry is not None:
            await self._undo(entry)

    # --- devices

    async def set_up(self, interface: str) -> None:
        await self._set_state(interface, up=True)

    async def set_down(self, interface: str) -> None:
        await self._set_state(interface, up=False)

    async def _set_state(self, interface: str, *, up: bool) -> None:
        link = await self._link(interface)
        if link.admin_up == up:
            self._claim("up", interface)
            return
        if not up:
            await self._remember_what_goes(link)
        self._ledger.record(Entry("up", interface, before="up" if link.admin_up else "down"))
        async with _named(f"{interface} cannot be set {'up' if up else 'down'}"):
            await self._ipr.link("set", index=link.index, state="up" if up else "down")
        if up:
            await self._give_back(interface)

    async def restore_state(self, interface: str) -> None:
        """Let a device be up or down as it was before `set_up` and `set_down`."""
        entry = self._ledger.find("up", interface)
        if entry is not None:
            await self._undo(entry)
            await self._give_back(interface)

    async def _remember_what_goes(self, link: Link) -> None:
        """The kernel forgets the IPv6 addresses and the routes of a device that is set down: keep the system's own."""
        for held in await self.addresses(link.name):
            if held.address.version == 6 and not held.ours and not held.link_local:
                self._ledger.record(Entry("lost-address", link.name, str(held.address)))
        async with _named(f"the routes of {link.name} cannot be listed"):
            async for message in await self._ipr.route("dump", oif=link.index):
                if message["proto"] in _SYSTEM_PROTOCOLS and message.get("oif") == link.index:
                    route = {name: message.get(name) for name in ("dst", "gateway", "prefsrc", "priority", "table")}
                    route |= {"family": message["family"], "scope": message["scope"], "proto": message["proto"]}
                    if route["dst"] is not None:
                        route["dst"] = f"{route['dst']}/{message['dst_len']}"
                    kept = {name: value for name, value in route.items() if value is not None}
                    self._ledger.record(Entry("lost-route", link.name, json.dumps(kept, sort_keys=True)))

    async def _give_back(self, interface: str) -> None:
        lost = [entry for entry in self._ledger.of(interface) if entry.kind in _LOST]
        await self._undo_all(lost)

    async def set_mtu(self, interface: str, mtu: int) -> None:
        """The device's MTU in octets; `close` sets it back on devices that are not ours."""
        link = await self._link(interface)
        if link.mtu == mtu:
            self._claim("mtu", interface)
            return
        self._ledger.record(Entry("mtu", interface, before=str(link.mtu)))
        async with _named(f"{interface} cannot have an MTU of {mtu}"):
            await self._ipr.link("set", index=link.index, mtu=mtu)

    def _claim(self, kind: str, target: str) -> None:
        """What a killed daemon did is as this one wants it: `sweep` leaves it, `close` undoes it."""
        entry = self._ledger.find(kind, target)
        if entry is not None:
            self._ledger.record(entry)

    async def restore_mtu(self, interface: str) -> None:
        """Give a device the MTU back that it had before `set_mtu`."""
        entry = self._ledger.find("mtu", interface)
        if entry is not None:
            await self._undo(entry)

    async def create_loopback(self, name: str) -> None:
        """A device for `interface LoopbackN`: always with carrier, set up, and gone with the daemon."""
        entry = Entry("link", name)
        present = await self.link(name)
        if present is not None:
            if self._ledger.find("link", name) is None:
                raise AdapterError(f"{name} cannot be made: a device of this name is there already")
            self._ledger.record(entry)
            await self._ipr.link("set", index=present.index, state="up")
            return
        self._ledger.record(entry)
        for kind in _LOOPBACK_KINDS:
            try:
                await self._ipr.link("add", ifname=name, kind=kind)
                break
            except NetlinkError as error:
                if error.code != errno.EOPNOTSUPP or kind == _LOOPBACK_KINDS[-1]:
                    self._ledger.forget(entry)
                    raise AdapterError(f"{name} cannot be made: {_reason(error)}") from None
        await self._ipr.link("set", index=await self._index(name), state="up")

    async def remove_loopback(self, name: str) -> None:
        """Remove a device that `create_loopback` made, and its addresses with it."""
        entry = self._ledger.find("link", name)
        if entry is None:
            return
        await self._undo(entry)
        for other in self._ledger.of(name):
            self._ledger.forget(other)

    async def remove_devices(self, names: Iterable[str]) -> None:
        """Remove devices that somebody else here made and is about to give up, all at once.

        The kernel waits tens of milliseconds for all its processors with each removal it is asked for, be it of one
        device or of a thousand. Devices that are gone already are left out.
        """
        group = _REMOVED_GROUP | os.getpid()
        held = await self.links()
        chosen = [held[name].index for name in names if name in held]
        try:
            for index in chosen:
                await self._ipr.link("set", index=index, group=group)
            if chosen:
                await self._ipr.link("del", group=group)
        except NetlinkError as error:
            if error.code not in _GONE:
                raise AdapterError(f"devices cannot be removed: {_reason(error)}") from None

    def forget_device(self, name: str) -> None:
        """A device that somebody else made is gone (a tunnel's): there is nothing to undo on it any more."""
        for entry in self._ledger.of(name):
            self._ledger.forget(entry)

    # --- backstops

    async def set_backstops(self, networks: Iterable[IPv4Network]) -> None:
        """Have packets for these networks dropped where the kernel has no other route for them.

        A routing daemon puts its route to Null0 there when it learns that a better one is gone: the kernel takes routes
        away with a device or its carrier at once, and what leaves until then would leave in clear.
        """
        wanted = {str(network) for network in networks}
        held = {entry.target for entry in self._ledger.entries() if entry.kind == _BACKSTOP}
        for target in sorted(held - wanted):
            await self._undo(Entry(_BACKSTOP, target))
        for target in sorted(wanted):
            self._ledger.record(Entry(_BACKSTOP, target))
            if target not in self._backstops:
                async with _named(f"a route to Null0 for {target} cannot be set"):
                    await self._ipr.route("replace", **_backstop(target))
        self._backstops = wanted

    # --- policy routing

    async def set_crypto_route(self, routing: CryptoRouting, device: str, *, ipv6: bool = False) -> bool:
        """Route what has a crypto map's mark to the map's device, past the main table; again when the device is back.

        False where the device is away or down: what is marked is dropped until the next call, and not sent in clear.
        """
        link = await self.link(device)
        return await self._policy.set(routing, None if link is None else link.index, ipv6=ipv6)

    async def remove_crypto_route(self, routing: CryptoRouting) -> None:
        """Undo `set_crypto_route`."""
        await self._policy.remove(routing.table)

    # --- the kernel's switches

    def enable_forwarding(self) -> None:
        """Route IPv4 between interfaces."""
        self._set_sysctl("ipv4/ip_forward", "1")

    def forward_ipv6(self, forward: bool) -> None:
        """Route IPv6 too, or no longer; only on request, because it makes the host ignore router advertisements.

        Raises `AdapterError`.
        """
        self._switch("ipv6/conf/all/forwarding", forward)

    def loosen_reverse_path(self, interface: str) -> None:
        """Accept what comes out of a tunnel though the way back may be another, or none at the moment: a neighbour's
        address that nothing leads to but a route to Null0 has to get a word in first. Where the system filters on all
        interfaces, the loose mode is the least there is (RFC 3704 section 2.4), and takes no packets of such addresses.
        """
        everywhere = (_SYSCTL / "ipv4/conf/all/rp_filter").read_text().strip()
        value = _REVERSE_PATH_OFF if everywhere == _REVERSE_PATH_OFF else _REVERSE_PATH_LOOSE
        self._set_sysctl(f"ipv4/conf/{interface}/rp_filter", value, interface)

    def accept_own_sources(self, interface: str, accept: bool) -> None:
        """Take what comes in with an address of this host as its source, as a peer's GRE keepalive does; or no longer.

        Raises `AdapterError`.
        """
        self._switch(f"ipv4/conf/{interface}/accept_local", accept, interface)

    def set_ipv6(self, interface: str, wanted: bool) -> None:
        """Have IPv6 on a device or not: where it is, the kernel announces itself there, wanted or not."""
        name = f"ipv6/conf/{interface}/disable_ipv6"
        if wanted or (_SYSCTL / name).exists():
            self._set_sysctl(name, "0" if wanted else "1", interface)

    def _switch(self, name: str, on: bool, device: str = "") -> None:
        """Turn it on, or set it back to what it was before this router turned it on."""
        if on:
            self._set_sysctl(name, "1", device)
            return
        entry = self._ledger.find("sysctl", device, name) if device else self._ledger.find("sysctl", name)
        if entry is not None:
            self._write_sysctl(name, entry.before)
            self._ledger.forget(entry)

    def _set_sysctl(self, name: str, value: str, device: str = "") -> None:
        """`device` is whose it is: the entry goes with it."""
        path = _SYSCTL / name
        entry = Entry("sysctl", device, name) if device else Entry("sysctl", name)
        try:
            before = path.read_text().strip()
            if before == value:
                if self._ledger.find(entry.kind, entry.target, entry.detail) is not None:
                    self._ledger.record(entry)
                return
            self._ledger.record(replace(entry, before=before))
        except OSError as error:
            raise AdapterError(f"{path} cannot be set to {value}: {error.strerror}") from None
        self._write_sysctl(name, value)

    @staticmethod
    def _write_sysctl(name: str, value: str) -> None:
        path = _SYSCTL / name
        try:
            path.write_text(value)
        except OSError as error:
            raise AdapterError(f"{path} cannot be set to {value}: {error.strerror}") from None

    # --- undoing

    async def _undo(self, entry: Entry) -> None:
        try:
            if entry.kind == CRYPTO_ROUTE:
                await self._policy.undo(entry)
            elif entry.kind == _BACKSTOP:
                await self._ipr.route("del", **_backstop(entry.target))
            elif entry.kind == "sysctl":
                (_SYSCTL / (entry.detail or entry.target)).write_text(entry.before)
            else:
                link = await self.link(entry.target)
                if link is not None:
                    await self._undo_on(link, entry)
        except NetlinkError as error:
            again = entry.kind in _LOST and error.code == errno.EEXIST
            if error.code not in _GONE and not again:
                raise AdapterError(f"{entry.kind} of {entry.target} cannot be set back: {_reason(error)}") from None
        except OSError as error:
            if error.errno not in _GONE:
                raise AdapterError(f"{entry.kind} of {entry.target} cannot be set back: {error.strerror}") from None
        self._ledger.forget(entry)

    async def _undo_on(self, link: Link, entry: Entry) -> None:
        if entry.kind == "link":
            await self._ipr.link("del", index=link.index)
        elif entry.kind == "address":
            address = ip_interface(entry.detail)
            await self._ipr.addr("del", index=link.index, address=str(address.ip), prefixlen=address.network.prefixlen)
        elif entry.kind == "mtu":
            await self._ipr.link("set", index=link.index, mtu=int(entry.before))
        elif entry.kind == "up":
            await self._ipr.link("set", index=link.index, state=entry.before)
        elif entry.kind == "lost-address":
            address = ip_interface(entry.detail)
            options = {"address": str(address.ip), "prefixlen": address.network.prefixlen, "flags": _IFA_F_NODAD}
            await self._ipr.addr("add", index=link.index, **options)
        elif entry.kind == "lost-route":
            await self._ipr.route("add", oif=link.index, **json.loads(entry.detail))

    async def _link(self, interface: str) -> Link:
        link = await self.link(interface)
        if link is None:
            raise AdapterError(f"there is no device {interface}")
        return link

    async def _index(self, interface: str) -> int:
        return (await self._link(interface)).index


def _backstop(target: str) -> dict[str, Any]:
    return {"dst": target, "type": _BLACKHOLE, "priority": _BACKSTOP_METRIC, "proto": _PROTOCOL}


@asynccontextmanager
async def _named(what: str) -> AsyncIterator[None]:
    try:
        yield
    except NetlinkError as error:
        raise AdapterError(f"{what}: {_reason(error)}") from None


def _address_options(address: InterfaceAddress) -> dict[str, Any]:
    """What a request of rtnetlink(7) says of an address."""
    options: dict[str, Any] = {"address": str(address.ip), "prefixlen": address.network.prefixlen}
    if isinstance(address, IPv6Interface):
        # Usable at once: a tunnel's source must not wait for duplicate address detection.
        options["flags"] = _IFA_F_NODAD | _IFA_F_PERMANENT
    elif address.network.prefixlen < 31:
        options["broadcast"] = str(address.network.broadcast_address)
    return options


def _reason(error: NetlinkError) -> str:
    if error.code in (errno.EPERM, errno.EACCES):
        return "seikan needs root"
    return str(error.args[1] if len(error.args) > 1 else error)


def _link(index: int, flags: int, attributes: Attributes) -> Link:
    kind = attributes_of(attributes.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND)
    mac = attributes.get(_IFLA_ADDRESS, b"")
    counted = attributes.get(_IFLA_STATS64, b"")
    counters = _STATS64.unpack_from(counted) if len(counted) >= _STATS64.size else (0,) * 9
    return Link(
        index=index,
        name=text(attributes.get(_IFLA_IFNAME)) or "",
        kind=text(kind),
        admin_up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP) or bool(number(attributes.get(_IFLA_CARRIER))),
        mtu=number(attributes.get(_IFLA_MTU)),
        mac=mac.hex(":") if len(mac) == _MAC_OCTETS else None,
        packets_in=counters[0],
        packets_out=counters[1],
        octets_in=counters[2],
        octets_out=counters[3],
        errors_in=counters[4],
        errors_out=counters[5],
        drops_in=counters[6],
        drops_out=counters[7],
        multicast_in=counters[8],
        carrier_changes=number(attributes.get(_IFLA_CARRIER_CHANGES)),
    )
