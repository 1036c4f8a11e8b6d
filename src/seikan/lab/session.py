"""A lab from nothing to its proof: build, start, type the session, prove."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from seikan.lab import daemons, proof, vti
from seikan.lab.capture import Capture
from seikan.lab.driver import Console, login
from seikan.lab.topology import PROVIDER, Lab, LabError

Out = Callable[[str], None]


def bring_up(lab: Lab, out: Out) -> None:
    """Namespaces, wires, one daemon for each router."""
    out(f"lab {lab.id}: network namespaces and wires")
    lab.build()
    for router in lab.topology.routers:
        begun = time.monotonic()
        daemons.start(lab, router.name)
        out(f"lab {lab.id}: {router.name} runs (ready in {time.monotonic() - begun:.1f} s)")


def demonstrate(lab: Lab, out: Out) -> bool:
    """Type the VTI session at the routers of a lab that runs; True when every claim of the proof holds.

    LabError when a router refuses a line or an awaited event does not come.
    """
    shown_last: list[str] = []

    def show(router: str, line: str) -> None:
        # The prompt names the router; a log line does not, so name it where the speaker changes.
        if shown_last != [router]:
            shown_last[:] = [router]
            out(f"--- {router}")
        out(line)

    captures = {
        router.name: Capture(
            lab.namespace(PROVIDER), router.link.provider_linux_name, lab.directory / f"{PROVIDER}-{router.name}.pcap"
        )
        for router in lab.topology.routers
    }
    try:
        for each in captures.values():
            each.wait_listening()
        console = Console(
            {
                router.name: login(router.name, router.name, daemons.run_directory(lab))
                for router in lab.topology.routers
            },
            show,
        )
        try:
            for name in console.terminals:
                console.ready(name)
                console.type(name, "terminal length 0")
                console.type(name, "terminal monitor")
            perform(console, vti.GRE, out)
            perform(console, vti.IPSEC, out)
            since = time.time()
            out("")
            out("Step 4: proof")
            shown_last.clear()
            claims = proof.prove(console, {name: each.path for name, each in captures.items()}, since)
        finally:
            console.close()
    finally:
        for each in captures.values():
            each.stop()
    out("")
    out("Proof")
    return proof.print_claims(claims, out)


def perform(console: Console, actions: Sequence[vti.Action], out: Out) -> None:
    """Carry out a session's actions one after the other; LabError at the first that does not go as it must."""
    for action in actions:
        match action:
            case vti.Heading(text):
                out("")
                out(text)
            case vti.Type(router, line, mode, says):
                console.mark(router)
                answer = "\n".join(console.type(router, line))
                _check_says(router, line, answer, says)
                prompt = console.terminals[router].prompt
                if prompt is None or prompt[0] != router + mode:
                    raise LabError(
                        f'{router}: after "{line}" the prompt is "{prompt and prompt[0]}", not "{router}{mode}"'
                    )
            case vti.Press(router, keys, shown, says, keep):
                answer = "\n".join(console.press(router, keys, shown))
                _check_says(router, keys, answer, says)
                if not keep:
                    console.erase(router)
            case vti.Expect(router, pattern, limit):
                console.expect(router, pattern, limit)


def _check_says(router: str, line: str, answer: str, patterns: Sequence[str]) -> None:
    for pattern in patterns:
        if not re.search(pattern, answer, re.MULTILINE):
            raise LabError(f'{router}: the answer to "{line}" has nothing like {pattern!r}')
