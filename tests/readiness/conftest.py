"""Hosts that the tests of one file share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulated import Simulate, simulating


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulate]:
    """``hosts(**fields of HostConfig)`` starts a host that runs until the file's last test."""
    with simulating(tmp_path_factory.mktemp("hosts")) as start:
        yield start
