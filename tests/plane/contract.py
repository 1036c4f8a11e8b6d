"""What every plane must do, whatever is behind it; each plane's test module derives from `PlaneContract`."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from seikan.plane.base import (
    Direction,
    Encapsulation,
    EventKind,
    Plane,
    PlaneError,
    PlaneEvent,
    Policy,
    SecurityAssociation,
    TunnelMode,
    TunnelParameters,
)
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret
from seikan.wire.selector import Selector

LIMIT = 10.0  # seconds that an event may take

HERE, THERE = ip_address("127.0.0.2"), ip_address("127.0.0.3")
TUNNEL = TunnelParameters("skt0", TunnelMode.IPSEC, HERE, THERE, mtu=1400)

WEB = Policy(10, Selector(ip_network("10.1.0.0/16"), ip_network("10.2.0.0/16"), 6, 0, 80))
SITES = Policy(20, Selector(ip_network("10.1.0.0/16"), ip_network("10.2.0.0/16")))
SITES6 = Policy(0xFFFF0001, Selector(ip_network("2001:db8:1::/48"), ip_network("2001:db8:2::/48")))
MAP = replace(TUNNEL, destination=ip_address("0.0.0.0"), policies=(WEB, SITES, SITES6))


def association(direction: Direction, spi: int, tunnel: str = "skt0") -> SecurityAssociation:
    """AES-CBC-128 with HMAC-SHA1-96 between the two addresses of `TUNNEL`."""
    return SecurityAssociation(
        tunnel,
        direction,
        spi,
        HERE,
        THERE,
        ENCRYPTION_BY_NAME["aes-cbc-128"],
        Secret(bytes(16)),
        INTEGRITY_BY_NAME["hmac-sha1-96"],
        Secret(bytes(20)),
    )


def readable(plane: Plane) -> bool:
    """Whether the plane's descriptor polls readable now."""
    return bool(select.select([plane.fileno()], [], [], 0)[0])


class PlaneContract:
    """Each test gets a fresh `plane` from the deriving module's fixture."""

    def arrive(self, plane: Plane, spi: int) -> None:
        """A packet with this SPI comes from the peer of `TUNNEL`; whether it is authentic is the plane's."""
        raise NotImplementedError

    def reported(self, plane: Plane, count: int) -> list[int | None]:
        """The SPIs of `count` events about unknown ones; a packet that is not authentic has events of its own."""
        spis: list[int | None] = []
        while len(spis) < count:
            assert select.select([plane.fileno()], [], [], LIMIT)[0]
            events = [event for event in plane.poll() if isinstance(event, PlaneEvent)]
            spis += [event.spi for event in events if event.kind is EventKind.UNKNOWN_SPI]
        return spis

    def test_packets_of_a_reserved_spi_wait_for_its_sa(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        plane.reserve_spi(0x1001)
        for spi in (0x1001, 0x1001, 0x1001, 0x1002):
            self.arrive(plane, spi)
        # Packets of one tunnel are looked at in their order: those before the stranger are held.
        assert self.reported(plane, 1) == [0x1002]
        assert plane.drops() == {"unknown-spi": 1}
        plane.add_sa(association(Direction.OUT, 0x1001))
        assert plane.sa_counters(Direction.OUT, 0x1001, "skt0").packets == 0
        plane.add_sa(association(Direction.IN, 0x1001))
        counters = plane.sa_counters(Direction.IN, 0x1001, "skt0")
        assert counters.packets + sum(counters.errors.values()) == 3
        plane.remove_sa(Direction.IN, 0x1001, "skt0")
        self.arrive(plane, 0x1001)
        assert self.reported(plane, 1) == [0x1001], "with its SA a reservation ends"
        assert plane.drops() == {"unknown-spi": 2}

    def test_no_more_packets_than_64_wait_for_an_sa(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        plane.reserve_spi(0x1001)
        for _ in range(65):
            self.arrive(plane, 0x1001)
        assert self.reported(plane, 1) == [0x1001]
        assert plane.drops() == {"hold-full": 1}
        plane.add_sa(association(Direction.IN, 0x1001))
        counters = plane.sa_counters(Direction.IN, 0x1001, "skt0")
        assert counters.packets + sum(counters.errors.values()) == 64

    def test_spis_are_reserved_as_often_as_one_likes(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        with pytest.raises(PlaneError, match="0x000000ff is reserved"):
            plane.reserve_spi(0xFF)
        for spi in range(0x1001, 0x1001 + 4097):
            plane.reserve_spi(spi)
            plane.reserve_spi(spi)
        self.arrive(plane, 0x1001)
        assert self.reported(plane, 1) == [0x1001], "the oldest has given way"
        for spi in (0x1002, 0xF0000):
            self.arrive(plane, spi)
        assert self.reported(plane, 1) == [0xF0000]
        plane.reserve_spi(0xF0001)
        assert self.reported(plane, 1) == [0x1002], "and with it what was held"
        assert plane.drops() == {"unknown-spi": 2, "hold-full": 1}
        plane.add_sa(association(Direction.IN, 0x1003))
        plane.reserve_spi(0x1003)
        assert plane.sa_counters(Direction.IN, 0x1003, "skt0").packets == 0

    def test_counters_start_at_zero(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        plane.add_sa(association(Direction.OUT, 0x1001))
        counters = plane.tunnel_counters("skt0")
        assert (counters.packets_in, counters.packets_out, counters.octets_in, counters.octets_out) == (0, 0, 0, 0)
        assert counters.drops == {}
        sa = plane.sa_counters(Direction.OUT, 0x1001, "skt0")
        assert (sa.packets, sa.octets, sa.errors, sa.last_used) == (0, 0, {}, 0.0)
        assert plane.drops() == {}

    def test_a_device_is_made_once_and_removed_with_its_sas(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        with pytest.raises(PlaneError, match="skt0 exists already"):
            plane.create_tunnel(TUNNEL)
        plane.add_sa(association(Direction.IN, 0x1001))
        plane.remove_tunnel("skt0")
        with pytest.raises(PlaneError, match="no tunnel skt0"):
            plane.tunnel_counters("skt0")
        plane.create_tunnel(TUNNEL)
        plane.add_sa(association(Direction.IN, 0x1001))

    def test_what_is_not_there_is_an_error(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        for direction in Direction:
            with pytest.raises(PlaneError, match="0x00001001 on skt0"):
                plane.remove_sa(direction, 0x1001, "skt0")
            with pytest.raises(PlaneError, match="0x00001001 on skt0"):
                plane.sa_counters(direction, 0x1001, "skt0")
            with pytest.raises(PlaneError, match="0x00001001 on skt0"):
                plane.update_endpoint(direction, 0x1001, "skt0", HERE, THERE, None)
        for call in (plane.remove_tunnel, plane.tunnel_counters):
            with pytest.raises(PlaneError, match="no tunnel nowhere"):
                call("nowhere")
        with pytest.raises(PlaneError, match="no tunnel nowhere"):
            plane.set_carrier("nowhere", True)
        with pytest.raises(PlaneError, match="no tunnel nowhere"):
            plane.add_sa(association(Direction.OUT, 0x1001, "nowhere"))

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"mtu": 67}, "67 octets"),
            ({"mtu": 65536}, "65536 octets"),
            ({"ttl": 0}, "TTL of 0"),
            ({"device": "sixteen-letters-"}, "no interface name"),
            ({"device": "a b"}, "no interface name"),
            ({"destination": ip_address("::1")}, "two address families"),
        ],
    )
    def test_wrong_parameters_are_refused_in_one_line(self, plane: Plane, change: dict[str, object], text: str) -> None:
        with pytest.raises(PlaneError, match=text) as caught:
            plane.create_tunnel(replace(TUNNEL, **change))  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"spi": 255}, "reserved"),
            ({"replay_window": 4097}, "4097"),
            ({"encryption_key": Secret(bytes(15))}, "16 octets, not 15"),
            ({"integrity_key": Secret(bytes(16))}, "20 octets, not 16"),
            ({"integrity": None}, "needs an integrity algorithm"),
            ({"encryption": ENCRYPTION_BY_NAME["aes-gcm-16-128"], "encryption_key": Secret(bytes(20))}, "its own"),
            ({"remote": ip_address("::1")}, "two address families"),
            ({"encapsulation": Encapsulation(4500, 4500)}, "port 4500"),
        ],
    )
    def test_wrong_sas_are_refused_in_one_line(self, plane: Plane, change: dict[str, object], text: str) -> None:
        plane.create_tunnel(TUNNEL)
        with pytest.raises(PlaneError, match=text) as caught:
            plane.add_sa(replace(association(Direction.OUT, 0x1001), **change))  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)

    def test_inbound_spis_are_unique_and_outbound_ones_within_a_tunnel(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        plane.create_tunnel(replace(TUNNEL, device="skt1", destination=ip_address("127.0.0.4")))
        for direction in Direction:
            plane.add_sa(association(direction, 0x1001))
            with pytest.raises(PlaneError, match="0x00001001"):
                plane.add_sa(association(direction, 0x1001))
        plane.add_sa(association(Direction.OUT, 0x1001, "skt1"))
        with pytest.raises(PlaneError, match="in use on skt0"):
            plane.add_sa(association(Direction.IN, 0x1001, "skt1"))

    def test_sas_stay_unless_mode_or_endpoints_change(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        plane.add_sa(association(Direction.IN, 0x1001))
        plane.add_sa(association(Direction.OUT, 0x1002))
        plane.update_tunnel(replace(TUNNEL, mtu=1300, ttl=64, tos=0x20))
        assert plane.sa_counters(Direction.IN, 0x1001, "skt0").packets == 0
        plane.update_tunnel(replace(TUNNEL, destination=ip_address("127.0.0.5")))
        for direction, spi in ((Direction.IN, 0x1001), (Direction.OUT, 0x1002)):
            with pytest.raises(PlaneError):
                plane.sa_counters(direction, spi, "skt0")

    def test_gre_takes_no_sa_and_needs_distinct_keys(self, plane: Plane) -> None:
        gre = replace(TUNNEL, mode=TunnelMode.GRE)
        plane.create_tunnel(gre)
        with pytest.raises(PlaneError, match="needs mode ipsec"):
            plane.add_sa(association(Direction.OUT, 0x1001))
        with pytest.raises(PlaneError, match="give one a key"):
            plane.create_tunnel(replace(gre, device="skt1"))
        plane.create_tunnel(replace(gre, device="skt1", key=7))
        plane.update_tunnel(TUNNEL)
        plane.add_sa(association(Direction.OUT, 0x1001))

    def test_an_sa_is_for_one_of_the_tunnels_policies(self, plane: Plane) -> None:
        plane.create_tunnel(MAP)
        with pytest.raises(PlaneError, match="skt0 has policies: an SA needs the number of one"):
            plane.add_sa(association(Direction.OUT, 0x1001))
        for direction in Direction:
            with pytest.raises(PlaneError, match="skt0 has no policy 30"):
                plane.add_sa(replace(association(direction, 0x1001), policy=30))
            for spi, policy in ((0x1001, WEB), (0x1002, SITES), (0x1003, SITES6)):
                plane.add_sa(replace(association(direction, spi), policy=policy.number))
            with pytest.raises(PlaneError, match="0x00001001"):
                plane.add_sa(replace(association(direction, 0x1001), policy=SITES.number))
            plane.update_endpoint(direction, 0x1002, "skt0", HERE, ip_address("127.0.0.9"), None)
            assert plane.sa_counters(direction, 0x1002, "skt0").packets == 0
            plane.remove_sa(direction, 0x1002, "skt0")
            with pytest.raises(PlaneError, match="0x00001002 on skt0"):
                plane.remove_sa(direction, 0x1002, "skt0")
        plane.create_tunnel(replace(TUNNEL, device="skt1"))
        with pytest.raises(PlaneError, match="skt1 has no policy 10"):
            plane.add_sa(replace(association(Direction.OUT, 0x1001, "skt1"), policy=10))

    def test_policies_have_counters_of_their_own(self, plane: Plane) -> None:
        plane.create_tunnel(MAP)
        counters = plane.policy_counters("skt0", SITES6.number)
        assert (counters.packets_in, counters.packets_out, counters.octets_in, counters.octets_out) == (0, 0, 0, 0)
        assert counters.drops == {}
        with pytest.raises(PlaneError, match="skt0 has no policy 30"):
            plane.policy_counters("skt0", 30)
        with pytest.raises(PlaneError, match="no tunnel nowhere"):
            plane.policy_counters("nowhere", 10)

    @pytest.mark.parametrize(
        ("change", "gone"),
        [
            ({"mtu": 1300}, set()),
            ({"policies": (SITES6, SITES, WEB)}, set()),
            ({"policies": (WEB, SITES)}, {SITES6.number}),
            ({"policies": (WEB, replace(SITES, number=21), SITES6)}, {SITES.number}),
            # Another selector is another policy: its SAs were not negotiated for this traffic.
            ({"policies": (WEB, replace(SITES, selector=WEB.selector), SITES6)}, {SITES.number}),
            ({"policies": ()}, {WEB.number, SITES.number, SITES6.number}),
            ({"source": ip_address("127.0.0.4")}, {WEB.number, SITES.number, SITES6.number}),
        ],
    )
    def test_only_sas_of_policies_that_vanish_go(self, plane: Plane, change: dict[str, object], gone: set[int]) -> None:
        plane.create_tunnel(MAP)
        spis = {policy.number: 0x1001 + at for at, policy in enumerate(MAP.policies)}
        for number, spi in spis.items():
            for direction in Direction:
                plane.add_sa(replace(association(direction, spi), policy=number))
        plane.update_tunnel(replace(MAP, **change))  # type: ignore[arg-type]
        for number, spi in spis.items():
            for direction in Direction:
                if number in gone:
                    with pytest.raises(PlaneError, match=f"{spi:#010x} on skt0"):
                        plane.sa_counters(direction, spi, "skt0")
                else:
                    plane.sa_counters(direction, spi, "skt0")

    def test_a_tunnel_gets_policies_and_loses_its_sas(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        for direction in Direction:
            plane.add_sa(association(direction, 0x1001))
        plane.update_tunnel(replace(TUNNEL, policies=(SITES,)))
        for direction in Direction:
            with pytest.raises(PlaneError, match="0x00001001 on skt0"):
                plane.sa_counters(direction, 0x1001, "skt0")
            plane.add_sa(replace(association(direction, 0x1001), policy=SITES.number))

    def test_wrong_policies_are_refused_in_one_line(self, plane: Plane) -> None:
        with pytest.raises(PlaneError, match="skt0 is in mode gre: policies need mode ipsec"):
            plane.create_tunnel(replace(TUNNEL, mode=TunnelMode.GRE, policies=(SITES,)))
        with pytest.raises(PlaneError, match="policy 10 is twice on skt0: give each a number of its own"):
            plane.create_tunnel(replace(TUNNEL, policies=(WEB, replace(SITES, number=10))))
        plane.create_tunnel(MAP)

    def test_gre_tunnels_share_the_sas_of_their_bundle(self, plane: Plane) -> None:
        first = replace(TUNNEL, mode=TunnelMode.GRE, bundle="shared", key=1)
        second = replace(first, device="skt1", key=2)
        plane.create_tunnel(first)
        plane.create_tunnel(second)
        with pytest.raises(PlaneError, match="no tunnel skt9"):
            plane.add_sa(association(Direction.OUT, 0x1001, "skt9"))
        with pytest.raises(PlaneError, match="skt0 is in mode gre"):
            plane.add_sa(association(Direction.OUT, 0x1001, "skt0"))
        for direction in Direction:
            plane.add_sa(replace(association(direction, 0x1001, "shared"), transport=True))
            plane.add_sa(association(direction, 0x1002, "shared"))
            with pytest.raises(PlaneError, match="0x00001001"):
                plane.add_sa(association(direction, 0x1001, "shared"))
            plane.update_endpoint(direction, 0x1001, "shared", HERE, ip_address("127.0.0.9"), None)
            plane.remove_sa(direction, 0x1002, "shared")
            with pytest.raises(PlaneError, match="0x00001002 on shared"):
                plane.sa_counters(direction, 0x1002, "shared")
        plane.remove_tunnel("skt0")
        assert plane.sa_counters(Direction.IN, 0x1001, "shared").packets == 0, "the other tunnel still names it"
        plane.update_tunnel(replace(second, bundle=None))
        for direction in Direction:
            with pytest.raises(PlaneError, match="0x00001001 on shared"):
                plane.sa_counters(direction, 0x1001, "shared")
        with pytest.raises(PlaneError, match="no tunnel shared"):
            plane.add_sa(association(Direction.OUT, 0x1001, "shared"))

    def test_a_bundle_s_sas_go_with_the_endpoints_and_stay_otherwise(self, plane: Plane) -> None:
        gre = replace(TUNNEL, mode=TunnelMode.GRE, bundle="skt0")
        plane.create_tunnel(gre)
        for change in ({"destination": ip_address("127.0.0.5")}, {"mode": TunnelMode.IPSEC}):
            plane.update_tunnel(gre)
            for direction in Direction:
                plane.add_sa(association(direction, 0x1001))
            plane.update_tunnel(replace(gre, mtu=1300, key=5))
            assert plane.sa_counters(Direction.IN, 0x1001, "skt0").packets == 0
            plane.update_tunnel(replace(gre, **change))
            for direction in Direction:
                with pytest.raises(PlaneError, match="0x00001001 on skt0"):
                    plane.sa_counters(direction, 0x1001, "skt0")

    @pytest.mark.parametrize("bundle", ["elsewhere", None])
    def test_a_tunnel_that_leaves_a_bundle_leaves_the_sas_to_the_others(self, plane: Plane, bundle: str | None) -> None:
        first = replace(TUNNEL, mode=TunnelMode.GRE, bundle="shared", key=1)
        plane.create_tunnel(first)
        plane.create_tunnel(replace(first, device="skt1", key=2))
        for direction in Direction:
            plane.add_sa(association(direction, 0x1001, "shared"))
        plane.update_tunnel(replace(first, bundle=bundle, destination=ip_address("127.0.0.5")))
        for direction in Direction:
            assert plane.sa_counters(direction, 0x1001, "shared").packets == 0
        plane.update_tunnel(replace(first, device="skt1", key=2, destination=ip_address("127.0.0.6")))
        with pytest.raises(PlaneError, match="0x00001001 on shared"):
            plane.sa_counters(Direction.OUT, 0x1001, "shared")

    def test_wrong_bundles_are_refused_in_one_line(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        gre = replace(TUNNEL, device="skt1", mode=TunnelMode.GRE, bundle="shared", destination=ip_address("127.0.0.4"))
        with pytest.raises(PlaneError, match="skt0 has a bundle called skt0: skt1 needs one of another name"):
            plane.create_tunnel(replace(gre, bundle="skt0"))
        with pytest.raises(PlaneError, match="skt1 is in mode ipsec: its SAs are its own, it takes no bundle"):
            plane.create_tunnel(replace(gre, mode=TunnelMode.IPSEC))
        with pytest.raises(PlaneError, match="skt0 is in mode ipsec: an SA in transport mode is for GRE tunnels"):
            plane.add_sa(replace(association(Direction.OUT, 0x1001), transport=True))
        plane.create_tunnel(gre)
        with pytest.raises(PlaneError, match="skt1 shares the SAs of skt2 and has the same GRE key: give one a key"):
            plane.create_tunnel(replace(gre, device="skt2", destination=ip_address("127.0.0.5")))
        with pytest.raises(PlaneError, match="skt1 has the same GRE source, destination and key as skt2"):
            plane.create_tunnel(replace(gre, device="skt2", bundle=None))
        with pytest.raises(PlaneError, match="shared has no policy 1"):
            plane.add_sa(replace(association(Direction.OUT, 0x1001, "shared"), policy=1))
        plane.create_tunnel(replace(gre, device="skt2", key=1))

    def test_keepalives_are_for_gre_and_no_packets_of_the_tunnel(self, plane: Plane) -> None:
        with pytest.raises(PlaneError, match="no tunnel skt0"):
            plane.send_keepalive("skt0")
        plane.create_tunnel(TUNNEL)
        with pytest.raises(PlaneError, match="skt0 is in mode ipsec: keepalives need mode gre"):
            plane.send_keepalive("skt0")
        protected = replace(TUNNEL, mode=TunnelMode.GRE, key=1, bundle="skt0")
        plane.update_tunnel(protected)
        plane.send_keepalive("skt0")
        assert plane.tunnel_counters("skt0").drops == {"no-sa": 1}
        plane.add_sa(association(Direction.OUT, 0x1001))
        plane.send_keepalive("skt0")
        plane.update_tunnel(replace(protected, bundle=None))
        plane.send_keepalive("skt0")
        counters = plane.tunnel_counters("skt0")
        assert (counters.packets_out, counters.octets_out, counters.drops) == (0, 0, {"no-sa": 1})

    def test_endpoints_move_without_touching_counters(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        for direction in Direction:
            plane.add_sa(association(direction, 0x1001))
            plane.update_endpoint(direction, 0x1001, "skt0", HERE, ip_address("127.0.0.9"), None)
            assert plane.sa_counters(direction, 0x1001, "skt0").packets == 0

    def test_an_attached_socket_allows_encapsulated_sas(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("0.0.0.0", 0))
            port = udp.getsockname()[1]
            assert plane.attach_udp(udp.fileno(), port) is True
            plane.add_sa(replace(association(Direction.OUT, 0x1001), encapsulation=Encapsulation(port, 4500)))

    def test_a_detached_port_is_free_at_once_and_may_be_attached_again(self, plane: Plane) -> None:
        plane.detach_udp(4500)
        plane.create_tunnel(TUNNEL)
        port = 0
        for spi in (0x1001, 0x1002, 0x1003):
            with contextlib.ExitStack() as opened:
                for family, wildcard in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                    udp = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                    if family == socket.AF_INET6:
                        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    udp.bind((wildcard, port))
                    port = udp.getsockname()[1]
                    assert plane.attach_udp(udp.fileno(), port) is True
                    with pytest.raises(PlaneError, match=f"port {port} is attached already"):
                        plane.attach_udp(udp.fileno(), port)
                encapsulated = replace(association(Direction.OUT, spi), encapsulation=Encapsulation(port, 4500))
                plane.add_sa(encapsulated)
                plane.detach_udp(port)
            with pytest.raises(PlaneError, match=f"no UDP socket of port {port}"):
                plane.add_sa(replace(encapsulated, spi=spi + 0x1000))
        plane.detach_udp(port)

    def test_a_descriptor_that_is_no_socket_is_refused(self, plane: Plane) -> None:
        with pytest.raises(PlaneError, match="UDP socket of port 4500 cannot be shared"):
            plane.attach_udp(plane.fileno(), 4500)

    def test_nothing_to_poll_at_first(self, plane: Plane) -> None:
        assert plane.poll() == []
        assert not readable(plane)
        assert os.fstat(plane.fileno())

    def test_close_removes_everything_and_may_be_repeated(self, plane: Plane) -> None:
        plane.create_tunnel(TUNNEL)
        plane.close()
        with pytest.raises(PlaneError):
            plane.tunnel_counters("skt0")
        with pytest.raises(PlaneError):
            plane.create_tunnel(TUNNEL)
        plane.close()
