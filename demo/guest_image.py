"""The guest of the demo: built by the simulator's own command, once, and kept under ``.state``."""

from functools import partial

from demo.cloud.processes import Processes
from demo.graph import Step
from demo.settings import VENV, State

GENERATION = 2
FILE_NAME = "guest-gen2.qcow2"


def image_step(processes: Processes, state: State) -> Step:
    return Step("guest image", partial(_build, processes, state))


def _build(processes: Processes, state: State) -> None:
    image = state.images / FILE_NAME
    if image.exists():
        return
    unfinished = image.with_suffix(".part")
    argv = [VENV / "bin" / "hyperv-simulator", "image", "--generation", str(GENERATION), "--output", unfinished]
    processes.run(argv, log="guest-image")
    unfinished.rename(image)
