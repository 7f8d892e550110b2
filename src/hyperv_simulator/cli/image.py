"""``image``: the tiny guest image."""

from __future__ import annotations

import argparse
from pathlib import Path

from hyperv_simulator.cli.options import Commands
from hyperv_simulator.errors import StartError


def add_to(commands: Commands) -> None:
    image = commands.add_parser(
        "image",
        help="build the tiny guest image",
        description="Builds a disk image with a tiny Linux that boots on simulated and on real Hyper-V hosts.",
    )
    image.add_argument("--generation", type=int, choices=(1, 2), default=2, help="1: BIOS, 2: UEFI (default)")
    image.add_argument("--format", choices=("qcow2", "raw", "vhd", "vhdx", "vmdk", "iso"), default="qcow2")
    image.add_argument("--output", type=Path, required=True, metavar="FILE")
    image.set_defaults(run=_image)


def _image(options: argparse.Namespace) -> int:
    from hyperv_simulator.guest_image import build, packages  # only this command needs them

    try:
        print(build.build(options.generation, options.output, options.format))
    except packages.ImageError as error:
        raise StartError(str(error)) from None
    return 0
