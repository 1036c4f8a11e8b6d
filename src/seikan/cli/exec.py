"""The commands of exec mode: rows of the same table as the configuration's, whose handlers make requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType

from seikan.cli.answers import (
    Answer,
    Configure,
    Disable,
    Enable,
    ExecCommand,
    Handler,
    Question,
    TerminalSetting,
    View,
    always,
    confirm,
)
from seikan.cli.clear import CLEAR_COMMANDS
from seikan.cli.pki import PKI_COMMANDS
from seikan.cli.requests import (
    KEYLOG,
    Close,
    Copy,
    Debug,
    EraseStartup,
    Location,
    Monitor,
    Ping,
    Reply,
    Show,
    Traceroute,
)
from seikan.cli.running import RUNNING_COMMANDS
from seikan.cli.show import SHOW_COMMANDS
from seikan.cli.show.command import ShowCommand
from seikan.cli.status import Status
from seikan.config.grammar import Command, Match, Table
from seikan.config.modes import EXEC

MAXIMUM_HISTORY = 256  # lines


def _configure(match: Match, view: View) -> Answer:
    if "terminal" in match.args:
        return Configure()

    def answer(line: str) -> Answer:
        if "terminal".startswith(line.strip().lower()):
            return Configure()
        return Reply(('?Must be "terminal"',), failed=True)

    return Question("Configuring from terminal, memory, or network [terminal]? ", answer)


# Files


def _copy(source: Location | str, destination: Location | str) -> Answer:
    default = destination.value if isinstance(destination, Location) else destination

    def answer(line: str) -> Answer:
        named = line.strip()
        return Copy(source, destination if named in ("", default) else named)

    return Question(f"Destination filename [{default}]? ", answer)


def _copy_between(source: Location | None, destination: Location | None) -> Handler:
    """None stands for the file that is named in the line."""

    def handler(match: Match, view: View) -> Answer:
        file = str(match.args.get("file", ""))
        return _copy(source or file, destination or file)

    return handler


_ERASE = confirm("This removes the startup configuration. Continue? [confirm]", EraseStartup())

_CONFIGURATION_HELP = {
    "copy": "Copy from one file to another",
    "running-config": "Current system configuration",
    "startup-config": "Startup configuration",
    "<file>": "Path of a file",
    "erase": "Erase the startup configuration",
    "write": "Write running configuration to memory or terminal",
    "memory": "Write to the startup configuration",
    "terminal": "Write to terminal",
}


# Ping and traceroute

_PING_OPTION = (
    "[source (<source:ipv4>|<source:ipv6>|<source:interface>)|repeat <repeat:number(1-2147483647)>"
    "|size <size:number(36-18024)>|timeout <timeout:number(0-3600)>|df-bit]"
)
_PING_OPTIONS = 5  # each once, in any order


def _ping(match: Match, view: View) -> Answer:
    given = match.args
    source, repeat, size, timeout = (given.get(name) for name in ("source", "repeat", "size", "timeout"))
    defaults = Ping(str(given["target"]))
    return Ping(
        defaults.target,
        source=None if source is None else str(source),
        repeat=repeat if isinstance(repeat, int) else defaults.repeat,
        size=size if isinstance(size, int) else defaults.size,
        timeout=float(timeout) if isinstance(timeout, int) else defaults.timeout,
        df="df-bit" in given,
    )


_TRACE_OPTION = (
    "[source (<source:ipv4>|<source:ipv6>|<source:interface>)|probe <probe:number(1-10)>"
    "|timeout <timeout:number(1-3600)>|numeric]"
)
_TRACE_OPTIONS = 4


def _traceroute(match: Match, view: View) -> Answer:
    given = match.args
    source, probes, timeout = (given.get(name) for name in ("source", "probe", "timeout"))
    defaults = Traceroute(str(given["target"]))
    return Traceroute(
        defaults.target,
        source=None if source is None else str(source),
        probes=probes if isinstance(probes, int) else defaults.probes,
        timeout=float(timeout) if isinstance(timeout, int) else defaults.timeout,
    )


# Debug


def _debug(topic: str | None, on: bool) -> Handler:
    return lambda match, view: Debug(topic, on and match.negation != "no")


def _show_debugging(status: Status) -> Iterable[str]:
    if not status.debugging:
        return
    for heading, routing in (("IP routing:", True), ("Cryptographic Subsystem:", False)):
        topics = [topic for topic in status.debugging if (topic == "routing") is routing]
        if topics:
            yield heading
        for topic in topics:
            yield f"  {DEBUG_NAMES[topic]} debugging is on"


# The topics of `debug` and how IOS names them in its answers.
DEBUG_NAMES = MappingProxyType(
    {
        "isakmp": "Crypto ISAKMP",
        "ikev2": "IKEv2 default",
        "ikev2 error": "IKEv2 error",
        "ikev2 packet": "IKEv2 packet",
        "ikev2 internal": "IKEv2 internal",
        KEYLOG: "IKEv2 key log (keys are written to a file)",
        "ipsec": "Crypto IPSEC",
        "routing": "IP routing",
    }
)
_DEBUG_WORDS = MappingProxyType({topic: f"crypto {topic}" for topic in DEBUG_NAMES} | {"routing": "ip routing"})
_DEBUG_HELP = MappingProxyType({"ip": "IP information", "routing": "Routes that come and go"})

_CRYPTO_HELP = {
    "crypto": "Encryption subsystem",
    "isakmp": "ISAKMP",
    "ikev2": "IKEv2",
    "error": "What goes wrong in IKEv2",
    "packet": "Messages of IKEv2",
    "internal": "Everything of IKEv2",
    "keylog": "Write the keys of new IKEv2 SAs to a file, for Wireshark: whoever has it can read the messages",
    "ipsec": "IPSEC",
}


# The terminal and the session


def _show_history(match: Match, view: View) -> Answer:
    return Reply(tuple(f"  {line}" for line in view.history))


def _show_privilege(match: Match, view: View) -> Answer:
    return Reply((f"Current privilege level is {view.privilege}",))


def _terminal_number(setting: Callable[[int], TerminalSetting]) -> Handler:
    return lambda match, view: setting(int(str(match.args["number"])))


_TERMINAL_HELP = {
    "terminal": "Set terminal line parameters",
    "length": "Set number of lines on a screen",
    "width": "Set width of the display terminal",
    "history": "Enable and control the command history function",
    "size": "Set history buffer size",
    "monitor": "Copy debug output to the current terminal line",
    "no": "Negate a command or set its defaults",
    "<number>": "Number of lines or columns (0 for no limit)",
}

_EXIT_HELP = {"exit": "Exit from the EXEC", "logout": "Exit from the EXEC", "quit": "Exit from the EXEC"}


def _show_row(row: ShowCommand) -> ExecCommand:
    def handler(match: Match, view: View) -> Answer:
        args = match.args
        return Show(row.needs, lambda status: row.render(status, args), lambda lines: lines)

    return ExecCommand(row.syntax, handler, row.help, user=not row.privileged)


EXEC_COMMANDS: tuple[ExecCommand, ...] = (
    ExecCommand(
        "configure [terminal]",
        _configure,
        {"configure": "Enter configuration mode", "terminal": "Configure from the terminal"},
    ),
    ExecCommand("enable", always(Enable()), {"enable": "Turn on privileged commands"}, user=True),
    ExecCommand("disable", always(Disable()), {"disable": "Turn off privileged commands"}, user=True),
    ExecCommand("exit", always(Close()), _EXIT_HELP, user=True),
    ExecCommand("logout", always(Close()), _EXIT_HELP, user=True),
    ExecCommand("quit", always(Close()), _EXIT_HELP, user=True),
    ExecCommand("end", always(Reply()), user=True, hidden=True),  # scripts send it wherever they are
    ExecCommand("write [memory]", always(Copy(Location.RUNNING, Location.STARTUP)), _CONFIGURATION_HELP),
    ExecCommand("write erase", always(_ERASE), {"erase": "Erase the startup configuration"}),
    ExecCommand("erase startup-config", always(_ERASE), _CONFIGURATION_HELP),
    ExecCommand(
        "copy running-config startup-config",
        _copy_between(Location.RUNNING, Location.STARTUP),
        _CONFIGURATION_HELP,
    ),
    ExecCommand(
        "copy startup-config running-config",
        _copy_between(Location.STARTUP, Location.RUNNING),
        _CONFIGURATION_HELP,
    ),
    ExecCommand("copy running-config <file:word>", _copy_between(Location.RUNNING, None), _CONFIGURATION_HELP),
    ExecCommand("copy startup-config <file:word>", _copy_between(Location.STARTUP, None), _CONFIGURATION_HELP),
    ExecCommand("copy <file:word> running-config", _copy_between(None, Location.RUNNING), _CONFIGURATION_HELP),
    ExecCommand("copy <file:word> startup-config", _copy_between(None, Location.STARTUP), _CONFIGURATION_HELP),
    ExecCommand(
        f"ping [ip] <target:host> {' '.join([_PING_OPTION] * _PING_OPTIONS)}",
        _ping,
        {
            "ping": "Send echo messages",
            "ip": "IP echo",
            "<target>": "Ping destination address or hostname",
            "source": "specify source address or name",
            "<source>": "Source address",
            "repeat": "specify repeat count",
            "<repeat>": "Repeat count",
            "size": "specify datagram size",
            "<size>": "Datagram size",
            "timeout": "specify timeout interval",
            "<timeout>": "Timeout in seconds",
            "df-bit": "enable do not fragment bit in IP header",
        },
        user=True,
    ),
    ExecCommand(
        f"traceroute [ip] <target:host> {' '.join([_TRACE_OPTION] * _TRACE_OPTIONS)}",
        _traceroute,
        {
            "traceroute": "Trace route to destination",
            "ip": "IP Trace",
            "<target>": "Trace route to destination address or hostname",
            "source": "specify source address or name",
            "<source>": "Source address",
            "probe": "specify number of probes per hop",
            "<probe>": "Number of probes",
            "timeout": "specify time out",
            "<timeout>": "Timeout in seconds",
            "numeric": "display numeric address",
        },
        user=True,
    ),
    *CLEAR_COMMANDS,
    *PKI_COMMANDS,
    *(
        ExecCommand(
            f"debug {_DEBUG_WORDS[topic]}",
            _debug(topic, True),
            {**_CRYPTO_HELP, **_DEBUG_HELP, "debug": "Debugging functions (see also 'undebug')"},
            negatable=True,
        )
        for topic in DEBUG_NAMES
    ),
    ExecCommand("debug all", _debug(None, True), {"all": "Enable all debugging"}, negatable=True),
    *(
        ExecCommand(
            f"undebug {_DEBUG_WORDS[topic]}",
            _debug(topic, False),
            {**_CRYPTO_HELP, **_DEBUG_HELP, "undebug": "Disable debugging functions (see also 'debug')"},
        )
        for topic in DEBUG_NAMES
    ),
    ExecCommand("undebug all", _debug(None, False), {"all": "Disable all debugging"}),
    ExecCommand("show history", _show_history, {"history": "Display the session command history"}, user=True),
    ExecCommand("show privilege", _show_privilege, {"privilege": "Show current privilege level"}, user=True),
    ExecCommand(
        "terminal length <number:number(0-512)>",
        _terminal_number(lambda number: TerminalSetting(length=number)),
        _TERMINAL_HELP,
        user=True,
    ),
    ExecCommand(
        "terminal width <number:number(0-512)>",
        _terminal_number(lambda number: TerminalSetting(width=number)),
        _TERMINAL_HELP,
        user=True,
    ),
    ExecCommand("terminal no length", always(TerminalSetting(reset="length")), _TERMINAL_HELP, user=True),
    ExecCommand("terminal no width", always(TerminalSetting(reset="width")), _TERMINAL_HELP, user=True),
    ExecCommand(
        f"terminal history size <number:number(0-{MAXIMUM_HISTORY})>",
        _terminal_number(lambda number: TerminalSetting(history=number)),
        {**_TERMINAL_HELP, "<number>": "Size of history buffer"},
        user=True,
    ),
    ExecCommand("terminal monitor", always(Monitor(True)), _TERMINAL_HELP),
    ExecCommand("terminal no monitor", always(Monitor(False)), _TERMINAL_HELP),
    _show_row(
        ShowCommand(
            "show debugging",
            {"debugging": "State of each debugging option"},
            frozenset(),
            lambda status, args: _show_debugging(status),
        )
    ),
    *(_show_row(row) for row in (*RUNNING_COMMANDS, *SHOW_COMMANDS)),
    ExecCommand(
        "write terminal",
        _show_row(RUNNING_COMMANDS[0]).handler,
        _CONFIGURATION_HELP,
    ),
)


def _command(row: ExecCommand) -> Command:
    help_texts = {"show": "Show running system information", "clear": "Reset functions", **row.help}
    return Command(EXEC, row.syntax, help_texts, row.handler, row.negatable, None, row.hidden)


PRIVILEGED_TABLE = Table(_command(row) for row in EXEC_COMMANDS)
ACTION_TABLE = Table(_command(row) for row in PKI_COMMANDS)  # those that are typed in configuration mode, too
USER_TABLE = Table(_command(row) for row in EXEC_COMMANDS if row.user)
