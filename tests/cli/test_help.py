"""The forms in which `?` answers, and Tab."""

from __future__ import annotations

from seikan.cli.help import completed, listing, words
from seikan.config.grammar import Completion

TWO = (Completion("configure", "Enter configuration mode"), Completion("copy", "Copy from one file to another"))


def test_a_listing_has_two_columns() -> None:
    assert listing((*TWO, Completion("<cr>", "", literal=False))) == (
        "  configure  Enter configuration mode",
        "  copy       Copy from one file to another",
        "  <cr>",
    )


def test_words_stand_side_by_side_and_wrap() -> None:
    assert words(TWO) == ("configure  copy",)
    many = tuple(Completion("word" * 5, "") for _ in range(5))
    assert words(many) == ("  ".join(["word" * 5] * 3), "  ".join(["word" * 5] * 2))


def test_tab_needs_one_meaning() -> None:
    assert completed("con", TWO[:1]) == "configure "
    assert completed("do CON", TWO[:1]) == "do configure "
    assert completed("co", TWO) is None
    assert completed("", TWO[:1]) is None
    assert completed("show ", TWO[:1]) is None
    assert completed("10.1", (Completion("A.B.C.D", "", literal=False),)) is None
    assert completed("ip", (Completion("ip", ""), Completion("ipv6", ""))) == "ip "
