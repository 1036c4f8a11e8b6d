"""show ip ospf: the process, its neighbors and its interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import FRR_SILENT, age, area_name, argument, clock, find_interface, link_words, pad, plural
from seikan.cli.status import Need, OspfInterfaceStatus, OspfNeighbor, OspfStatus, Status
from seikan.config.model import OspfAuthentication, OspfProcess
from seikan.config.names import short

OSPF = frozenset({Need.OSPF})
WITH_INTERFACES = OSPF | {Need.INTERFACES}

_STATES = {"P2P": "POINT_TO_POINT", "LOOP": "LOOPBACK", "WAIT": "WAITING"}
_BACKBONE = IPv4Address(0)


def _processes(status: Status, arguments: Arguments) -> tuple[OspfStatus, ...]:
    wanted = argument(arguments, "process")
    return tuple(row for row in status.ospf or () if wanted is None or row.process == wanted)


def _silent(status: Status) -> bool:
    """FRR owes an answer: a process is configured and none runs."""
    return status.ospf is None


def show_neighbors(status: Status, arguments: Arguments) -> Iterator[str]:
    if _silent(status):
        yield FRR_SILENT
        return
    neighbors = list(_neighbors(status, arguments))
    if not neighbors:
        return
    yield ""
    yield "Neighbor ID     Pri   State           Dead Time   Address         Interface"
    for row in neighbors:
        yield (
            f"{row.router_id!s:<16}{row.priority:>3}   {pad(row.state, 16)}{clock(row.dead_time):<12}"
            f"{row.address!s:<16}{row.interface}"
        )


def _neighbors(status: Status, arguments: Arguments) -> Iterator[OspfNeighbor]:
    interface, router = argument(arguments, "interface"), argument(arguments, "router")
    for process in _processes(status, arguments):
        for row in process.neighbors:
            if (interface is None or row.interface == str(interface)) and (router is None or row.router_id == router):
                yield row


def show_neighbors_detail(status: Status, arguments: Arguments) -> Iterator[str]:
    if _silent(status):
        yield FRR_SILENT
        return
    for row in _neighbors(status, arguments):
        yield f" Neighbor {row.router_id}, interface address {row.address}"
        yield f"    In the area {area_name(row.area)} via interface {row.interface}"
        changes = "" if row.state_changes is None else f", {row.state_changes} state changes"
        yield f"    Neighbor priority is {row.priority}, State is {row.state.partition('/')[0]}{changes}"
        yield f"    DR is {row.designated or _BACKBONE} BDR is {row.backup or _BACKBONE}"
        if row.options is not None:
            yield f"    Options is 0x{row.options:X}"
        yield f"    Dead timer due in {clock(row.dead_time)}"
        if row.uptime is not None:
            yield f"    Neighbor is up for {age(row.uptime)}"
        if row.retransmission_queue is not None:
            queue = row.retransmission_queue
            yield f"    Index 1/1, retransmission queue length {queue}, number of retransmission 0"


def _interfaces(status: Status, arguments: Arguments) -> Iterator[OspfInterfaceStatus]:
    interface = argument(arguments, "interface")
    for process in _processes(status, arguments):
        for row in process.interfaces:
            if interface is None or row.name == str(interface):
                yield row


def show_interfaces_brief(status: Status, arguments: Arguments) -> Iterator[str]:
    """An unnumbered interface has 0.0.0.0/0 here."""
    if _silent(status):
        yield FRR_SILENT
        return
    yield "Interface    PID   Area            IP Address/Mask    Cost  State Nbrs F/C"
    for row in _interfaces(status, arguments):
        address = str(row.address) if row.address is not None and row.unnumbered is None else f"{_BACKBONE}/0"
        yield (
            f"{pad(short(row.name), 13)}{row.process:<6}{pad(area_name(row.area), 16)}{pad(address, 19)}{row.cost:<6}"
            f"{pad(row.state, 6)}{len(row.adjacent)}/{row.neighbors}"
        )


def show_interfaces(status: Status, arguments: Arguments) -> Iterator[str]:
    if _silent(status):
        yield FRR_SILENT
        return
    rows = list(_interfaces(status, arguments))
    if not rows and argument(arguments, "interface") is not None:
        yield f"%OSPF: OSPF not enabled on {argument(arguments, 'interface')}"
    for row in rows:
        yield from _interface(status, row)


def _interface(status: Status, row: OspfInterfaceStatus) -> Iterator[str]:
    device = find_interface(status, row.name)
    state, protocol = link_words(device) if device is not None else (("up", "up") if row.up else ("up", "down"))
    yield f"{row.name} is {state}, line protocol is {protocol} "
    if row.unnumbered is not None:
        yield f"  Interface is unnumbered, Area {area_name(row.area)}"
        borrowed = f" ({row.address.ip})" if row.address is not None else ""
        yield f"  Using address of {row.unnumbered}{borrowed}"
    elif row.address is not None:
        yield f"  Internet Address {row.address}, Area {area_name(row.area)}"
    config = status.in_force.interfaces.get(row.name)
    explicit = config is not None and config.ospf.process is not None
    yield f"  Attached via {'Interface Enable' if explicit else 'Network Statement'}"
    yield (f"  Process ID {row.process}, Router ID {row.router_id}, Network Type {row.network_type}, Cost: {row.cost}")
    if row.network_type == "LOOPBACK":
        yield "  Loopback interface is treated as a stub Host"
        return
    broadcast = row.network_type in ("BROADCAST", "NON_BROADCAST")
    priority = f", Priority {row.priority}" if broadcast else ""
    yield f"  Transmit Delay is {row.transmit_delay} sec, State {_STATES.get(row.state, row.state)}{priority}"
    if broadcast:
        yield from _designated(row)
    yield (
        f"  Timer intervals configured, Hello {row.hello}, Dead {row.dead}, Wait {row.wait},"
        f" Retransmit {row.retransmit}"
    )
    if row.passive:
        yield "    No Hellos (Passive interface) "
    elif row.hello_due is not None:
        yield f"    Hello due in {clock(row.hello_due)}"
    yield f"  Neighbor Count is {row.neighbors}, Adjacent neighbor count is {len(row.adjacent)} "
    for neighbor in row.adjacent:
        role = ""
        if row.designated is not None and row.designated[0] == neighbor:
            role = "  (Designated Router)"
        elif row.backup is not None and row.backup[0] == neighbor:
            role = "  (Backup Designated Router)"
        yield f"    Adjacent with neighbor {neighbor}{role}"
    yield "  Suppress hello for 0 neighbor(s)"
    if row.authentication == "message-digest":
        yield "  Message digest authentication enabled"
    elif row.authentication == "simple":
        yield "  Simple password authentication enabled"
    if not row.mtu_mismatch_detection:
        yield "  MTU mismatch detection is disabled"


def _designated(row: OspfInterfaceStatus) -> Iterator[str]:
    for title, none, router in (
        ("Designated Router", "No designated router on this network", row.designated),
        ("Backup Designated router", "No backup designated router on this network", row.backup),
    ):
        yield f"  {title} (ID) {router[0]}, Interface address {router[1]}" if router is not None else f"  {none}"


def show_process(status: Status, arguments: Arguments) -> Iterator[str]:
    if _silent(status):
        yield FRR_SILENT
        return
    for row in _processes(status, arguments):
        yield from _process(status, row)


def _process(status: Status, row: OspfStatus) -> Iterator[str]:
    config = status.running.ospf.get(row.process) or OspfProcess(row.process)
    stubs = {area.area for area in config.areas if area.stub}
    yield f' Routing Process "ospf {row.process}" with ID {row.router_id}'
    if row.uptime is not None:
        yield f" Start time: {clock(max(0.0, status.uptime - row.uptime))}.000, Time elapsed: {age(row.uptime)}"
    yield " Supports only single TOS(TOS0) routes"
    yield " Supports opaque LSA"
    boundary = bool(config.redistribute) or config.default_information is not None
    kinds = [
        name for name, holds in (("area border", len(row.areas) > 1), ("autonomous system boundary", boundary)) if holds
    ]
    if kinds:
        yield f" It is an {' and '.join(kinds)} router"
    if config.redistribute:
        yield " Redistributing External Routes from,"
        for words in config.redistribute:
            subnets = ", includes subnets in redistribution" if "subnets" in words.split() else ""
            yield f"    {words.split()[0] if words.split() else words}{subnets}"
    external = [lsa for lsa in row.database if lsa.kind == 5]
    yield f" Number of external LSA {len(external)}. Checksum Sum 0x{sum(lsa.checksum for lsa in external):06X}"
    stub_count = len(stubs & set(row.areas))
    yield (
        f" Number of areas in this router is {len(row.areas)}."
        f" {len(row.areas) - stub_count} normal {stub_count} stub 0 nssa"
    )
    yield f" Reference bandwidth unit is {config.reference_bandwidth or 100} mbps"
    for area in row.areas:
        yield from _area(row, config, area, area in stubs)


def _area(row: OspfStatus, config: OspfProcess, area: IPv4Address, stub: bool) -> Iterator[str]:
    interfaces = [interface for interface in row.interfaces if interface.area == area]
    loopbacks = sum(interface.network_type == "LOOPBACK" for interface in interfaces)
    authentication = next((entry.authentication for entry in config.areas if entry.area == area), None)
    lsas = [lsa for lsa in row.database if lsa.area == area]
    yield f"    Area {f'BACKBONE({area})' if area == _BACKBONE else area_name(area)}"
    of_these = f" ({loopbacks} loopback)" if loopbacks else ""
    yield f"        Number of interfaces in this area is {len(interfaces)}{of_these}"
    if stub:
        yield "        It is a stub area"
    if authentication is OspfAuthentication.MESSAGE_DIGEST:
        yield "        Area has message digest authentication"
    elif authentication is OspfAuthentication.SIMPLE:
        yield "        Area has simple password authentication"
    else:
        yield "        Area has no authentication"
    if row.spf_age is not None:
        yield f"        SPF algorithm last executed {age(row.spf_age)} ago"
    if row.spf_runs is not None:
        yield f"        SPF algorithm executed {plural(row.spf_runs, 'time')}"
    yield "        Area ranges are"
    yield f"        Number of LSA {len(lsas)}. Checksum Sum 0x{sum(lsa.checksum for lsa in lsas):06X}"


_HELP = {
    "show": "Show running system information",
    "ip": "IP information",
    "ospf": "OSPF information",
    "neighbor": "Neighbor list",
    "detail": "detail of all neighbors",
    "<router>": "Neighbor ID",
    "interface": "Interface information",
    "brief": "Summary of interfaces",
    "<process>": "Process ID number",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show ip ospf [<process:number(1-65535)>]", _HELP, OSPF, show_process),
    ShowCommand("show ip ospf neighbor", _HELP, OSPF, show_neighbors),
    ShowCommand("show ip ospf neighbor detail", _HELP, OSPF, show_neighbors_detail),
    ShowCommand("show ip ospf neighbor <router:ipv4>", _HELP, OSPF, show_neighbors_detail),
    ShowCommand("show ip ospf neighbor <interface:interface>", _HELP, OSPF, show_neighbors),
    ShowCommand("show ip ospf neighbor <interface:interface> detail", _HELP, OSPF, show_neighbors_detail),
    ShowCommand("show ip ospf interface", _HELP, WITH_INTERFACES, show_interfaces),
    ShowCommand("show ip ospf interface brief", _HELP, OSPF, show_interfaces_brief),
    ShowCommand("show ip ospf interface <interface:interface>", _HELP, WITH_INTERFACES, show_interfaces),
    ShowCommand("show ip ospf interface <interface:interface> brief", _HELP, OSPF, show_interfaces_brief),
)
