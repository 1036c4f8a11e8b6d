"""`| begin`, `include`, `exclude`, `section`, `count` on a configuration."""

from __future__ import annotations

import pytest

from seikan.cli.modifiers import ModifierError, compile_modifier, completions, split

CONFIGURATION = """\
hostname R3
!
crypto isakmp policy 1
 encr aes
 authentication pre-share
!
interface Tunnel0
 ip unnumbered FastEthernet1/0
 tunnel mode ipsec ipv4
!
router ospf 1
 address-family ipv4
  network 10.0.0.0
 exit-address-family
 passive-interface default
!
ip route 0.0.0.0 0.0.0.0 10.1.23.2
end""".splitlines()


def filtered(modifier: str) -> list[str]:
    return list(compile_modifier(modifier)(CONFIGURATION))


def test_only_the_first_bar_is_the_pipe() -> None:
    assert split("show run | include a|b") == ("show run ", " include a|b")
    assert split("show run") == ("show run", None)


def test_begin_prints_from_the_first_match_to_the_end() -> None:
    assert filtered(" begin ^router") == CONFIGURATION[CONFIGURATION.index("router ospf 1") :]
    assert filtered(" begin nothing like it") == []


def test_include_and_exclude_with_alternation() -> None:
    assert filtered(" include ^hostname|tunnel mode") == ["hostname R3", " tunnel mode ipsec ipv4"]
    assert filtered(" i ^ip route .+ |^ipv6 route .+") == ["ip route 0.0.0.0 0.0.0.0 10.1.23.2"]
    assert filtered(" exclude ^ |^!") == [
        "hostname R3",
        "crypto isakmp policy 1",
        "interface Tunnel0",
        "router ospf 1",
        "ip route 0.0.0.0 0.0.0.0 10.1.23.2",
        "end",
    ]


def test_a_space_in_front_of_the_expression_belongs_to_it() -> None:
    assert filtered(" include  encr") == [" encr aes"]


def test_section_prints_the_line_and_what_is_indented_below_it() -> None:
    assert filtered(" section ^interface") == [
        "interface Tunnel0",
        " ip unnumbered FastEthernet1/0",
        " tunnel mode ipsec ipv4",
    ]


def test_section_that_matches_inside_prints_the_inner_section_only() -> None:
    assert filtered("sec address-family ipv4") == [" address-family ipv4", "  network 10.0.0.0"]


def test_section_exclude_leaves_whole_sections_out() -> None:
    assert filtered(" section exclude ^crypto|^interface|^router|^!") == [
        "hostname R3",
        "ip route 0.0.0.0 0.0.0.0 10.1.23.2",
        "end",
    ]
    assert filtered(" section include ^crypto") == filtered(" section ^crypto")


def test_count_prints_ios_line() -> None:
    assert filtered(" count ^ ") == ["Number of lines which match regexp = 8"]


@pytest.mark.parametrize(
    ("modifier", "message", "column"),
    [
        ("", "% Incomplete command.", None),
        (" include", "% Incomplete command.", None),
        (" include ", "% Incomplete command.", None),
        (" foo x", "% Invalid input detected at '^' marker.", 11),
        (" include (a", "% Failed to compile regular expression: unmatched '('", None),
    ],
)
def test_errors(modifier: str, message: str, column: int | None) -> None:
    with pytest.raises(ModifierError) as raised:
        compile_modifier(modifier, column=10)
    assert (raised.value.message, raised.value.column) == (message, column)


def test_completions() -> None:
    assert [word for word, _ in completions(" ")] == ["begin", "count", "exclude", "include", "section"]
    assert [word for word, _ in completions(" in")] == ["include"]
    assert completions(" include ") == (("LINE", "Regular Expression"),)
    assert [word for word, _ in completions(" sec ")] == ["exclude", "include", "LINE"]
