"""Rates of an interface as IOS gives them: exponentially weighted over a load interval of five minutes."""

from __future__ import annotations

import math
from dataclasses import dataclass

LOAD_INTERVAL = 300.0  # seconds, IOS default
SAMPLE_INTERVAL = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Sample:
    """A device's counters at one time."""

    octets_in: int
    octets_out: int
    packets_in: int
    packets_out: int


@dataclass(slots=True)
class LoadAverage:
    """Feed it samples; read bit/s and packets/s, and when traffic was last seen in each direction."""

    last: Sample | None = None
    at: float = 0.0
    bits_in: float = 0.0
    bits_out: float = 0.0
    packets_in: float = 0.0
    packets_out: float = 0.0
    last_input: float | None = None
    last_output: float | None = None

    def sample(self, sample: Sample, now: float) -> None:
        """Take the counters of a moment; `now` is monotonic seconds."""
        before = self.last
        elapsed = now - self.at
        self.last, self.at = sample, now
        if before is None or elapsed <= 0:
            if sample.packets_in:
                self.last_input = now
            if sample.packets_out:
                self.last_output = now
            return
        if sample.packets_in > before.packets_in:
            self.last_input = now
        if sample.packets_out > before.packets_out:
            self.last_output = now
        weight = 1 - math.exp(-elapsed / LOAD_INTERVAL)

        def moved(average: float, new: int, old: int, scale: int) -> float:
            # a device made anew counts from zero again
            return average + weight * (max(0, new - old) * scale / elapsed - average)

        self.bits_in = moved(self.bits_in, sample.octets_in, before.octets_in, 8)
        self.bits_out = moved(self.bits_out, sample.octets_out, before.octets_out, 8)
        self.packets_in = moved(self.packets_in, sample.packets_in, before.packets_in, 1)
        self.packets_out = moved(self.packets_out, sample.packets_out, before.packets_out, 1)
