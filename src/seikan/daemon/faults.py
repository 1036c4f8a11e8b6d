"""Faults of this program itself, as they are told: by kind and place, since the text of one may hold anything."""

from __future__ import annotations

import traceback
from pathlib import Path


def fault(error: BaseException) -> str:
    """One line without data or secrets."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    return f"internal error ({type(error).__name__} at {place})"
