"""The real Seikan daemon as one end of a site-to-site VPN."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.control import daemon_program, execute
from tests.interop.network import Site

from seikan.lab import daemons, proof

_CONFIG = """\
hostname {name}
!
crypto isakmp policy 1
 encr {encryption}
 hash {hash}
 authentication pre-share
 group {group}
 lifetime {isakmp_lifetime}
crypto isakmp key {secret} address {peer}
{isakmp}
!
crypto ipsec transform-set SITE {transform}
 mode tunnel
!
crypto ipsec profile SITE
 set transform-set SITE
{profile}
!
interface Tunnel0
 ip unnumbered {device}
 tunnel source {device}
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile SITE
{tunnel}
!
ip route {route} 255.255.255.255 Tunnel0
!
end
"""
IKEV2_TUNNEL = """\
crypto ipsec transform-set SITE esp-gcm 256
 mode tunnel
crypto ipsec profile SITE
 set transform-set SITE
 set ikev2-profile SITE
{only}
interface Tunnel0
 ip unnumbered {device}
 tunnel source {device}
 tunnel destination {peer}
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile SITE
ip route {route} 255.255.255.255 Tunnel0
end
"""
"""The end of a configuration with an ikev2 profile SITE: what is protected by it, and how."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One choice of algorithms, as IOS and as charon write it."""

    name: str
    encryption: str
    hash: str
    group: str
    transform: str
    ike: str
    esp: str
    profile: tuple[str, ...] = ()


AES128_SHA1 = Suite(
    "aes128-sha1-g14", "aes", "sha", "14", "esp-aes esp-sha-hmac", "aes128-sha1-modp2048", "aes128-sha1"
)
AES256_SHA256_PFS = Suite(
    "aes256-sha256-g19-pfs",
    "aes 256",
    "sha256",
    "19",
    "esp-aes 256 esp-sha256-hmac",
    "aes256-sha256-ecp256",
    "aes256-sha256-ecp256",
    ("set pfs group19",),
)
AES_GCM = Suite("gcm128-g19", "aes", "sha256", "19", "esp-gcm 128", "aes128-sha256-ecp256", "aes128gcm16")
# 3DES protects phase 1 only: as ESP it is one of the algorithms that Seikan leaves out.
TRIPLE_DES = Suite("3des-g5", "3des", "sha", "5", "esp-aes esp-sha-hmac", "3des-sha1-modp1536", "aes128-sha1")


@dataclass(slots=True)
class Seikan:
    """One daemon for one site; `peer` is the address of the other, `route` the inner address behind it.

    `text` is a whole configuration of its own instead of the VTI between two sites. Where `speed` is not 1, its clock
    and its timers run so many times as fast, and the peer's do not.
    """

    site: Site
    directory: Path
    peer: str
    route: str
    secret: str
    suite: Suite = AES128_SHA1
    isakmp_lifetime: int = 86400
    isakmp: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()
    tunnel: tuple[str, ...] = ()
    text: str = ""
    speed: float = 1.0
    _daemon: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.site.host.name

    @property
    def config(self) -> str:
        return self.text or _CONFIG.format(
            name=self.name,
            encryption=self.suite.encryption,
            hash=self.suite.hash,
            group=self.suite.group,
            transform=self.suite.transform,
            isakmp_lifetime=self.isakmp_lifetime,
            secret=self.secret,
            peer=self.peer,
            isakmp="\n".join(self.isakmp) or "!",
            profile="\n".join(f" {line}" for line in (*self.suite.profile, *self.profile)) or "!",
            tunnel="\n".join(f" {line}" for line in self.tunnel) or "!",
            device=self.site.device,
            route=self.route,
        )

    def start(self, limit: float = daemons.READY_SECONDS) -> None:
        """Start it and return once it is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "startup-config"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(self.config)
        program = daemon_program(self.speed)
        self._daemon = daemons.launch(self.site.host.name, path, self.name, self.site.host.runtime, limit, program)

    @property
    def pid(self) -> int:
        assert self._daemon is not None
        return self._daemon.pid

    def runs(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    def kill(self) -> None:
        """kill -9, as a crash would."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait()

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self._daemon is not None
        os.kill(self._daemon.pid, signal.SIGTERM)
        return self._daemon.wait(15)

    def exec(self, line: str) -> str:
        """What the router answers to one command."""
        return execute(self.site.host.runtime, self.name, line, limit=180)

    def isakmp_sas(self) -> list[str]:
        """The lines of `show crypto isakmp sa` that are in QM_IDLE and live."""
        lines = self.exec("show crypto isakmp sa").splitlines()
        return [line for line in lines if "QM_IDLE" in line and "deleted" not in line]

    def counters(self) -> proof.Counters:
        return proof.counters(self.exec("show crypto ipsec sa").splitlines())

    def spis(self) -> set[int]:
        """The SPIs of every inbound SA shown."""
        text = self.exec("show crypto ipsec sa")
        inbound = text.partition("inbound esp sas:")[2].partition("outbound esp sas:")[0]
        inbound = inbound.partition("inbound ah sas:")[0]
        return {int(spi, 16) for spi in re.findall(r"spi: 0x([0-9A-Fa-f]+)", inbound)}

    def line_protocol_up(self) -> bool:
        answer = self.exec("show interfaces tunnel 0")
        return "line protocol is up" in answer

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")
