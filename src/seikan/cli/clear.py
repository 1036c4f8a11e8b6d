"""The `clear` commands: what each one asks of the daemon."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from seikan.cli.answers import Answer, ExecCommand, Handler, Question, View, always, confirm
from seikan.cli.requests import Clear, ClearKind, Reply
from seikan.cli.status import Address
from seikan.config.grammar import Match

_LOWEST_SPI = 256  # those below are reserved (RFC 4303 section 2.1)
_HIGHEST_SPI = 0xFFFFFFFF


def _address(match: Match, name: str) -> Address | None:
    value = match.args.get(name)
    return value if isinstance(value, IPv4Address | IPv6Address) else None


def _number(match: Match, name: str) -> int | None:
    value = match.args.get(name)
    return value if isinstance(value, int) and value is not True else None


def _word(match: Match, name: str) -> str | None:
    value = match.args.get(name)
    return None if value is None or value is True else str(value)


def _clear(kind: ClearKind) -> Handler:
    """What was typed narrows it; each placeholder has the name of the request's field."""

    def handler(match: Match, view: View) -> Answer:
        return Clear(
            kind,
            peer=_address(match, "peer"),
            peer_port=_number(match, "peer_port"),
            local=_address(match, "local"),
            local_port=_number(match, "local_port"),
            conn_id=_number(match, "conn_id"),
            interface=_word(match, "interface"),
            crypto_map=_word(match, "crypto_map"),
            access_list=_word(match, "access_list"),
        )

    return handler


def _sa_entry(match: Match, view: View) -> Answer:
    """One SA: where its packets go and its SPI, in decimal or as `show crypto ipsec sa` prints it, 0x658F7C11."""
    typed = str(match.args["spi"])
    try:
        spi = int(typed, 16 if typed[:2].lower() == "0x" else 10)
    except ValueError:
        spi = 0
    if not _LOWEST_SPI <= spi <= _HIGHEST_SPI or not typed.isalnum():
        return Reply((f"% {typed} is no SPI: type one of show crypto ipsec sa, such as 0x658F7C11",), failed=True)
    return Clear(ClearKind.SA, peer=_address(match, "peer"), spi=spi)


def _counters(match: Match, view: View) -> Answer:
    interface = _word(match, "interface")
    which = "on all interfaces" if interface is None else "on this interface"
    return confirm(f'Clear "show interface" counters {which} [confirm]', Clear(ClearKind.COUNTERS, interface=interface))


def _ospf(match: Match, view: View) -> Answer:
    def answer(line: str) -> Answer:
        word = line.strip().lower()
        return Clear(ClearKind.OSPF) if word and "yes".startswith(word) else Reply()

    return Question("Reset ALL OSPF processes? [no]: ", answer, unattended="yes")


_HELP = {
    "clear": "Reset functions",
    "crypto": "Encryption subsystem",
    "isakmp": "ISAKMP database",
    "ikev2": "IKEv2 SAs with everything below them, and statistics",
    "stats": "Reset the counters of show crypto ikev2 stats",
    "psh": "Clear the SA with one Tunnel-id of show crypto ikev2 sa",
    "sa": "IPsec security associations",
    "session": "Crypto sessions of all peers",
    "call": "Crypto call admission info",
    "admission": "Crypto call admission info",
    "statistics": "Reset the crypto call admission statistics",
    "peer": "Clear the SAs of one peer",
    "map": "Clear the SAs of one crypto map",
    "counters": "Reset the SA counters",
    "entry": "Clear one SA, and the one that belongs to it",
    "spi": "Clear one SA, and the one that belongs to it",
    "esp": "Encapsulating Security Payload",
    "local": "Clear the sessions of one local address",
    "remote": "Clear the sessions of one peer",
    "port": "And of one port there",
    "interface": "Clear the sessions of one interface",
    "access-list": "Clear access list statistical information",
    "ip": "IP",
    "<conn_id>": "Connection id of SA",
    "<peer>": "Address of the peer",
    "<peer_port>": "Port of the peer",
    "<local>": "Address of this router",
    "<local_port>": "Port of this router",
    "<crypto_map>": "Crypto map tag",
    "<spi>": "Security parameter index, such as 0x658F7C11",
    "<access_list>": "Access list name or number",
}
_ACCESS_LIST_HELP = {**_HELP, "counters": "Clear access list counters"}

_PEER = "(<peer:ipv4>|<peer:ipv6>)"
_REMOTE = f"remote {_PEER} [port <peer_port:number(1-65535)>]"
_LOCAL = "local (<local:ipv4>|<local:ipv6>) [port <local_port:number(1-65535)>]"

CLEAR_COMMANDS: tuple[ExecCommand, ...] = (
    ExecCommand("clear crypto isakmp [<conn_id:number(1-32766)>]", _clear(ClearKind.ISAKMP), _HELP),
    ExecCommand("clear crypto ikev2 sa", _clear(ClearKind.IKEV2_SA), _HELP),
    ExecCommand(f"clear crypto ikev2 sa {_REMOTE}", _clear(ClearKind.IKEV2_SA), _HELP),
    ExecCommand(f"clear crypto ikev2 sa {_LOCAL}", _clear(ClearKind.IKEV2_SA), _HELP),
    ExecCommand("clear crypto ikev2 sa psh <conn_id:number(1-2147483647)>", _clear(ClearKind.IKEV2_SA), _HELP),
    ExecCommand("clear crypto ikev2 stats", _clear(ClearKind.IKEV2_STATS), _HELP),
    ExecCommand(f"clear crypto sa [peer {_PEER}]", _clear(ClearKind.SA), _HELP),
    ExecCommand("clear crypto sa map <crypto_map:word>", _clear(ClearKind.SA), _HELP),
    ExecCommand(f"clear crypto sa (entry|spi) {_PEER} esp <spi:word>", _sa_entry, _HELP),
    ExecCommand("clear crypto sa counters", _clear(ClearKind.SA_COUNTERS), _HELP),
    ExecCommand("clear crypto session", _clear(ClearKind.SESSION), _HELP),
    ExecCommand(f"clear crypto session {_REMOTE}", _clear(ClearKind.SESSION), _HELP),
    ExecCommand(f"clear crypto session {_LOCAL} [{_REMOTE}]", _clear(ClearKind.SESSION), _HELP),
    ExecCommand("clear crypto session interface <interface:interface>", _clear(ClearKind.SESSION), _HELP),
    ExecCommand("clear crypto call admission statistics", _clear(ClearKind.ADMISSION), _HELP),
    ExecCommand(
        "clear access-list counters [<access_list:word>]", _clear(ClearKind.ACCESS_LIST_COUNTERS), _ACCESS_LIST_HELP
    ),
    ExecCommand(
        "clear ip access-list counters [<access_list:word>]", _clear(ClearKind.ACCESS_LIST_COUNTERS), _ACCESS_LIST_HELP
    ),
    ExecCommand("clear counters [<interface:interface>]", _counters, {"counters": "Clear counters on interfaces"}),
    ExecCommand(
        "clear logging",
        always(confirm("Clear logging buffer [confirm]", Clear(ClearKind.LOGGING))),
        {"logging": "Clear logging buffer"},
    ),
    ExecCommand(
        "clear ip ospf process", _ospf, {"ip": "IP", "ospf": "OSPF clear commands", "process": "Reset OSPF process"}
    ),
)
