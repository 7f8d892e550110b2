"""The guest of the demo, as a disk and as an ISO image: built by the simulator's own command and kept under
``.state``, until what it is made from changes.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from importlib import resources
from pathlib import Path

from demo.cloud.processes import Processes
from demo.graph import Step
from demo.settings import VENV, State

GENERATION = 2
FORMATS = ("qcow2", "iso")


def image_steps(processes: Processes, state: State) -> Sequence[Step]:
    names = {"qcow2": "guest image", "iso": "guest image on a DVD"}
    return [Step(names[kind], partial(_build, processes, image_file(state, kind), kind)) for kind in FORMATS]


def image_file(state: State, kind: str) -> Path:
    """:param kind: one of `FORMATS`."""
    return state.images / f"guest-{_sources()}.{kind}"


def _sources() -> str:
    """Changes with the code that builds the image, and with what is in it."""
    digest = hashlib.sha256()
    files = resources.files("hyperv_simulator.guest_image").iterdir()
    for file in sorted((file for file in files if file.is_file()), key=lambda file: file.name):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _build(processes: Processes, image: Path, kind: str) -> None:
    if image.exists():
        return
    unfinished = image.with_suffix(f".{kind}.part")
    what = ["--generation", str(GENERATION), "--format", kind, "--output", unfinished]
    processes.run([VENV / "bin" / "hyperv-simulator", "image", *what], log=f"guest-image-{kind}")
    for outdated in image.parent.glob(f"guest-*.{kind}"):
        outdated.unlink()
    unfinished.rename(image)
