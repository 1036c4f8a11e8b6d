"""Configurations by others: read without a crash, and most of their lines understood."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from seikan.config.parse import Severity, parse
from seikan.config.render import render

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "configs"
FLOOR = 0.90
#: What the product does not claim: other routing protocols, a CA, group VPNs, VRFs, other systems.
ELSEWHERE = (
    *(
        *("crypto gdoi", "crypto gkm", "crypto isakmp client", "crypto key", "crypto ca server", "crypto ca lookup"),
        *("crypto ikev1", "crypto ipsec ikev1", "crypto ipsec ikev2", "crypto csr-params", "crypto ikev2 enable"),
        *("crypto ikev2 remote-access", "crypto ikev2 proprosal", "crypto ikev2 client"),
        "router bgp",
        "router eigrp",
        "router rip",
        "router isis",
        "router ospfv3",
        "vrf",
        "ip vrf",
        "ip route vrf",
    ),
    *("ip nhrp", "tunnel mode gre multipoint", "ipv6 router"),
)


def _files() -> list[Path]:
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus of configurations at {CORPUS}")
    return [path for path in sorted(CORPUS.rglob("*")) if path.is_file()]


def test_coverage_of_other_peoples_configurations(capsys: pytest.CaptureFixture[str]) -> None:
    total = unknown = claimed = missed = 0
    for path in _files():
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        lines = text.splitlines()
        parsed = parse(text, path.name)
        written = render(parsed.config)
        assert render(parse(written).config) == written, path.name
        count = sum(bool(line.strip()) and not line.strip().startswith("!") for line in lines)
        total += count
        problems = [problem for problem in parsed.problems if problem.severity is Severity.UNKNOWN]
        unknown += sum(problem.lines for problem in problems)
        foreign = sum(problem.lines for problem in problems if _elsewhere(lines[problem.line - 1]))
        if "ios_xr" in path.name or "xr" in path.name.split("_"):
            continue
        claimed += count - foreign
        missed += sum(problem.lines for problem in problems) - foreign
    with capsys.disabled():
        print(f"\ncorpus: {total} lines, {1 - unknown / total:.1%} understood or kept", end="; ")
        print(f"of the {claimed} that are claimed: {1 - missed / claimed:.1%}")
    assert 1 - missed / claimed >= FLOOR


def _elsewhere(line: str) -> bool:
    """Also what shows a form, such as `interface Tunnel <id>`."""
    bare = line.split("!")[0].strip().removeprefix("no ")
    return bare.lower().startswith(ELSEWHERE) or "<" in bare


#: The lines of dynamic VTI, GRE over IPsec, crypto maps and translation.
_VPN = re.compile(
    r" *(crypto (isakmp profile|keyring|dynamic-map|map \S+ \d+ ipsec-isakmp|map \S+ local-address|call admission) "
    r"|crypto map \S+$|set (peer|isakmp-profile|reverse-route) |reverse-route|match address "
    r"|match identity (address|host|user) |self-identity|virtual-template|interface virtual-template"
    r"|tunnel protection|ip nat |ip access-group "
    r"|crypto ikev2 (proposal|policy|keyring|profile|authorization) |set ikev2-profile |match identity remote "
    r"|authentication (local|remote) |keyring local |pre-shared-key |pki trustpoint |crypto pki |tunnel mode ipsec )",
    re.IGNORECASE,
)


def test_the_lines_of_vpns_are_understood() -> None:
    lines_of_vpns, strange = 0, []
    for path in _files():
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        problems = parse("\n".join(lines), path.name).problems
        unknown = {problem.line for problem in problems if problem.severity is Severity.UNKNOWN}
        foreign = {
            problem.line + more
            for problem in problems
            if problem.severity is Severity.UNKNOWN and _elsewhere(lines[problem.line - 1])
            for more in range(problem.lines * 2)
        }
        for number, line in enumerate(lines, 1):
            if _VPN.match(line) and number not in foreign and "<" not in line:
                lines_of_vpns += 1
                strange += [f"{path.name}:{number}: {line}"] if number in unknown else []
    assert lines_of_vpns > 350
    assert len(strange) < 0.05 * lines_of_vpns, "\n".join(strange)


def test_mutated_configurations_never_raise() -> None:
    generator = random.Random(20)
    texts = [path.read_bytes()[:4000] for path in _files()]
    for _ in range(250):
        octets = bytearray(generator.choice(texts))
        for _ in range(generator.randint(1, 30)):
            if octets:
                at = generator.randrange(len(octets))
                octets[at : at + generator.randint(0, 3)] = bytes(
                    generator.randrange(256) for _ in range(generator.randint(0, 3))
                )
        text = octets.decode("utf-8", errors="replace")
        written = render(parse(text).config)
        assert render(parse(written).config) == written
