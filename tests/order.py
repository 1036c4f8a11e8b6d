"""Files that take long, with the seconds that each takes: they are begun first, so that none is left at the end.

With `--dist loadfile` each file runs in one process; `make test` keeps the order in which they were collected. A file
that is not here is taken to be short. `pytest --durations=0` tells what to write.
"""

from __future__ import annotations

SECONDS = {
    "lab/test_vti.py": 150,
    "interop/test_stories_machine.py": 140,
    "daemon/test_examples.py": 30,
}
