"""Many spokes in one process: the engine itself with real sockets, and a data plane that only keeps books.

`python -m tests.hub.fleet HUB KEY` runs inside a network namespace that has the spokes' addresses. It takes one JSON
command a line on standard input and answers each with one JSON line:

| do | what happens |
|---|---|
| start | spokes `numbers` begin, each at `address(number, place)`; one that runs is left alone |
| cut | they fall silent without a goodbye, and forget everything: a power cut |
| sleep, wake | they neither send nor receive, and remember everything |
| move | they go on from `place`, another address, as a static VTI does whose WAN address changes |
| stop | they say goodbye |
| up | waits up to `limit` seconds until all `numbers` have SAs; answers how many have, and the seconds it took |
| state | of all: how many are up, and the sums of their engines' counters |
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from seikan.config.model import IsakmpPolicy, Keepalive, PreSharedKey, TransformSet
from seikan.ike import effects as fx
from seikan.ike.engine import Engine
from seikan.ike.settings import EngineSettings, FlowSettings, PhaseTwo, TunnelSettings
from seikan.wire.constants import ENCRYPTION_BY_NAME, INTEGRITY_BY_NAME
from seikan.wire.secret import Secret
from seikan.wire.selector import ANY_IPV4

IKE_PORT, NAT_PORT = 500, 4500
FIRST = int(IPv4Address("10.65.0.0"))
PLACES = 4
MARKER = bytes(4)


def address(number: int, place: int = 0) -> IPv4Address:
    """Where spoke `number` (from 1) is: it has PLACES addresses."""
    return IPv4Address(FIRST + number * PLACES + place)


def name(number: int) -> str:
    """Its host name, which is its identity."""
    return f"spoke{number}.example"


def settings(hub: IPv4Address, key: str, number: int, place: int, group: int) -> EngineSettings:
    phase_two = PhaseTwo(
        "profile P",
        (TransformSet("T", ENCRYPTION_BY_NAME["aes-cbc-128"], INTEGRITY_BY_NAME["hmac-sha1-96"]),),
        None,
        3600,
        4608000,
        64,
    )
    flow = FlowSettings("Tunnel0", 0, ANY_IPV4, phase_two)
    return EngineSettings(
        hostname=name(number),
        enabled=True,
        policies=(IsakmpPolicy(1, "aes-cbc-128", "sha1", "pre-share", group),),
        keys=(PreSharedKey(Secret(key.encode()), hostname=None, network=None),),
        keyrings=(),
        tunnels=(TunnelSettings("Tunnel0", address(number, place), hub, (flow,)),),
        keepalive=Keepalive(30, 5, periodic=True),
        identity="hostname",
    )


class Spoke:
    """One engine, its two sockets and its timer."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.fleet = fleet
        self.number = number
        self.place = 0
        self.up = False
        self.up_at: float | None = None
        self.asleep = False
        self.engine: Engine | None = None
        self.sockets: dict[int, socket.socket] = {}
        self.timer: asyncio.TimerHandle | None = None

    def settings(self) -> EngineSettings:
        made = settings(self.fleet.hub, self.fleet.key, self.number, self.place, self.fleet.group)
        key = replace(made.keys[0], network=self.fleet.hub_network)
        return replace(made, keys=(key,))

    def start(self) -> None:
        if self.engine is not None:
            return
        self.open()
        self.engine = Engine(self.settings(), os.urandom)
        self.engine.initiate("Tunnel0", time.monotonic())
        self.pump()

    def open(self) -> None:
        loop = asyncio.get_running_loop()
        for port in (IKE_PORT, NAT_PORT):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.bind((str(address(self.number, self.place)), port))
            self.sockets[port] = made
            loop.add_reader(made, self.readable, port)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for made in self.sockets.values():
            loop.remove_reader(made)
            made.close()
        self.sockets.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def cut(self) -> None:
        self.close()
        self.engine, self.up, self.asleep = None, False, False

    def stop(self) -> None:
        if self.engine is not None:
            self.engine.close(time.monotonic())
            self.pump()
        self.cut()

    def move(self, place: int) -> None:
        self.close()
        self.place = place
        self.open()
        if self.engine is not None:
            self.engine.configure(self.settings(), time.monotonic())
            self.engine.initiate("Tunnel0", time.monotonic())
            self.pump()

    def readable(self, port: int) -> None:
        while (made := self.sockets.get(port)) is not None:
            try:
                data, (host, remote_port) = made.recvfrom(65536)
            except BlockingIOError:
                return
            if self.asleep or self.engine is None:
                continue
            if port == NAT_PORT:
                if not data.startswith(MARKER):
                    continue
                data = data[len(MARKER) :]
            path = fx.Path(address(self.number, self.place), port, IPv4Address(host), remote_port)
            self.engine.handle_datagram(data, path, time.monotonic())
            self.pump()

    def timeout(self) -> None:
        self.timer = None
        if self.engine is not None and not self.asleep:
            self.engine.handle_timeout(time.monotonic())
            self.pump()

    def wake(self) -> None:
        self.asleep = False
        self.timeout()

    def pump(self) -> None:
        engine = self.engine
        if engine is None:
            return
        while (effect := engine.poll_effect()) is not None:
            match effect:
                case fx.Send(path, data):
                    sending = self.sockets.get(path.local_port)
                    if sending is not None and not self.asleep:
                        self.send(sending, MARKER + data if path.local_port == NAT_PORT else data, path)
                case fx.InstallSa(effect_id=number):
                    engine.complete(number, None, time.monotonic())
                case fx.QueryUsage(effect_id=number):
                    engine.complete(number, fx.Usage(None, None), time.monotonic())
                case fx.TunnelUp():
                    self.up, self.up_at = True, time.monotonic()
                    self.fleet.changed.set()
                case fx.TunnelDown():
                    self.up = False
                case _:
                    self.fleet.ignored[type(effect).__name__] += 1
        if self.timer is not None:
            self.timer.cancel()
        due = engine.next_timeout()
        if due is not None:
            delay = max(0.0, due - time.monotonic())
            self.timer = asyncio.get_running_loop().call_later(delay, self.timeout)

    def send(self, sending: socket.socket, data: bytes, path: fx.Path) -> None:
        try:
            sending.sendto(data, (str(path.remote), path.remote_port))
        except OSError as error:  # the engine sends again; a full queue is the network's loss
            self.fleet.ignored[f"send: {error.strerror}"] += 1


class Fleet:
    def __init__(self, hub: str, key: str, group: int) -> None:
        from ipaddress import IPv4Network

        self.hub = IPv4Address(hub)
        self.hub_network = IPv4Network(hub)
        self.key = key
        self.group = group
        self.spokes: dict[int, Spoke] = {}
        self.changed = asyncio.Event()
        self.ignored: Counter[str] = Counter()

    def chosen(self, numbers: Iterable[int]) -> list[Spoke]:
        return [self.spokes.setdefault(number, Spoke(self, number)) for number in numbers]

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        spokes = self.chosen(command.get("numbers", ()))
        match command["do"]:
            case "start":
                for spoke in spokes:
                    spoke.start()
                    await asyncio.sleep(0)  # what has arrived meanwhile is answered between two beginnings
            case "cut":
                for spoke in spokes:
                    spoke.cut()
            case "stop":
                for spoke in spokes:
                    spoke.stop()
            case "sleep":
                for spoke in spokes:
                    spoke.asleep = True
            case "wake":
                for spoke in spokes:
                    spoke.wake()
            case "move":
                for spoke in spokes:
                    spoke.move(command["place"])
            case "up":
                return await self.up(spokes, command["limit"])
            case "state":
                return self.state()
        return {"done": command["do"]}

    async def up(self, spokes: list[Spoke], limit: float) -> dict[str, Any]:
        began = time.monotonic()
        while not all(spoke.up for spoke in spokes):
            left = began + limit - time.monotonic()
            if left <= 0:
                break
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except TimeoutError:
                break
        return {"up": sum(spoke.up for spoke in spokes), "seconds": time.monotonic() - began}

    def state(self) -> dict[str, Any]:
        counters: Counter[str] = Counter()
        for spoke in self.spokes.values():
            if spoke.engine is not None:
                counters.update(spoke.engine.status(time.monotonic()).counters)
        up = [spoke.number for spoke in self.spokes.values() if spoke.up]
        return {
            "up": len(up),
            "down": sorted(set(self.spokes) - set(up)),
            "counters": counters,
            "ignored": self.ignored,
        }


async def serve(fleet: Fleet) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps({"ready": True}), flush=True)
    while line := await reader.readline():
        print(json.dumps(await fleet.do(json.loads(line))), flush=True)


def main() -> None:
    hub, key, group = sys.argv[1:4]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def run() -> None:
        await serve(Fleet(hub, key, int(group)))

    asyncio.run(run())


if __name__ == "__main__":
    main()
