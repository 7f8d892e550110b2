"""What a check may look at."""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.readiness.expectations import Expectations
from compute_hyperv.readiness.readings import Readings


@dataclass(frozen=True, slots=True)
class Context:
    """One host, seen among the others.

    :param host: the host that is judged.
    :param others: the other hosts of this run that answer; only for a check that ``compares``.
    :param wanted: what the operator's configuration asks of this host.
    """

    host: Readings
    wanted: Expectations
    others: tuple[Readings, ...] = ()
