"""One thing at a time for one instance."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from oslo_concurrency import lockutils


def instance_lock(instance_uuid: str) -> AbstractContextManager[Any]:
    """Whatever makes, changes or removes the parts of an instance holds it."""
    return lockutils.lock(f"compute-hyperv-{instance_uuid}")
