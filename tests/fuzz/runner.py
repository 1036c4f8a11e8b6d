"""Runs a fuzz target under atheris where that is installed, else by plain mutation for a stated time."""

from __future__ import annotations

import importlib
import random
import sys
import time
from collections.abc import Callable, Sequence


def mutate(source: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed with a few octets flipped, cut, doubled or swapped for those of another."""
    data = bytearray(source.choice(seeds))
    for _ in range(source.choice((1, 1, 2, 4, 8))):
        place = source.randrange(len(data) + 1)
        match source.randrange(5):
            case 0 if place < len(data):
                data[place] = source.choice((0, 1, 4, 255, source.randrange(256)))
            case 1:
                del data[place : place + source.randrange(1, 9)]
            case 2:
                data[place:place] = source.randbytes(source.randrange(1, 9))
            case 3:
                other = source.choice(seeds)
                data[place:] = other[place:]
            case _:
                data += data[place : place + 16]
    if len(data) >= 28 and source.random() < 0.8:
        data[24:28] = len(data).to_bytes(4, "big")  # ISAKMP's length, so that what follows is looked at
    return bytes(data)


def mutations(check: Callable[[bytes], None], seeds: Sequence[bytes], seconds: float, seed: int = 1) -> int:
    """Check mutated seeds for `seconds`; how many. Any exception but the target's own is a finding."""
    source = random.Random(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        data = mutate(source, seeds)
        try:
            check(data)
        except BaseException as error:
            error.add_note(f"input {data.hex()}")
            raise
        count += 1
    return count


def run(check: Callable[[bytes], None], seeds: Sequence[bytes]) -> None:
    """The `main` of a target."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
        print(f"{mutations(check, seeds, seconds)} inputs in {seconds:.0f} s")
        return
    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
