"""IOS regular expressions: what they match, what is refused, and that no pattern can hang."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seikan.cli.regex import MAXIMUM_PATTERN, Regex, RegexError


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("crypto", "crypto isakmp policy 1", True),
        ("Crypto", "crypto isakmp policy 1", False),
        ("^interface", "interface Tunnel0", True),
        ("^interface", " interface Tunnel0", False),
        ("Tunnel0$", "interface Tunnel0", True),
        ("Tunnel$", "interface Tunnel0", False),
        ("^$", "", True),
        ("^$", "a", False),
        ("^ip route .+ |^ipv6 route .+", "ip route 0.0.0.0 0.0.0.0 10.1.12.2", True),
        ("^interface|ip access-group|ipv6 traffic-filter", " ip access-group 10 in", True),
        ("ip sla [0-9]", "ip sla 1", True),
        ("ip sla [0-9]", "ip sla x", False),
        ("[^0-9]", "123", False),
        ("[]a]", "]", True),
        ("[a-]", "-", True),
        ("1.1", "1x1", True),
        (r"1\.1", "1x1", False),
        (r"\|", "a|b", True),
        ("(ab)+c", "xababc", True),
        ("(a|b)*c", "c", True),
        ("colou?r", "color", True),
        ("_100_", "as-path 100", True),
        ("_100_", "as-path 1001", False),
        ("_100_", "100", True),
        ("MY_ACL", "ip access-group MY_ACL in", True),
        ("a||b", "zzz", True),
        ("", "anything", True),
    ],
)
def test_matches_as_ios_does(pattern: str, text: str, found: bool) -> None:
    assert Regex(pattern).search(text) is found


@pytest.mark.parametrize(
    ("pattern", "reason", "position"),
    [
        ("(ab", "unmatched '('", 0),
        ("ab)", "unmatched ')'", 2),
        ("a[bc", "unmatched '['", 1),
        ("*a", "nothing before '*' to repeat", 0),
        ("a|+", "nothing before '+' to repeat", 2),
        ("a\\", "'\\' at the end", 1),
        ("[z-a]", "range z-a runs backwards", 0),
        ("(" * 60 + ")" * 60, "more than 32 parentheses inside each other", 32),
        ("a" * 300, "longer than 254 characters", 254),
    ],
)
def test_tells_what_is_wrong_with_a_pattern(pattern: str, reason: str, position: int) -> None:
    with pytest.raises(RegexError) as raised:
        Regex(pattern)
    assert (raised.value.reason, raised.value.position) == (reason, position)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*)(.*)(.*)(.*)(.*)x", "(a?)" * 60 + "a" * 14])
def test_patterns_that_hang_a_backtracking_matcher_do_not_hang_this_one(pattern: str) -> None:
    regex = Regex(pattern)
    for _ in range(20):
        assert regex.search("a" * 2000 + "!") is (pattern == "(a?)" * 60 + "a" * 14)


_PIECES = st.sampled_from(["a", "b", ".", "^", "$", "[ab]", "[^a]", "(", ")", "|", "*", "+", "?", "\\.", "x", " "])


@settings(max_examples=500, deadline=None)
@given(pattern=st.lists(_PIECES, max_size=12).map("".join), text=st.text("ab x.", max_size=12))
def test_agrees_with_pythons_matcher_where_both_know_the_pattern(pattern: str, text: str) -> None:
    try:
        theirs = re.compile(pattern)
    except re.error:
        return
    # Python gives `x*?`, `x*+` and the like meanings of their own, and `$` one before a newline.
    if re.search(r"[*+?][*+?]|\(\?", pattern):
        return
    assert Regex(pattern).search(text) is bool(theirs.search(text))


@settings(max_examples=300, deadline=None)
@given(pattern=st.text(max_size=MAXIMUM_PATTERN + 10), text=st.text(max_size=200))
def test_any_pattern_compiles_or_is_refused_with_a_reason(pattern: str, text: str) -> None:
    refusal: RegexError | None = None
    try:
        found = Regex(pattern).search(text)
    except RegexError as error:
        refusal, found = error, False
    assert found in (True, False)
    assert refusal is None or (refusal.reason and 0 <= refusal.position <= len(pattern))
