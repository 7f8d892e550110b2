"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from hyperv_simulator.state_folder import default_state_folder

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, metavar="DIR", help=f"where state is kept ({default_state_folder()})")
