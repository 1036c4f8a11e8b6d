"""Every fuzz target for a few seconds in each test run; the long runs are made by hand."""

from __future__ import annotations

from tests.fuzz import fuzz_config, fuzz_engine, fuzz_engine_v2, fuzz_pair_v2, fuzz_wire, fuzz_wire_v2
from tests.fuzz.runner import mutations

SECONDS = 4.0


def test_wire() -> None:
    assert mutations(fuzz_wire.check, fuzz_wire.SEEDS, SECONDS) > 2000


def test_wire_v2() -> None:
    assert mutations(fuzz_wire_v2.check, fuzz_wire_v2.SEEDS, SECONDS) > 2000


def test_engine() -> None:
    assert mutations(fuzz_engine.check, fuzz_engine.SEEDS, SECONDS) > 500


def test_engine_v2() -> None:
    assert mutations(fuzz_engine_v2.check, fuzz_engine_v2.SEEDS, SECONDS) > 200


def test_pair_v2() -> None:
    assert mutations(fuzz_pair_v2.check, fuzz_pair_v2.SEEDS, SECONDS) > 50


def test_config() -> None:
    assert mutations(fuzz_config.once, fuzz_config.SEEDS, SECONDS) > 5
