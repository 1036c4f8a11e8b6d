"""strongSwan's charon as a peer: its own process, in its own namespaces, with ESP in user space."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.network import Site, stop
from tests.interop.vici import Section, Value, Vici, ViciError

from seikan.lab.wait import wait_until

PROGRAMS = (Path("/usr/lib/ipsec/charon"), Path("/usr/libexec/ipsec/charon"))
CONNECTION = "site"
CHILD = "net"

_PLUGINS = (
    "random nonce aesni aes des sha2 sha1 md5 openssl fips-prf xcbc cmac hmac kdf ctr ccm gcm drbg "
    "pem pkcs1 pkcs8 x509 pubkey constraints {kernel} socket-default vici"
)

_SETTINGS = """\
charon {{
  load = {plugins}
  threads = {threads}
  # kernel-libipsec routes 0.0.0.0/0 into its device whatever it is told; behind the main table that does no harm
  routing_table_prio = 40000
  retransmit_tries = 3
  retransmit_timeout = 1.0
  half_open_timeout = 10
  init_limit_half_open = 0
  cookie_threshold = 0
  block_threshold = 0
  plugins {{
    vici {{ socket = unix://{directory}/vici }}
    kernel-libipsec {{ allow_peer_ts = yes }}
  }}
  filelog {{
    log {{
      path = {directory}/charon.log
      default = {level}
      flush_line = yes
      time_format = %T
    }}
  }}
}}
"""


def daemon_settings(directory: str, kernel: str, threads: int = 16, log_level: int = 1) -> str:
    """A strongswan.conf; `directory` takes the log and the socket for commands, `kernel` names the plugins for ESP."""
    return _SETTINGS.format(
        plugins=_PLUGINS.format(kernel=kernel), directory=directory, level=log_level, threads=threads
    )


def program() -> Path | None:
    """Where charon is installed."""
    return next((path for path in PROGRAMS if path.exists()), None)


@dataclass(slots=True)
class Charon:
    """One charon for one site. `encapsulating` says how it carries ESP: always in UDP with this plugin."""

    site: Site
    directory: Path
    kernel: str = "kernel-libipsec kernel-netlink"
    threads: int = 16
    log_level: int = 1
    _process: subprocess.Popen[str] | None = None
    _vici: Vici | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it and return once it takes commands."""
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = self.directory / "strongswan.conf"
        settings.write_text(daemon_settings(str(self.directory), self.kernel, self.threads, self.log_level))
        (self.directory / "vici").unlink(missing_ok=True)
        # Its pid file has a fixed place below /run, so each has a /run of its own.
        self._process = self.site.host.start(
            *("unshare", "-m", "--propagation", "private", "sh", "-c"),
            f"mount -t tmpfs none /run && exec {program()}",
            log=self.directory / "output",
            environment={"STRONGSWAN_CONF": str(settings)},
        )
        if not wait_until(self._connect, 15):
            raise ViciError(f"charon did not start: {(self.directory / 'output').read_text()[-300:]}")

    def _connect(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise ViciError(f"charon ended: {(self.directory / 'output').read_text()[-300:]}")
        try:
            self._vici = Vici(self.directory / "vici")
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def vici(self) -> Vici:
        assert self._vici is not None
        return self._vici

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._vici is not None:
            self._vici.close()
        if self._process is not None:
            stop(self._process, number)
            self._process = None

    def connect_ike_v1(
        self,
        peer: str,
        secret: str,
        *,
        ike: str = "aes128-sha1-modp2048",
        esp: str = "aes128-sha1",
        local: str | None = None,
        identity: str | None = None,
        peer_identity: str | None = None,
        connection: Mapping[str, Value] | None = None,
        child: Mapping[str, Value] | None = None,
        children: Mapping[str, Mapping[str, Value]] | None = None,
    ) -> None:
        """Load one IKEv1 connection with a pre-shared key and 0.0.0.0/0 on both sides, as a VTI has them.

        `child` changes what the child SA has; `children` makes several of them, by name, each with its changes.
        """
        address = local or self.site.address
        identity, peer_identity = identity or address, peer_identity or peer
        self.vici.request(
            "load-conn",
            {
                CONNECTION: {
                    "version": "1",
                    "local_addrs": [address],
                    "remote_addrs": [peer],
                    "proposals": [ike],
                    "unique": "replace",
                    "rekey_time": "0",
                    "reauth_time": "0",
                    **(connection or {}),
                    "local": {"auth": "psk", "id": identity},
                    "remote": {"auth": "psk", "id": peer_identity},
                    "children": {
                        name: {
                            "local_ts": ["0.0.0.0/0"],
                            "remote_ts": ["0.0.0.0/0"],
                            "esp_proposals": [esp],
                            "rekey_time": "0",
                            **(child or {}),
                            **changes,
                        }
                        for name, changes in (children or {CHILD: {}}).items()
                    },
                }
            },
        )
        self.vici.request("load-shared", {"type": "ike", "data": secret, "owners": [identity, peer_identity]})

    def route(self, network: str, source: str | None = None) -> None:
        """Send what goes to `network` through the tunnel."""
        self.site.host.ip("route", "replace", network, "dev", "ipsec0", "src", source or self.site.inner)

    def initiate(self, limit: float = 20.0, *, child: str = CHILD) -> None:
        """Negotiate phase 1 and 2; ViciError where that fails."""
        self.vici.request("initiate", {"child": child, "ike": CONNECTION, "timeout": str(int(limit * 1000))})

    def terminate(self) -> None:
        self.vici.request("terminate", {"ike": CONNECTION, "timeout": "5000"})

    def rekey_child(self, child: str = CHILD) -> None:
        self.vici.request("rekey", {"child": child})

    def rekey_ike(self) -> None:
        """A new phase 1; IKEv1 has no true rekey, so it authenticates again."""
        self.vici.request("rekey", {"ike": CONNECTION})

    def ike_sas(self) -> list[Section]:
        """Every IKE SA of the connection, as list-sas reports it."""
        found: list[Section] = []
        for event in self.vici.stream("list-sas", "list-sa"):
            found += [sa for name, sa in event.items() if name == CONNECTION and isinstance(sa, dict)]
        return found

    def child_sas(self) -> list[Section]:
        """Every installed child SA."""
        found: list[Section] = []
        for sa in self.ike_sas():
            children = sa.get("child-sas", {})
            if isinstance(children, dict):
                found += [c for c in children.values() if isinstance(c, dict) and c.get("state") == "INSTALLED"]
        return found

    def spis(self) -> set[str]:
        """The inbound SPIs of the installed child SAs."""
        return {str(child["spi-in"]) for child in self.child_sas()}

    def log(self) -> str:
        path = self.directory / "charon.log"
        return path.read_text(errors="replace") if path.exists() else ""
