"""Distinguished names (X.501) as IOS writes them: `cn=hub,ou=vpn,o=Example`, the most specific part first."""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCE, _SET, _OID = 0x30, 0x31, 0x06
_UTF8, _PRINTABLE, _TELETEX, _IA5, _UNIVERSAL, _BMP = 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E
_CODECS = {
    _UTF8: "utf-8",
    _PRINTABLE: "ascii",
    _TELETEX: "latin-1",
    _IA5: "ascii",
    _UNIVERSAL: "utf-32-be",
    _BMP: "utf-16-be",
}
# X.520 attribute types, RFC 2985's, RFC 4519's.
_ATTRIBUTES = {
    "2.5.4.3": "cn",
    "2.5.4.4": "sn",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "c",
    "2.5.4.7": "l",
    "2.5.4.8": "st",
    "2.5.4.9": "street",
    "2.5.4.10": "o",
    "2.5.4.11": "ou",
    "2.5.4.12": "title",
    "2.5.4.42": "givenName",
    "1.2.840.113549.1.9.1": "e",
    "1.2.840.113549.1.9.2": "hostname",
    "1.2.840.113549.1.9.8": "ipaddress",
    "0.9.2342.19200300.100.1.1": "uid",
    "0.9.2342.19200300.100.1.25": "dc",
}
_SPECIAL = ',+"\\<>;='  # RFC 4514 section 2.4, and the equals sign


class _Malformed(Exception):
    """Not DER of a name."""


def _element(data: bytes, offset: int, end: int) -> tuple[int, int, int]:
    """Tag, start and end of the contents of the element at `offset`; it ends at `end` at most (X.690 section 8.1)."""
    if offset + 2 > end:
        raise _Malformed
    tag, length, start = data[offset], data[offset + 1], offset + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 2 or start + octets > end:
            raise _Malformed
        length, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    if start + length > end:
        raise _Malformed
    return tag, start, start + length


def _elements(data: bytes, start: int, end: int, expected: int | None = None) -> Iterator[tuple[int, int, int]]:
    while start < end:
        tag, first, last = _element(data, start, end)
        if expected is not None and tag != expected:
            raise _Malformed
        yield tag, first, last
        start = last


def _object_identifier(data: bytes) -> str:
    """X.690 section 8.19."""
    if not data or data[-1] & 0x80:
        raise _Malformed
    arcs, value = [], 0
    for octet in data:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    head = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (head, arcs[0] - 40 * head, *arcs[1:]))


def _value(tag: int, data: bytes) -> str:
    try:
        text = data.decode(_CODECS[tag])
    except (KeyError, UnicodeDecodeError):
        return f"#{data.hex()}"
    shown = "".join(f"\\{one}" if one in _SPECIAL else one if one.isprintable() else "?" for one in text)
    return f"\\{shown}" if shown.startswith(("#", " ")) else shown


def _part(data: bytes, start: int, end: int) -> str:
    """One attribute of a relative distinguished name."""
    rows = list(_elements(data, start, end))
    if len(rows) != 2 or rows[0][0] != _OID:
        raise _Malformed
    (_, first, last), (tag, value, stop) = rows
    kind = _object_identifier(data[first:last])
    return f"{_ATTRIBUTES.get(kind, kind)}={_value(tag, data[value:stop])}"


def distinguished_name(der: bytes) -> str | None:
    """The text of a name; None for octets that are none."""
    try:
        tag, start, end = _element(der, 0, len(der))
        if tag != _SEQUENCE or end != len(der):
            return None
        parts = [
            "+".join(_part(der, one, last) for _, one, last in _elements(der, first, stop, _SEQUENCE))
            for _, first, stop in _elements(der, start, end, _SET)
        ]
    except _Malformed:
        return None
    return ",".join(reversed(parts)) if all(parts) else None
