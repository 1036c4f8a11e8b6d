"""Fuzz the configuration's reader: `python tests/fuzz/fuzz_config.py [atheris options, or seconds]`.

Any text has to give a configuration and problems, without an exception or a hang; what is written from it has
to be read as the same again, no tunnel or crypto map may come out of it that the text's own reading keeps from working,
and `?` must answer behind any line.
"""

from __future__ import annotations

from tests.config.samples import ACCEPTANCE
from tests.config.test_crypto_map import WRITTEN
from tests.config.test_ikev2 import WRITTEN as IKEV2
from tests.config.test_pki import WRITTEN as PKI
from tests.config.test_validate import BASE
from tests.config.test_validate_ikev2 import BASE as IKEV2_TUNNEL
from tests.fuzz.runner import run

from seikan.config.modes import MODES
from seikan.config.parse import parse
from seikan.config.plan import plan
from seikan.config.render import render
from seikan.config.session import TABLE
from seikan.config.validate import map_problems, tunnel_problems, validate

#: A configuration of each kind, and as it is typed.
SEEDS = tuple(
    text.encode()
    for text in (
        *(BASE, WRITTEN, ACCEPTANCE, "interface vt1\n" + WRITTEN.replace("\n ", "\n")),
        *(IKEV2, PKI, IKEV2_TUNNEL, PKI + IKEV2_TUNNEL.replace("\n ", "\n")),
    )
)


def once(data: bytes) -> None:
    """One input, to be called with anything."""
    text = data.decode("utf-8", errors="replace")
    parsed = parse(text, "fuzz")
    config = parsed.config
    written = render(config)
    again = parse(written)
    if render(again.config) != written:
        raise AssertionError("what is written is not read as it was")
    for name in config.interfaces:
        for problems in (tunnel_problems, map_problems):
            if problems(config, name) and not problems(again.config, name):
                raise AssertionError(f"{name} came up by being written")
    list(map(str, (*parsed.problems, *validate(config))))
    if plan(config, config):
        raise AssertionError("there is nothing to do")
    line = text.split("\n")[0][:120]
    for mode in MODES:
        TABLE.completions(mode, line)


if __name__ == "__main__":
    run(once, SEEDS)
