"""The userspace plane in Rust (`rust/pyext`). Addresses and names are text; every refusal is an OSError of one line."""

from typing import final

_Event = tuple[
    str,  # kind
    str | None,  # tunnel
    int | None,  # SPI
    str | None,  # direction
    str | None,  # remote
    int | None,  # remote port
    str | None,  # local
    int | None,  # MTU
    int | None,  # sequence number
    int | None,  # policy
]
_Ike = tuple[bytes, str, int, str, int]  # data, local, local port, remote, remote port
_Drops = list[tuple[str, int]]
_Counters = tuple[int, int, int, int, _Drops]  # packets in, packets out, octets in, octets out, drops
_Policy = tuple[
    int,  # number
    tuple[str, int],  # network of this side and its prefix length
    tuple[str, int],  # and of the other
    int,  # protocol, 0 for any
    int,  # port of this side, 0 for any
    int,  # and of the other
]
_Tunnel = tuple[
    str,  # device
    str,  # mode
    str,  # source
    str,  # destination
    int,  # MTU
    int | None,  # key
    int,  # TTL
    str,  # DF rule
    int | None,  # TOS
    str | None,  # bundle
    list[_Policy],
]

@final
class Plane:
    def __new__(cls, workers: int) -> Plane: ...
    def create_tunnel(self, tunnel: _Tunnel) -> None: ...
    def update_tunnel(self, tunnel: _Tunnel) -> None: ...
    def remove_tunnel(self, device: str) -> None: ...
    def set_carrier(self, device: str, up: bool) -> None: ...
    def add_sa(
        self,
        tunnel: str,
        direction: str,
        spi: int,
        local: str,
        remote: str,
        ports: tuple[int, int] | None,
        encryption: str,
        encryption_key: bytes,
        integrity: str | None,
        integrity_key: bytes,
        replay_window: int,
        extended_sequence_numbers: bool,
        lifetime: tuple[int, int, int, int],
        policy: int | None,
        transport: bool,
    ) -> None: ...
    def reserve_spi(self, spi: int) -> None: ...
    def update_endpoint(
        self,
        direction: str,
        spi: int,
        tunnel: str,
        local: str,
        remote: str,
        ports: tuple[int, int] | None,
    ) -> None: ...
    def remove_sa(self, direction: str, spi: int, tunnel: str) -> None: ...
    def tunnel_counters(self, device: str) -> _Counters: ...
    def policy_counters(self, device: str, policy: int) -> _Counters: ...
    def send_keepalive(self, device: str) -> None: ...
    def sa_counters(self, direction: str, spi: int, tunnel: str) -> tuple[int, int, _Drops, float]: ...
    def drops(self) -> _Drops: ...
    def attach_udp(self, fileno: int, port: int) -> None: ...
    def detach_udp(self, port: int) -> None: ...
    def fileno(self) -> int: ...
    def poll(self) -> list[_Event | _Ike]: ...
    def close(self) -> None: ...

def drop_reasons() -> list[tuple[str, str]]: ...
