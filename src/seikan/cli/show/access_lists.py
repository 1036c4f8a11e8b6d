"""show access-lists: the lists in IOS's form, with the packets that each entry has matched."""

from __future__ import annotations

from collections.abc import Iterator

from seikan.cli.show.command import Arguments, ShowCommand
from seikan.cli.show.text import argument
from seikan.cli.status import Need, Status
from seikan.config.model import AccessList

ACCESS_LISTS = frozenset({Need.ACCESS_LISTS})


def _standard(text: str) -> str:
    """`permit 10.0.0.0 0.0.0.255 log` as IOS lists it: `permit 10.0.0.0, wildcard bits 0.0.0.255 log`."""
    action, *words = text.split()
    if words[:1] == ["host"]:
        words = words[1:]
    elif len(words) > 1 and words[1][:1].isdigit():
        words = [f"{words[0]}, wildcard bits {words[1]}", *words[2:]]
    return f"{action:<6} {' '.join(words)}"


def _matches(count: int) -> str:
    return f" ({count} match{'' if count == 1 else 'es'})" if count else ""


def _list(status: Status, entry: AccessList) -> Iterator[str]:
    yield f"{'Extended' if entry.extended else 'Standard'} IP access list {entry.name}"
    for row in sorted(entry.entries, key=lambda row: row.sequence):
        text = row.text if entry.extended or not row.text else _standard(row.text)
        yield f"    {row.sequence} {text}{_matches(status.access_matches.get((entry.name, row.sequence), 0))}"


def show_access_lists(status: Status, arguments: Arguments) -> Iterator[str]:
    wanted = argument(arguments, "name")
    for entry in status.running.access_lists.values():
        if wanted is None or entry.name == str(wanted):
            yield from _list(status, entry)


_HELP = {
    "show": "Show running system information",
    "ip": "IP information",
    "access-lists": "List access lists",
    "<name>": "ACL name or number",
}

COMMANDS: tuple[ShowCommand, ...] = (
    ShowCommand("show access-lists [<name:word>]", _HELP, ACCESS_LISTS, show_access_lists),
    ShowCommand("show ip access-lists [<name:word>]", _HELP, ACCESS_LISTS, show_access_lists),
)
