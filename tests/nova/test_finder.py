"""Nova finds the driver by its name, however we are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from nova.virt import driver as nova_driver
from oslo_utils import importutils

from compute_hyperv.nova import finder

SOURCE = Path(finder.__file__).parents[2]


def test_nova_loads_the_driver_by_the_name_that_operators_know():
    loaded = importutils.import_object("nova.virt.compute_hyperv.driver.HyperVDriver", None)

    assert isinstance(loaded, nova_driver.ComputeDriver)


def test_our_files_below_nova_are_only_our_own():
    files = {str(path.relative_to(SOURCE)) for path in (SOURCE / "nova").rglob("*.py")}

    assert files == {"nova/virt/compute_hyperv/__init__.py", "nova/virt/compute_hyperv/driver.py"}


def python(code: str) -> str:
    """A process of its own, with Nova and us in different folders, and no .pth file read."""
    site_packages = Path(nova_driver.__file__).parents[2]
    script = f"import sys; sys.path[:0] = [{str(site_packages)!r}, {str(SOURCE)!r}]\n{code}"
    return subprocess.run(
        [sys.executable, "-S", "-c", script], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_the_finder_imports_nothing_of_nova_and_nothing_heavy():
    added = python(
        "before = set(sys.modules); import compute_hyperv.nova.finder\nprint(sorted(set(sys.modules) - before))"
    )

    assert added == "['compute_hyperv', 'compute_hyperv.nova', 'compute_hyperv.nova.finder']"


def test_the_finder_points_to_our_files_where_nova_lies_elsewhere():
    found = python(
        "import importlib.util, compute_hyperv.nova.finder\n"
        "print(importlib.util.find_spec('nova.virt.compute_hyperv').origin)"
    )

    assert found == str(SOURCE / "nova/virt/compute_hyperv/__init__.py")


def test_the_finder_leaves_it_to_our_files_next_to_nova(tmp_path):
    neighbour = tmp_path / "compute_hyperv"
    neighbour.mkdir()
    (neighbour / "__init__.py").touch()

    found = python(
        "import importlib.util, compute_hyperv.nova.finder, nova.virt\n"
        f"nova.virt.__path__.append({str(tmp_path)!r})\n"
        "print(importlib.util.find_spec('nova.virt.compute_hyperv').origin)"
    )

    assert found == str(neighbour / "__init__.py")
