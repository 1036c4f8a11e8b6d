"""FRR's JSON where it is not what it usually is; two routers and the real ospfd answer in test_frr.py."""

from __future__ import annotations

import pytest

from seikan.system.frr_state import OspfAnswers, parse_ospf


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
