"""A small process that takes a lab down when the one that builds it ends without saying how.

It waits at the end of a pipe: the kernel closes the other end however the builder ends, `kill -9`
included. What even this cannot catch (both killed, power lost) the next `seikan lab` sweeps.
"""

from __future__ import annotations

import os
import signal
import traceback

from seikan.lab.lab import Lab
from seikan.lab.topology import LabError

_KEEP = b"k"


class Guard:
    """Watches over `lab` from the moment it is made until `dismiss`."""

    def __init__(self, lab: Lab) -> None:
        reading, self._writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _watch(lab, reading, self._writing)
        os.close(reading)

    def dismiss(self) -> None:
        """The lab is complete, or already taken down: leave it as it is."""
        os.write(self._writing, _KEEP)
        os.close(self._writing)
        os.waitpid(self._pid, 0)


def _watch(lab: Lab, reading: int, writing: int) -> None:
    """The child's whole life; never returns."""
    status = 1
    try:
        os.close(writing)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        if os.read(reading, 1) != _KEEP:
            lab.take_down()
        status = 0
    except (LabError, OSError):
        with lab.log.open("a") as log:
            traceback.print_exc(file=log)
    finally:
        os._exit(status)
