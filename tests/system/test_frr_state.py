"""FRR's JSON where it is not what it usually is; two routers and the real ospfd answer in test_frr.py."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from seikan.system.frr_state import NextHop, OspfAnswers, parse_ospf, parse_routes


@pytest.mark.parametrize(("due", "seconds"), [(3500, 3.5), (-20, 0.0), ("inactive", 0.0)])
def test_a_neighbor_whose_dead_timer_has_ended_is_shown_without_time(due: object, seconds: float) -> None:
    """`show ip ospf neighbor` asked in the moment before ospfd takes the neighbour away."""
    entry = {
        "nbrState": "Full/-",
        "nbrPriority": 1,
        "ifaceName": "Tunnel0:10.9.9.1",
        "ifaceAddress": "10.9.9.2",
        "routerDeadIntervalTimerDueMsec": due,
    }
    answers = OspfAnswers({"routerId": "1.1.1.1"}, {}, {"neighbors": {"2.2.2.2": [entry]}}, {}, {})
    status = parse_ospf(1, answers, {}, {}, lambda _interface, _area: None)
    assert status is not None
    (neighbor,) = status.neighbors
    assert (neighbor.state, neighbor.interface, neighbor.dead_time) == ("FULL/  -", "Tunnel0", seconds)


@pytest.mark.parametrize("installed", [True, False])
def test_a_route_that_is_chosen_and_not_in_the_kernel_yet_is_none(installed: bool) -> None:
    """zebra tells of it in the moment before: no packet goes by it, to Null0 least of all."""
    hop = {"ip": "10.1.12.1", "interfaceName": "Tunnel0", "active": True} | ({"fib": True} if installed else {})
    entry = {"protocol": "ospf", "selected": True, "distance": 110, "metric": 1001, "nexthops": [hop]}
    found = parse_routes({"1.1.1.1/32": [entry]}, {}, {}, {}, ())
    assert [route.next_hops for route in found] == ([(NextHop(IPv4Address("10.1.12.1"), "Tunnel0"),)] * installed)
