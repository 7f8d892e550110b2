"""The fixtures that other projects' tests get; the documentation's example is one of them."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

GUIDE = Path(__file__).parents[3] / "docs" / "simulator.rst"


def documented(file: str) -> str:
    """The example that the guide calls by this file name."""
    found = re.search(rf"\.\. code-block:: python\n   :caption: {file}\n\n(.*?)\n(?=\S)", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return textwrap.dedent(found[1])


def test_the_documented_example_passes_and_is_as_short_as_promised(pytester: pytest.Pytester) -> None:
    example = documented("test_my_tool.py")
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    pytester.makepyfile(test_my_tool=example)
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_hosts_are_apart_as_asked_for_and_gone_at_the_end(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket
        import pytest
        from hyperv_simulator.config.errors import ConfigError

        seen = []

        def test_two(hyperv_hosts):
            old, new = hyperv_hosts(version="2012r2", name="OLD"), hyperv_hosts(version="2025")
            assert old.config.address != new.config.address
            assert (old.config.version, new.config.version) == ("2012r2", "2025")
            seen.append(old.config.address)

        def test_gone():
            with socket.socket() as probe:
                assert probe.connect_ex((seen[0], 5985)) != 0

        def test_a_wrong_key_is_said(hyperv_hosts):
            with pytest.raises(ConfigError, match="memory_mb is 1"):
                hyperv_hosts(memory_mb=1)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


def test_who_does_not_use_it_does_not_wait_for_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            assert "hyperv_simulator.pytest_plugin" in sys.modules
            assert "hyperv_simulator.host" not in sys.modules
            assert "lxml" not in sys.modules
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1, warnings=0)
