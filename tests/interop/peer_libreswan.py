"""libreswan's pluto as a peer, with the ESP of the machine's kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import find_tool, lacking
from tests.interop.certificates import PASSWORD
from tests.interop.connection import Connection, PeerStatus
from tests.interop.guest import Guest
from tests.interop.network import run
from tests.interop.packages import unpacked

PACKAGE = "libreswan"
_NAME = "site"
_PLACE = "/run/pluto"
_PROGRAMS = "/usr/libexec/ipsec"
_GROUPS = {14: "modp2048", 19: "dh19", 31: "dh31"}
_AUTHENTICATIONS = {"psk": "secret", "rsa": "rsasig", "ecdsa": "ecdsa"}
_CONFIG = """\
config setup
  uniqueids=yes
  ikev1-policy=accept
conn site
  auto=add
  ikev2={version}
  authby={authby}
  left={local}
  leftid={local_id}
  right={remote}
  rightid={remote_id}
  leftsubnet=0.0.0.0/0
  rightsubnet=0.0.0.0/0
  leftupdown=%disabled
  rightupdown=%disabled
  ike={ike}
  esp={esp}
  pfs=no
  ikelifetime={ike_seconds}s
  salifetime={child_seconds}s
  retransmit-timeout=20s
  dpddelay=10
  dpdtimeout=20
  dpdaction=clear
  rekeymargin=5s
  rekeyfuzz=0%
{certificates}
"""


@dataclass(slots=True)
class Libreswan:
    """pluto in the machine. `directory` lies in what is shared with it."""

    guest: Guest
    directory: Path
    _connection: Connection | None = field(default=None, repr=False)

    def start(self, connection: Connection) -> None:
        package = unpacked(PACKAGE)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._connection = connection
        _write(connection, self.directory)
        place = self.guest.host.inside(self.directory)
        self.guest.host.shell(
            f"set -e; mkdir -p {_PLACE}/ipsec.d; ln -sfn {package}{_PROGRAMS} {_PROGRAMS};"
            f"cp -r {place}/nss {place}/ipsec.conf {place}/ipsec.secrets {_PLACE};"
            f"chmod 600 {_PLACE}/ipsec.secrets"
        )
        host = self.guest.host
        host.background(
            f"{_PROGRAMS}/pluto --nofork --stderrlog --config {_PLACE}/ipsec.conf --rundir {_PLACE}"
            f" --secretsfile {_PLACE}/ipsec.secrets --nssdir {_PLACE}/nss --ipsecdir {_PLACE}/ipsec.d --no-dnssec"
            f" --nhelpers 0 --use-xfrm",
            f"{place}/pluto.log",
        )
        host.shell(
            f"for i in $(seq 300); do test -S {_PLACE}/pluto.ctl && break; sleep 0.1; done;"
            f"set -e; {self._whack('--listen')}; {_PROGRAMS}/addconn --ctlsocket {_PLACE}/pluto.ctl"
            f" --config {_PLACE}/ipsec.conf {_NAME}"
        )

    @staticmethod
    def _whack(arguments: str) -> str:
        return f"{_PROGRAMS}/whack --ctlsocket {_PLACE}/pluto.ctl {arguments}"

    def initiate(self) -> None:
        self.guest.host.shell(self._whack(f"--initiate --asynchronous --name {_NAME}"))

    def rekey_child(self) -> None:
        self._rekey("--rekey-ipsec")

    def rekey_ike(self) -> None:
        self._rekey("--rekey-ike")

    def _rekey(self, command: str) -> None:
        """It takes the command for IKEv2 only; with IKEv1 its lifetime is short."""
        assert self._connection is not None
        if self._connection.version == 2:
            self.guest.host.shell(self._whack(f"{command} --asynchronous --name {_NAME}"))

    def delete(self) -> None:
        self.guest.host.shell(self._whack(f"--terminate --name {_NAME}"))

    def status(self) -> PeerStatus:
        assert self._connection is not None
        states = self.guest.host.shell(self._whack("--showstates"))
        ike = re.findall(r"#(\d+): .* STATE_(?:V2_ESTABLISHED_IKE_SA|MAIN_[IR][34])", states)
        return PeerStatus(frozenset(ike), self.guest.host.inbound_spis(self._connection.theirs.address))

    def stop(self) -> None:
        self._end(self._whack("--shutdown") + " || true")

    def kill(self) -> None:
        self._end("kill -9 $(cat {_PLACE}/pluto.pid)".replace("{_PLACE}", _PLACE))

    def _end(self, command: str) -> None:
        self.guest.host.shell(
            f"pid=$(cat {_PLACE}/pluto.pid); {command}; for i in $(seq 100); do test -e /proc/$pid || break; sleep 0.1;"
            f" done; rm -rf {_PLACE}; ip xfrm state flush; ip xfrm policy flush"
        )

    def log(self) -> str:
        path = self.directory / "pluto.log"
        return path.read_text(errors="replace") if path.exists() else ""


def _write(connection: Connection, directory: Path) -> None:
    """The configuration, the secrets and the NSS database."""
    certificates = "" if connection.authentication == "psk" else "  leftcert=peer\n  leftsendcert=always"
    prf, group = "sha2_256", _GROUPS[connection.group]
    named = connection.authentication != "psk"
    ike_cipher = "aes_gcm256" if connection.cipher == "gcm" and connection.version == 2 else "aes256"
    (directory / "ipsec.conf").write_text(
        _CONFIG.format(
            version="insist" if connection.version == 2 else "no",
            authby=_AUTHENTICATIONS[connection.authentication],
            local=connection.theirs.address,
            local_id=("@" if named else "") + connection.their_identity,
            remote="%any" if connection.ours_seen == "0.0.0.0" else connection.ours_seen,
            remote_id=("@" if named else "") + connection.our_identity,
            ike=f"{ike_cipher}-{prf}-{group}",
            esp="aes_gcm256" if connection.cipher == "gcm" else "aes256-sha2_256",
            ike_seconds=connection.their_ike_seconds,
            child_seconds=connection.their_child_seconds,
            certificates=certificates,
        )
    )
    (directory / "ipsec.secrets").write_text(f': PSK "{connection.secret}"\n')
    database = directory / "nss"
    if database.exists():
        return
    database.mkdir()
    certutil = _tool("certutil")
    run(certutil, "-N", "-d", f"sql:{database}", "--empty-password")
    if connection.credentials is not None:
        run(
            certutil,
            "-A",
            "-d",
            f"sql:{database}",
            "-n",
            "ca",
            "-t",
            "CT,,",
            "-a",
            "-i",
            str(connection.credentials / "ca.pem"),
        )
        run(_tool("pk12util"), "-i", str(connection.credentials / "peer.p12"), "-d", f"sql:{database}", "-W", PASSWORD)


def _tool(name: str) -> str:
    path = find_tool(name)
    if path is None:
        lacking(f"{name} is not installed: make test installs it")
    return path or ""
