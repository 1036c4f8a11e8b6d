"""OpenIKED's iked as a peer, with the ESP of the machine's kernel. It speaks IKEv2 only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.connection import IKE_SECONDS, Connection, PeerStatus
from tests.interop.guest import Guest
from tests.interop.packages import unpacked

PACKAGE = "openiked"
_PLACE = "/etc/iked"
_CONFIG = f"{_PLACE}/iked.conf"
_PID = "/run/iked.pid"
_GROUPS = {14: "modp2048", 19: "ecp256", 31: "curve25519"}
_CONNECTION = """\
set nomobike
set dpd_check_interval 10
ikev2 "site" {mode} esp from 0.0.0.0/0 to 0.0.0.0/0 local {local} peer {remote} \\
  ikesa {ike} group {group} \\
  childsa {child} \\
  srcid {local_id} dstid {remote_id} \\
  ikelifetime {ike_seconds} lifetime {child_seconds} bytes 4G \\
  {authentication}
"""
_IKE = "auth hmac-sha2-256 enc aes-256 prf hmac-sha2-256"
_CHILD = {"sha1": "auth hmac-sha1 enc aes-256"}


@dataclass(slots=True)
class OpenIked:
    """iked in the machine. `directory` lies in what is shared with it."""

    guest: Guest
    directory: Path
    _connection: Connection | None = field(default=None, repr=False)

    def start(self, connection: Connection) -> None:
        """Ready to answer; what it initiates it begins when it is told to, by `initiate`."""
        self._connection = connection
        self.directory.mkdir(parents=True, exist_ok=True)
        host, place = self.guest.host, self.guest.host.inside(self.directory)
        for mode in ("passive", "active"):
            (self.directory / f"{mode}.conf").write_text(_configuration(connection, mode))
        host.shell(
            "set -e; flock /tmp/users sh -c 'id _iked >/dev/null 2>&1 ||"
            " useradd --system --home /var/empty --shell /usr/sbin/nologin _iked';"
            f"mkdir -p {_PLACE} /var/empty/iked; mountpoint -q {_PLACE} || mount -t tmpfs memory {_PLACE};"
            f"cd {_PLACE}; rm -rf *; mkdir -p ca crls certs private pubkeys/fqdn pubkeys/ipv4;"
            f"chmod 755 /var/empty /var/empty/iked; chmod 700 private;"
            f"cp {place}/passive.conf {_CONFIG}; chmod 600 {_CONFIG}"
        )
        if connection.credentials is None:
            # Without a key of its own it does not start, whatever it authenticates with.
            host.shell(f"openssl ecparam -name prime256v1 -genkey -noout -out {_PLACE}/private/local.key")
        else:
            for source, target in (
                ("ca.pem", "ca/ca.crt"),
                ("peer.pem", "certs/peer.crt"),
                ("peer.key", "private/local.key"),
            ):
                text = (connection.credentials / source).read_text()
                (self.directory / source).write_text(text)
                host.shell(f"cp {place}/{source} {_PLACE}/{target}")
        host.shell(f"chmod 600 {_PLACE}/private/local.key")
        package = unpacked(PACKAGE)
        host.shell(
            f"setsid {package}/usr/sbin/iked -d -vv -f {_CONFIG} >>{place}/iked.log 2>&1 </dev/null & echo $! >{_PID};"
            "for i in $(seq 200); do test -S /var/run/iked.sock && break; sleep 0.1; done; test -S /var/run/iked.sock"
        )

    def _control(self, arguments: str) -> str:
        return self.guest.host.shell(f"{unpacked(PACKAGE)}/usr/sbin/ikectl {arguments}")

    def initiate(self) -> None:
        place = self.guest.host.inside(self.directory)
        self.guest.host.shell(f"cp {place}/active.conf {_CONFIG}; chmod 600 {_CONFIG}")
        self._control("reload")

    def rekey_child(self) -> None:
        """It knows no command for that: its lifetime is short."""

    def rekey_ike(self) -> None:
        """As `rekey_child`."""

    def delete(self) -> None:
        assert self._connection is not None
        self._control("reset sa")

    def status(self) -> PeerStatus:
        """IKE SAs by their initiator's SPI, and the SPIs of the kernel's inbound SAs."""
        assert self._connection is not None
        shown = self._control("show sa")
        ike = re.findall(r"^iked_sas: .*? rspi (0x[0-9a-f]+) .*ESTABLISHED", shown, re.MULTILINE)
        return PeerStatus(frozenset(ike), self.guest.host.inbound_spis(self._connection.theirs.address))

    def stop(self) -> None:
        self._end("TERM")

    def kill(self) -> None:
        self._end("KILL")

    def _end(self, signal: str) -> None:
        # Each of its processes leads a group of its own; the sessions are one.
        self.guest.host.shell(
            f"session=$(cat {_PID}); pkill -{signal} -s $session;"
            "for i in $(seq 50); do pgrep -s $session >/dev/null || break; sleep 0.1; done;"
            "rm -f /var/run/iked.sock; ip xfrm state flush; ip xfrm policy flush"
        )

    def log(self) -> str:
        path = self.directory / "iked.log"
        return path.read_text(errors="replace") if path.exists() else ""


def _configuration(connection: Connection, mode: str) -> str:
    return _CONNECTION.format(
        mode=mode,
        local=connection.theirs.address,
        remote=connection.ours_seen,
        ike=_IKE,
        group=_GROUPS[connection.group],
        child=_CHILD[connection.cipher],
        local_id=connection.their_identity,
        remote_id=connection.our_identity,
        # Zero is its "never".
        ike_seconds=0 if connection.their_ike_seconds == IKE_SECONDS else connection.their_ike_seconds,
        child_seconds=connection.their_child_seconds,
        authentication=f'psk "{connection.secret}"' if connection.authentication == "psk" else "",
    )
