"""Lets Nova find ``nova.virt.compute_hyperv`` wherever we are installed.

Nova loads a driver as ``nova.virt.<compute_driver>`` and nothing else, and ``nova.virt`` is an ordinary package: only
what lies in its own folder belongs to it. A wheel installed next to Nova puts our two files there. Where Nova lies
elsewhere (a distribution's packages), or this project is installed editable, this finder points to them instead; it
stands at the end of the line, so it answers only where the files are not found otherwise.

``compute_hyperv_nova.pth`` imports this at the start of every Python process: it imports nothing that is not loaded
by then, and Nova least of all.
"""

import sys

PACKAGE = "nova.virt.compute_hyperv"


class Finder:
    """A meta path finder (the protocol asks for no base class) that knows one package."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # noqa: ARG004 (the protocol's signature)
        if name != PACKAGE:
            return None
        from importlib.util import spec_from_file_location
        from pathlib import Path

        folder = Path(__file__).parents[2].joinpath(*PACKAGE.split("."))
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


def install() -> None:
    """Once for each process."""
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)


install()
