"""Where state is kept if nobody says otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def default_state_folder() -> Path:
    """By the XDG base directory specification."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "hyperv-simulator"
