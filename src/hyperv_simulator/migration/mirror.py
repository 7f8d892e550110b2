"""A migration's job at the destination: the same as the source's, seen from there (real-instances 3.5).

Nobody cancels it there; it ends as the source's does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager

from compute_hyperv.cim.values import CimReference, CimValue
from hyperv_simulator.jobs import JobControl, JobKind
from hyperv_simulator.migration.neighbours import MigrationHost
from hyperv_simulator.outcomes import OperationFailed


@contextmanager
def mirrored(
    destination: MigrationHost, kind: JobKind, user: str, values: Mapping[str, CimValue]
) -> Iterator[CimReference]:
    """Gives the job's address; what is raised inside is what the job fails with."""
    ended: Future[None] = Future()

    def work(_: JobControl) -> None:
        ended.result()

    job = destination.jobs.start(kind, work, user=user, values={**values, "Cancellable": False})
    try:
        yield job
    except OperationFailed as failure:
        ended.set_exception(failure)
        raise
    except BaseException as error:
        ended.set_exception(OperationFailed(f"Unspecified error: {error}"))
        raise
    ended.set_result(None)
