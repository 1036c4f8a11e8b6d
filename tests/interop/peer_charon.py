"""strongSwan's charon as a peer of the stories."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.charon import CHILD, CONNECTION, Charon
from tests.interop.connection import Connection, PeerStatus
from tests.interop.vici import Value

from seikan.lab.wait import wait_until

_GROUPS = {14: "modp2048", 19: "ecp256", 31: "curve25519"}
_ESP = {"cbc": "aes256-sha256", "gcm": "aes256gcm16", "sha1": "aes256-sha1"}


@dataclass(slots=True)
class StrongSwan:
    """charon in the peer's namespace, with ESP in user space; commands by vici."""

    directory: Path
    _charon: Charon | None = field(default=None, repr=False)
    _connection: Connection | None = field(default=None, repr=False)

    def start(self, connection: Connection) -> None:
        site = connection.theirs
        self._connection = connection
        self._charon = Charon(site, self.directory, log_level=1)
        self._charon.start()
        vici = self._charon.vici
        if connection.credentials is not None:
            key = (connection.credentials / "peer.key").read_text()
            vici.request(
                "load-cert", {"type": "X509", "flag": "CA", "data": (connection.credentials / "ca.pem").read_text()}
            )
            vici.request("load-key", {"type": connection.authentication, "data": key})
        vici.request("load-conn", {CONNECTION: load_connection(connection)})
        if connection.authentication == "psk":
            owners = [connection.our_identity, connection.their_identity]
            vici.request("load-shared", {"type": "ike", "data": connection.secret, "owners": owners})
        # kernel-libipsec makes its device when the first IKE SA or policy needs it, at the latest.
        wait_until(self._device, 10)
        self._route()

    def _site(self) -> Charon:
        assert self._charon is not None
        return self._charon

    def _device(self) -> bool:
        return "ipsec0" in self._site().site.host.ip("-br", "link")

    def _route(self) -> None:
        assert self._connection is not None
        self._site().route(f"{self._connection.ours.inner}/32")

    def initiate(self) -> None:
        self._site().initiate()

    def rekey_child(self) -> None:
        self._site().rekey_child()

    def rekey_ike(self) -> None:
        self._site().rekey_ike()

    def delete(self) -> None:
        self._site().terminate()

    def status(self) -> PeerStatus:
        charon = self._site()
        established = [sa for sa in charon.ike_sas() if sa.get("state") == "ESTABLISHED"]
        return PeerStatus(
            frozenset(str(sa["uniqueid"]) for sa in established), frozenset(int(spi, 16) for spi in charon.spis())
        )

    def stop(self) -> None:
        self._site().stop()

    def kill(self) -> None:
        self._site().stop(signal.SIGKILL)

    def log(self) -> str:
        return self._site().log()


def load_connection(connection: Connection) -> dict[str, Value]:
    """What load-conn takes."""
    if connection.version == 2 and connection.cipher == "gcm":
        ike = f"aes256gcm16-prfsha256-{_GROUPS[connection.group]}"
    else:
        ike = f"aes256-sha256-{_GROUPS[connection.group]}"
    auth = "psk" if connection.authentication == "psk" else "pubkey"
    local: dict[str, Value] = {"auth": auth, "id": connection.their_identity}
    remote: dict[str, Value] = {"auth": auth, "id": connection.our_identity}
    if connection.credentials is not None:
        local["certs"] = [(connection.credentials / "peer.pem").read_text()]
        remote["cacerts"] = [(connection.credentials / "ca.pem").read_text()]
    return {
        "version": str(connection.version),
        "local_addrs": [connection.theirs.address],
        "remote_addrs": [connection.ours_seen],
        "proposals": [ike],
        "unique": "replace",
        "dpd_delay": "10",
        "dpd_timeout": "30",
        "rekey_time": str(connection.their_ike_seconds) if connection.version == 2 else "0",
        "reauth_time": "0",
        "local": local,
        "remote": remote,
        "children": {
            CHILD: {
                "local_ts": ["0.0.0.0/0"],
                "remote_ts": ["0.0.0.0/0"],
                "esp_proposals": [_ESP[connection.cipher]],
                "rekey_time": str(connection.their_child_seconds),
                "dpd_action": "clear",
            }
        },
    }
