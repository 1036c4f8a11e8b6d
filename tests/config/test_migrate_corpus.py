"""Crypto maps by others: every one is migrated or stays with a reason, and what is written reads as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.config.samples import ordered
from tests.config.test_corpus import CORPUS
from tests.config.typed import type_lines

from seikan.config.migrate import Options, Outcome, migrate
from seikan.config.parse import parse
from seikan.config.render import render

#: Lines that tell a crypto map or a part of one.
_MAP = ("crypto map ", "crypto dynamic-map ")


def _files() -> list[Path]:
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus of configurations at {CORPUS}")
    texts = {
        path: path.read_text(encoding="utf-8", errors="replace") for path in sorted(CORPUS.rglob("*")) if path.is_file()
    }
    return [path for path, text in texts.items() if any(line.strip().startswith(_MAP) for line in text.splitlines())]


def _texts(path: Path) -> tuple[str, str]:
    """As it is; and with a hash that is done here and a route, which these files about cryptography leave out."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return text, text.replace("esp-md5-hmac", "esp-sha-hmac") + "\nip route 2.2.2.2 255.255.255.255 2.3.4.1\n"


@pytest.mark.parametrize("policy", [True, False])
def test_crypto_maps_of_others(policy: bool, capsys: pytest.CaptureFixture[str]) -> None:
    entries = carried = 0
    for path, text in [(held, text) for held in _files() for text in _texts(held)]:
        config = parse(text).config
        migration = migrate(config, Options(policy=policy))
        before = sum(len(held.entries) for held in config.crypto_maps.values())
        after = sum(len(held.entries) for held in migration.config.crypto_maps.values())
        reasons = [s for s in migration.report.sections if s.title.endswith(" stays")]
        assert len(reasons) == after, path.name
        assert all(s.items[0].outcome is Outcome.LOST for s in reasons), path.name
        assert ordered(parse(render(migration.config)).config) == ordered(migration.config), path.name
        assert type_lines(config, migration.lines) == migration.config, path.name
        again = migrate(migration.config, Options(policy=policy))
        assert again.config == migration.config, path.name
        for peer in migration.peers:
            assert not parse("\n".join(peer.lines)).problems, path.name
        entries, carried = entries + before, carried + before - after
    with capsys.disabled():
        print(f"\ncorpus: {carried} of {entries} crypto map entries of others become tunnels", end="; ")
    assert entries > 0


def test_one_of_others_with_its_routes() -> None:
    """A router of the corpus lacks a route to the other site and a hash that is done here; with both its entry goes."""
    path = next((path for path in _files() if path.name.endswith("ios-crypto-ipsec_configs_r1")), None)
    if path is None:
        pytest.skip("the corpus lacks the router r1 of ios-crypto-ipsec")
    text = path.read_text(encoding="utf-8")
    assert "transform set ts1 is not understood" in migrate(parse(text).config).report.text()
    text = text.replace("esp-md5-hmac", "esp-sha-hmac")
    migration = migrate(parse(text + "\nip route 2.2.2.2 255.255.255.255 TenGigabitEthernet0/1\n").config)
    (name,) = migration.tunnels
    tunnel = migration.config.interfaces[name].tunnel
    assert tunnel is not None
    assert (str(tunnel.destination), tunnel.protection_policy) == ("2.3.4.11", "ACL")
    assert f"ip route 2.2.2.2 255.255.255.255 {name}" in render(migration.config)
    assert sorted(migration.config.crypto_maps) == ["mymap"]
