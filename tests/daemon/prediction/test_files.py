"""Two files that fit, and the same with one thing wrong: what is told of it, where, and that the advice mends it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import pytest

from seikan.__main__ import main
from seikan.config.parse import parse
from seikan.daemon.prediction.predict import predict
from seikan.daemon.prediction.report import report
from seikan.daemon.prediction.verdict import Check, Prediction, Result

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[3] / "examples"

CRYPTO = """\
crypto isakmp policy 1
 encryption aes
 authentication pre-share
 group 14
crypto isakmp key Between-Them address {peer}
crypto ipsec transform-set T esp-aes esp-sha-hmac
crypto ipsec profile P
 set transform-set T
"""
AROUND = """\
interface Loopback0
 ip address {loopback} 255.255.255.255
interface eth0
 ip address {own} 255.255.255.0
ip route 0.0.0.0 0.0.0.0 {gateway}
"""
VTI = """\
interface Tunnel0
 ip address {inner} 255.255.255.252
 tunnel source eth0
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""
GRE = """\
interface Tunnel0
 ip address {inner} 255.255.255.252
 tunnel source eth0
 tunnel destination {peer}
 tunnel protection ipsec profile P
"""
OSPF = """\
router ospf 1
 router-id {loopback}
 network {loopback} 0.0.0.0 area 0
 network 172.16.0.0 0.0.0.3 area 0
"""
MAP = """\
ip access-list extended TRAFFIC
 permit ip {lan} 0.0.0.255 {far} 0.0.0.255
crypto map M 10 ipsec-isakmp
 set peer {peer}
 set transform-set T
 match address TRAFFIC
interface eth0
 crypto map M
"""
VALUES = (
    {
        "own": "10.1.12.1",
        "peer": "10.1.23.3",
        "gateway": "10.1.12.2",
        "loopback": "1.1.1.1",
        "inner": "172.16.0.1",
        "lan": "192.168.1.0",
        "far": "192.168.3.0",
    },
    {
        "own": "10.1.23.3",
        "peer": "10.1.12.1",
        "gateway": "10.1.23.2",
        "loopback": "3.3.3.3",
        "inner": "172.16.0.2",
        "lan": "192.168.3.0",
        "far": "192.168.1.0",
    },
)


def text(side: int, *parts: str) -> str:
    return f"hostname R{1 + 2 * side}\n" + "".join(part.format(**VALUES[side]) for part in (CRYPTO, AROUND, *parts))


def predicted(one: str, other: str) -> Prediction:
    return predict(("a.ios", one, parse(one, "a.ios")), ("b.ios", other, parse(other, "b.ios")), NOW)


def check_of(prediction: Prediction, name: str) -> Check:
    found = [check for link in prediction.links for check in link.checks if check.name == name]
    assert found, [check.name for link in prediction.links for check in link.checks]
    worst = [check for check in found if check.result is not Result.OK]
    return (worst or found)[0]


def failing(prediction: Prediction) -> list[str]:
    return [check.name for link in prediction.links for check in link.checks if check.result is Result.FAILS]


@pytest.mark.parametrize("parts", [(VTI, OSPF), (GRE, OSPF), (VTI,), (MAP,)], ids=["vti", "gre", "no-ospf", "map"])
def test_what_fits_comes_up(parts: tuple[str, ...]) -> None:
    prediction = predicted(text(0, *parts), text(1, *parts))
    assert failing(prediction) == []
    assert prediction.up
    assert all(check.result is Result.OK for link in prediction.links for check in link.checks), prediction


@dataclass(frozen=True)
class Wrong:
    """One line of R1's, or several, replaced; what is told then."""

    name: str
    old: str
    new: str
    check: str
    ends: tuple[str, str]
    parts: tuple[str, ...] = (VTI, OSPF)
    result: Result = Result.FAILS
    says: str = ""
    mends: bool = True  # the advice for R1 alone mends it


WRONG = [
    Wrong("encryption", "encryption aes", "encryption aes 256", "isakmp encryption", ("aes-cbc-256", "aes-cbc-128")),
    Wrong("hash", "group 14", "group 14\n hash sha256", "isakmp hash", ("sha256", "sha1")),
    Wrong("group", "group 14", "group 19", "isakmp group", ("19", "14")),
    Wrong("no policy", "authentication pre-share", "authentication rsa-sig", "isakmp policy", ("0 usable", "1 usable")),
    Wrong(
        "key",
        "Between-Them",
        "Another",
        "pre-shared key",
        ("key for 10.1.23.3/32", "key for 10.1.12.1/32"),
        mends=False,
    ),
    Wrong(
        "no key",
        "address 10.1.23.3\n",
        "address 10.9.9.9\n",
        "pre-shared key",
        ("none", "key for 10.1.12.1/32"),
        mends=False,
    ),
    Wrong(
        "isakmp off",
        "hostname R1",
        "hostname R1\nno crypto isakmp enable",
        "interface",
        ("cannot run", ""),
        mends=False,
    ),
    Wrong(
        "cipher",
        "T esp-aes esp-sha-hmac",
        "T esp-aes 256 esp-sha-hmac",
        "ipsec encryption",
        ("aes-cbc-256", "aes-cbc-128"),
    ),
    Wrong("integrity", "esp-sha-hmac", "esp-sha256-hmac", "ipsec integrity", ("hmac-sha256-128", "hmac-sha1-96")),
    Wrong(
        "pfs at one end",
        " set transform-set T",
        " set transform-set T\n set pfs group14",
        "ipsec pfs",
        ("group 14", "none"),
        result=Result.NOTE,
        says="only when R1 begins",
        mends=False,
    ),
    Wrong(
        "lifetime",
        " set transform-set T",
        " set transform-set T\n set security-association lifetime seconds 600",
        "ipsec lifetime",
        ("600 s", "3600 s"),
        result=Result.NOTE,
        says="600 s",
        mends=False,
    ),
    Wrong(
        "isakmp lifetime",
        "group 14",
        "group 14\n lifetime 600",
        "isakmp lifetime",
        ("600 s", "86400 s"),
        result=Result.NOTE,
        says="600 s",
        mends=False,
    ),
    Wrong(
        "dpd",
        "hostname R1",
        "hostname R1\ncrypto isakmp keepalive 10 3",
        "isakmp keepalive",
        ("10 s, 3 s", "off"),
        result=Result.NOTE,
        says="R3 does not notice",
        mends=False,
    ),
    Wrong("mode", " tunnel mode ipsec ipv4\n", "", "tunnel mode", ("gre ip", "ipsec ipv4")),
    Wrong("shutdown", " tunnel source eth0", " shutdown\n tunnel source eth0", "interface", ("shut down", "")),
    Wrong(
        "outside shutdown",
        "interface eth0\n",
        "interface eth0\n shutdown\n",
        "outside interface",
        ("eth0 is shut down", ""),
    ),
    Wrong("subnet", "172.16.0.1", "172.16.9.1", "tunnel address", ("172.16.9.1/30", "172.16.0.2/30"), mends=False),
    Wrong(
        "twice",
        "172.16.0.1",
        "172.16.0.2",
        "tunnel address",
        ("172.16.0.2/30", "172.16.0.2/30"),
        mends=False,
        says="both ends have",
    ),
    Wrong(
        "unprotected", " tunnel protection ipsec profile P\n", "", "tunnel protection", ("none", "P"), parts=(GRE, OSPF)
    ),
    Wrong("gre key", " tunnel source", " tunnel key 7\n tunnel source", "tunnel key", ("7", "none"), parts=(GRE, OSPF)),
    Wrong(
        "keepalive",
        " tunnel source",
        " keepalive 5 3\n tunnel source",
        "tunnel keepalive",
        ("5 s, 3 times", "off"),
        parts=(GRE, OSPF),
        result=Result.NOTE,
        mends=False,
    ),
    Wrong(
        "transport",
        "crypto ipsec profile P",
        " mode transport\ncrypto ipsec profile P",
        "ipsec mode",
        ("transport", "tunnel"),
        parts=(GRE, OSPF),
        result=Result.NOTE,
        says="only when R3 begins",
        mends=False,
    ),
    Wrong(
        "selectors",
        "permit ip 192.168.1.0 0.0.0.255 192.168.3.0",
        "permit ip 192.168.7.0 0.0.0.255 192.168.3.0",
        "selectors",
        ("192.168.7.0/24 to 192.168.3.0/24", "192.168.3.0/24 to 192.168.1.0/24"),
        parts=(MAP,),
    ),
    Wrong(
        "mtu",
        " tunnel source",
        " ip mtu 1400\n tunnel source",
        "ospf mtu",
        ("1400", "1438"),
        says="EXSTART",
        mends=False,
    ),
    Wrong(
        "larger mtu", " tunnel source", " ip mtu 1500\n tunnel source", "ospf mtu", ("1500", "1438"), says="R3 drops"
    ),
    Wrong(
        "area",
        "network 172.16.0.0 0.0.0.3 area 0",
        "network 172.16.0.0 0.0.0.3 area 5",
        "ospf area",
        ("0.0.0.5", "0.0.0.0"),
    ),
    Wrong("no network", " network 172.16.0.0 0.0.0.3 area 0\n", "", "ospf", ("no network line has it", "area 0.0.0.0")),
    Wrong(
        "passive",
        " router-id 1.1.1.1",
        " router-id 1.1.1.1\n passive-interface Tunnel0",
        "ospf passive-interface",
        ("passive", "active"),
    ),
    Wrong(
        "hello", " tunnel source", " ip ospf hello-interval 3\n tunnel source", "ospf hello interval", ("3 s", "10 s")
    ),
    Wrong("dead", " tunnel source", " ip ospf dead-interval 7\n tunnel source", "ospf dead interval", ("7 s", "40 s")),
    Wrong(
        "type",
        " tunnel source",
        " ip ospf network broadcast\n tunnel source",
        "ospf network type",
        ("broadcast", "point-to-point"),
    ),
    Wrong("router-id", "router-id 1.1.1.1", "router-id 3.3.3.3", "ospf router-id", ("3.3.3.3", "3.3.3.3")),
    Wrong(
        "stub",
        " router-id 1.1.1.1",
        " router-id 1.1.1.1\n area 5 stub\n network 172.16.0.0 0.0.0.1 area 5",
        "ospf area",
        ("0.0.0.5", "0.0.0.0"),
        mends=False,
    ),
    Wrong(
        "authentication",
        " tunnel source",
        " ip ospf authentication message-digest\n ip ospf message-digest-key 1 md5 Hidden\n tunnel source",
        "ospf authentication",
        ("message-digest", "null"),
    ),
    Wrong(
        "recursion",
        " network 172.16.0.0 0.0.0.3 area 0",
        " network 172.16.0.0 0.0.0.3 area 0\n network 10.1.12.0 0.0.0.255 area 0",
        "route",
        ("eth0 in OSPF", "routes to 10.1.12.1: /0 at best"),
        says="recursive routing",
        mends=False,
    ),
    Wrong(
        "static recursion",
        "ip route 0.0.0.0 0.0.0.0 10.1.12.2",
        "ip route 10.1.23.0 255.255.255.0 Tunnel0",
        "route",
        ("by Tunnel0", ""),
        says="recursive routing",
        mends=False,
    ),
    Wrong(
        "no route", "ip route 0.0.0.0 0.0.0.0 10.1.12.2", "", "route", ("none", ""), result=Result.UNKNOWN, mends=False
    ),
    Wrong(
        "access list",
        "interface eth0\n",
        "ip access-list extended OUT\n permit udp any any eq isakmp\n permit tcp any any\n"
        "interface eth0\n ip access-group OUT in\n",
        "access list",
        ("OUT", ""),
        says="ESP",
    ),
    Wrong(
        "other end",
        "tunnel destination 10.1.23.3",
        "tunnel destination 10.1.23.9",
        "other end",
        ("nothing", ""),
        says="Tunnel0 leads from 10.1.12.1 to 10.1.23.9",
        mends=False,
    ),
    Wrong(
        "other source",
        " tunnel source eth0",
        " tunnel source Loopback0",
        "tunnel ends",
        ("1.1.1.1 to 10.1.23.3", "10.1.23.3 to 10.1.12.1"),
        mends=False,
    ),
]


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.name for wrong in WRONG])
def test_what_is_wrong_is_told_with_both_ends(wrong: Wrong) -> None:
    broken = text(0, *wrong.parts)
    assert wrong.old in broken
    broken = broken.replace(wrong.old, wrong.new, 1)
    other = text(1, *wrong.parts)
    prediction = predicted(broken, other)
    check = check_of(prediction, wrong.check)
    assert check.result is wrong.result
    assert wrong.says in check.text
    if wrong.check != "other end":
        assert tuple(end.value for end in check.ends) == wrong.ends
    assert prediction.up is (wrong.result is not Result.FAILS)
    if wrong.mends:
        advice = [row for row in check.advice if row.side == 0]
        assert advice, check
        mended = predicted(broken + "\n".join(advice[0].lines) + "\n", other)
        after = [row for link in mended.links for row in link.checks if row.name == wrong.check]
        assert all(row.result is not Result.FAILS for row in after), after


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.name for wrong in WRONG])
def test_the_other_way_round_is_the_same(wrong: Wrong) -> None:
    broken = text(0, *wrong.parts).replace(wrong.old, wrong.new, 1)
    other = text(1, *wrong.parts)
    turned = [link.checks for link in predicted(other, broken).links]
    straight = [link.checks for link in predicted(broken, other).links]

    def told(links: list[tuple[Check, ...]], *, turn: bool) -> set[tuple[object, ...]]:
        rows = [check.turned() if turn else check for checks in links for check in checks]
        return {(row.name, row.result, row.ends[0].value, row.ends[1].value) for row in rows}

    assert told(turned, turn=True) == told(straight, turn=False)


def test_keys_are_never_shown() -> None:
    one = text(0, VTI, OSPF).replace("Between-Them", "Very-Secret-1")
    lines = list(report(predicted(one, text(1, VTI, OSPF)), ("a.ios", "b.ios"), ("R1", "R3")))
    shown = "\n".join(lines)
    assert "Very-Secret-1" not in shown
    assert "Between-Them" not in shown
    number = one.splitlines().index("crypto isakmp key Very-Secret-1 address 10.1.23.3") + 1
    assert f"key for 10.1.23.3/32 (line {number})" in shown
    assert f"crypto isakmp key <the key in line {number} of a.ios> address 10.1.12.1" in shown


def test_a_tunnel_and_a_crypto_map_need_the_same_traffic() -> None:
    one, other = text(0, VTI), text(1, MAP)
    prediction = predicted(one, other)
    check = check_of(prediction, "selectors")
    assert (check.result, [end.value for end in check.ends]) == (
        Result.FAILS,
        ["0.0.0.0/0 to 0.0.0.0/0", "192.168.3.0/24 to 192.168.1.0/24"],
    )
    advice = next(row for row in check.advice if row.side == 0)
    assert advice.lines[-1] == " tunnel protection ipsec policy ipv4 Tunnel0-TRAFFIC"
    mended = predicted(one + "\n".join(advice.lines) + "\n", other)
    assert mended.up


HUB = """\
crypto keyring SPOKES
 pre-shared-key address 10.1.12.0 255.255.255.0 key Between-Them
crypto isakmp profile SPOKES
 keyring SPOKES
 match identity address 10.1.12.0 255.255.255.0
 virtual-template 1
interface Virtual-Template1 type tunnel
 ip unnumbered Loopback0
 tunnel source eth0
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
router ospf 1
 router-id 3.3.3.3
 network 3.3.3.3 0.0.0.0 area 0
"""
SPOKE = VTI.replace("ip address {inner} 255.255.255.252", "ip unnumbered Loopback0")
SPOKE_OSPF = "router ospf 1\n router-id 1.1.1.1\n network 1.1.1.1 0.0.0.0 area 0\n"


def test_a_spoke_and_its_hub() -> None:
    prediction = predicted(text(0, SPOKE, SPOKE_OSPF), text(1, HUB))
    assert prediction.links[0].titles == ("R1 Tunnel0 (10.1.12.1)", "R3 Virtual-Template1 (10.1.23.3)")
    assert prediction.up, failing(prediction)
    assert check_of(prediction, "ospf area").result is Result.OK


def test_a_hub_that_does_not_match_its_spoke() -> None:
    hub = text(1, HUB).replace("match identity address 10.1.12.0", "match identity address 10.8.8.0")
    check = check_of(predicted(text(0, SPOKE, SPOKE_OSPF), hub), "identity")
    assert check.result is Result.FAILS
    assert check.ends[0].value == "address 10.1.12.1"
    assert check.ends[1].value == "profile SPOKES matches 10.8.8.0/24"
    advice = next(row for row in check.advice if row.side == 1)
    mended = hub + "\n".join(advice.lines) + "\n"
    assert predicted(text(0, SPOKE, SPOKE_OSPF), mended).up


def test_nothing_between_them() -> None:
    prediction = predicted("hostname R1\n", "hostname R3\n")
    assert not prediction.up
    assert prediction.remarks == ("nothing in either file leads to an address of the other",)


def test_a_name_as_destination_is_not_looked_up() -> None:
    one = text(0, VTI).replace("tunnel destination 10.1.23.3", "tunnel destination r3.example.com")
    prediction = predicted(one, text(1, VTI))
    assert not prediction.up
    assert "a.ios: Tunnel0 leads to r3.example.com, and names are not looked up here" in prediction.remarks


def test_a_private_address_and_a_public_one() -> None:
    one, other = text(0, VTI), text(1, VTI)
    for old, new in (("10.1.23.3", "8.8.8.3"), ("10.1.23.2", "8.8.8.2")):
        one, other = one.replace(old, new), other.replace(old, new)
    check = check_of(predicted(one, other), "NAT")
    assert (check.result, [end.value for end in check.ends]) == (Result.UNKNOWN, ["10.1.12.1", "8.8.8.3"])


def example_pairs() -> list[tuple[Path, Path]]:
    """The ends of each way: two sites, or a hub with each of its sites."""
    found: list[tuple[Path, Path]] = []
    for way in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        ends = sorted(path for path in way.rglob("startup-config") if "after" not in path.parts)
        hubs = [path for path in ends if path.parent.name == "hub"]
        found += [pair for pair in combinations(ends, 2) if not hubs or hubs[0] in pair]
    return found


@pytest.mark.parametrize("pair", example_pairs(), ids=lambda pair: "-".join(path.parent.name for path in pair))
def test_the_examples_come_up(pair: tuple[Path, Path]) -> None:
    one, other = (path.read_text() for path in pair)
    prediction = predict((str(pair[0]), one, parse(one)), (str(pair[1]), other, parse(other)), NOW)
    assert prediction.up, failing(prediction) or prediction.remarks


# --- the command -----------------------------------------------------------------------------------


def test_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other, wrong, bad = (tmp_path / name for name in ("a.ios", "b.ios", "wrong.ios", "bad.ios"))
    one.write_text(text(0, VTI, OSPF))
    other.write_text(text(1, VTI, OSPF))
    wrong.write_text(text(1, VTI, OSPF).replace("group 14", "group 19"))
    bad.write_text("interface eth0\n ip address 10.0.0.1 255.0.0.0\ninterface eth1\n ip address 10.0.0.2 255.0.0.0\n")
    for path in (one, other, wrong, bad):
        path.chmod(0o600)
    assert main(["check", str(one), str(other)]) == 0
    assert "all that joins R1 and R3 comes up" in capsys.readouterr().out
    assert main(["check", str(one), str(wrong)]) == 1
    shown = capsys.readouterr().out
    assert re.search(r"isakmp group +FAILS +14 \(line 2\) +19 \(line 2\)", shown), shown
    assert main(["check", str(one), str(bad)]) == 2
    assert "overlaps" in capsys.readouterr().out
    assert main(["check", str(one), str(tmp_path / "nowhere")]) == 2
    with pytest.raises(SystemExit) as refused:
        main(["check", str(one), str(other), str(wrong)])
    assert refused.value.code == 2
