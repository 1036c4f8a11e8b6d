"""A DNS server for IPv4 addresses: `dns_server.py ADDRESS FILE`, whose lines are names with an address each.

RFC 1035 section 4.1: answers A, says of everything else that the name has none, and of other names that they are not.
"""

from __future__ import annotations

import socket
import sys
from ipaddress import IPv4Address
from pathlib import Path

_A, _CLASS_IN, _NO_SUCH_NAME, _TTL = 1, 1, 3, 1


def answer(question: bytes, names: dict[str, str]) -> bytes:
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii", "replace").lower())
        at += 1 + question[at]
    kind = int.from_bytes(question[at + 1 : at + 3], "big")
    asked = question[12 : at + 5]
    found = names.get(".".join(labels))
    record = b""
    if found is not None and kind == _A:
        record = b"\xc0\x0c" + b"".join(n.to_bytes(2, "big") for n in (_A, _CLASS_IN))
        record += _TTL.to_bytes(4, "big") + (4).to_bytes(2, "big") + IPv4Address(found).packed
    flags = 0x8580 | (_NO_SUCH_NAME if found is None else 0)
    counts = (1, 1 if record else 0, 0, 0)
    return question[:2] + b"".join(n.to_bytes(2, "big") for n in (flags, *counts)) + asked + record


def main() -> None:
    address, path = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        while True:
            question, client = server.recvfrom(4096)
            names = dict(line.split() for line in Path(path).read_text().splitlines() if line)
            server.sendto(answer(question, names), client)


if __name__ == "__main__":
    main()
