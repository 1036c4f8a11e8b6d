"""strongSwan's charon as a peer with the ESP of the machine's kernel; commands by swanctl."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.charon import CHILD, CONNECTION, daemon_settings, program
from tests.interop.connection import Connection, PeerStatus
from tests.interop.guest import Guest
from tests.interop.peer_charon import load_connection
from tests.interop.vici import Value

_PLACE = "/run/strongswan"
_SWANCTL = "swanctl {\n  load = pem\n}\n"  # it has nothing but shared keys to read; to load all takes it long
_SECRET = "secrets {{\n  ike-site {{\n    id-1 = {ours}\n    id-2 = {theirs}\n    secret = {secret}\n  }}\n}}\n"


@dataclass(slots=True)
class StrongSwanKernel:
    """charon in the machine, with pre-shared keys. `directory` lies in what is shared with it."""

    guest: Guest
    directory: Path
    _connection: Connection | None = field(default=None, repr=False)

    def start(self, connection: Connection) -> None:
        self._connection = connection
        self.directory.mkdir(parents=True, exist_ok=True)
        secret = _SECRET.format(
            ours=connection.our_identity, theirs=connection.their_identity, secret=connection.secret
        )
        sections = "\n".join(_sections({"connections": {CONNECTION: load_connection(connection)}}))
        (self.directory / "swanctl.conf").write_text(f"{sections}\n{secret}")
        (self.directory / "strongswan.conf").write_text(daemon_settings(_PLACE, "kernel-netlink") + _SWANCTL)
        host, place = self.guest.host, self.guest.host.inside(self.directory)
        host.shell(f"mkdir -p {_PLACE}; cp {place}/*.conf {_PLACE}; rm -f {_PLACE}/vici")
        host.background(f"env STRONGSWAN_CONF={_PLACE}/strongswan.conf {program()}", f"{_PLACE}/output")
        host.shell(f"for i in $(seq 300); do test -S {_PLACE}/vici && break; sleep 0.1; done")
        self._control(f"--load-all --file {_PLACE}/swanctl.conf")

    def _control(self, arguments: str) -> str:
        settings = f"STRONGSWAN_CONF={_PLACE}/strongswan.conf"
        return self.guest.host.shell(f"{settings} swanctl {arguments} --uri unix://{_PLACE}/vici")

    def initiate(self) -> None:
        self._control(f"--initiate --child {CHILD} --timeout 20")

    def rekey_child(self) -> None:
        self._control(f"--rekey --child {CHILD}")

    def rekey_ike(self) -> None:
        self._control(f"--rekey --ike {CONNECTION}")

    def delete(self) -> None:
        self._control(f"--terminate --ike {CONNECTION} --timeout 10")

    def status(self) -> PeerStatus:
        assert self._connection is not None
        ike = re.findall(r"\{uniqueid=(\d+) version=\d state=ESTABLISHED", self._control("--list-sas --raw"))
        return PeerStatus(frozenset(ike), self.guest.host.inbound_spis(self._connection.theirs.address))

    def stop(self) -> None:
        self._end("TERM")

    def kill(self) -> None:
        self._end("KILL")

    def _end(self, signal: str) -> None:
        self.guest.host.shell(
            f"pid=$(cat /run/charon.pid); kill -{signal} $pid; for i in $(seq 100); do test -e /proc/$pid || break;"
            f" sleep 0.1; done; rm -f /run/charon.pid {_PLACE}/vici; ip xfrm state flush; ip xfrm policy flush;"
            "ip route flush table 40000; ip route flush table 220"
        )

    def log(self) -> str:
        return self.guest.host.run("cat", f"{_PLACE}/charon.log", check=False)


def _sections(sections: Mapping[str, Value], indent: str = "") -> Iterator[str]:
    """As swanctl.conf(5) has them; a list is separated by commas."""
    for name, value in sections.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name} {{"
            yield from _sections(value, f"{indent}  ")
            yield f"{indent}}}"
        else:
            yield f"{indent}{name} = {value if isinstance(value, str) else ', '.join(value)}"
