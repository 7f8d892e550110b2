"""One operation, cut off: what Nova and its users do next, and whether afterwards everything is as it should be.

The uncut operation shows what there should be. After a cut, what failed is asked for again, after a reset of the state
where Nova has put the server into ERROR; then there must be what there is without a cut. Or the server is deleted at
once; that happens after each cut in the end, and then nothing of it may be left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from nova.tests.functional.api.client import OpenStackApiException
from tests.nova.functional.cloud import Server

from cuts.holdings import Holding, holding
from cuts.operations import Operation
from cuts.points import WHENS, Point, When, points
from cuts.stage import CONFLICT, Stage, asked_until_free

Then = Literal["again", "delete"]
THENS: tuple[Then, ...] = ("again", "delete")

# How long Nova and the host may take to come to rest: what happens by itself is noticed within seconds.
_REST_S = 20.0


class FailsUncut(RuntimeError):
    """Something fails that is not cut: there is nothing to compare with."""


@dataclass(frozen=True)
class Recording:
    """:param expected: what is there when the operation went well.  :param empty: when its server is deleted."""

    operation: Operation
    points: list[Point]
    expected: Holding
    empty: Holding

    @property
    def wsman(self) -> list[Point]:
        return [point for point in self.points if not point.is_smb]


@dataclass(frozen=True)
class Cut:
    """What came of one.

    :param reached: whether the operation came as far as its point; what is cut is asked in another way now and then.
    :param went_well: Nova did the operation all the same.
    :param wrong: what is not as it should be; empty where everything is.
    """

    point: Point
    when: When
    then: Then
    reached: bool
    went_well: bool
    wrong: list[str]


def record(stage: Stage, operation: Operation) -> Recording:
    """:raises FailsUncut: the operation fails without a cut."""
    server = _begin(stage, operation)
    with stage.wire.recorded() as requests:
        server = _started(stage, operation, server)
        if not _goes_well(stage, operation, server):
            raise FailsUncut(f"{operation.name}, which nothing cuts, fails: {stage.fault_of(server)}")
    expected = holding(stage.cloud, stage.host, server)
    _clear_away(stage, server)
    return Recording(operation, points(requests), expected, holding(stage.cloud, stage.host, server))


def cuts(stage: Stage, recording: Recording, points: list[Point], thens: tuple[Then, ...] = THENS) -> Iterator[Cut]:
    """One for each point and each way to be cut at it; what has no effect can be cut in one way only.

    A cut after which the operation goes well has nothing to be asked again: what comes next is the same.
    """
    for point in points:
        for when in WHENS[:1] if point.request.only_reads else WHENS:
            for then in thens if _can_be_asked_again(recording.operation) else ("delete",):
                done = cut(stage, recording, point, when, then)
                yield done
                if done.went_well:
                    break


def cut(stage: Stage, recording: Recording, point: Point, when: When, then: Then) -> Cut:
    """Does the operation to a new server and cuts it off; then what ``then`` says."""
    operation = recording.operation
    server = _begin(stage, operation)
    wrong: list[str] = []
    went_well = False
    with stage.wire.cut_at(point, when) as hit:
        server = _started(stage, operation, server)
        with _noting(wrong):
            went_well = _goes_well(stage, operation, server)
        reached = hit()
    with _noting(wrong):
        if not wrong and then == "again":
            wrong += _after_again(stage, recording, server, went_well=went_well)
        elif not wrong and operation.makes and not went_well:
            wrong += _after_failed_build(stage, server)
    with _noting(wrong):
        wrong += _after_delete(stage, recording, server)
    return Cut(point, when, then, reached, went_well, wrong)


def _begin(stage: Stage, operation: Operation) -> Server | None:
    """A server as the operation finds it."""
    if operation.makes:
        return None
    server = stage.request_server()
    _must_go_well(stage, server, "a build")
    for act in operation.after:
        act(stage, server)
        _must_go_well(stage, server, f"what comes before {operation.name}")
    return server


def _goes_well(stage: Stage, operation: Operation, server: Server) -> bool:
    """Waits for the end of it."""
    if not operation.makes_image:
        return stage.settled(server)
    stage.settled(server, recorded=False)
    return any(image["status"] == "active" for image in stage.images_of(server))


def _must_go_well(stage: Stage, server: Server, what: str) -> None:
    if not stage.settled(server):
        raise FailsUncut(f"{what} fails: {stage.fault_of(server)}")


def _started(stage: Stage, operation: Operation, server: Server | None) -> Server:
    server = server or stage.request_server()
    try:
        operation.act(stage, server)
    except OpenStackApiException as error:
        # Nova waits for some operations and answers with their failure, which is a conflict for some of them.
        if error.response.status_code < 500 and error.response.status_code != CONFLICT:
            raise
    return server


def _after_again(stage: Stage, recording: Recording, server: Server, *, went_well: bool) -> list[str]:
    """What is other than expected after the operation, done anew where it failed."""
    if not went_well:
        stage.make_usable(server)
        # Refused to the end: then Nova must have come to the operation's end by itself.
        operation = recording.operation
        ask = operation.instead or operation.act
        asked = asked_until_free(lambda: ask(stage, server))
        if asked and not _goes_well(stage, operation, server):
            return ["it fails again"]
    return _differences(stage, server, recording.expected)


def _after_failed_build(stage: Stage, server: Server) -> list[str]:
    stage.cloud.report_resources()
    left = holding(stage.cloud, stage.host, server)
    return [f"the failed build left {what}" for what in (*left.machines, *sorted(left.files), *left.allocation)]


def _after_delete(stage: Stage, recording: Recording, server: Server) -> list[str]:
    _clear_away(stage, server)
    return [f"after the delete, {each}" for each in _differences(stage, server, recording.empty)]


def _clear_away(stage: Stage, server: Server) -> None:
    """The server, and what its snapshots are, which are their owner's."""
    stage.delete(server)
    stage.remove_images_of(server)


def _differences(stage: Stage, server: Server, expected: Holding) -> list[str]:
    deadline = time.monotonic() + _REST_S
    while differences := holding(stage.cloud, stage.host, server).differences(expected):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
        stage.cloud.report_resources()  # with which the driver looks after what it could not finish
    return differences


def _can_be_asked_again(operation: Operation) -> bool:
    """A build that failed is not: Nova tries another host, and its user another server."""
    return not operation.makes


@contextmanager
def _noting(wrong: list[str]) -> Iterator[None]:
    """What goes wrong while something is done that must go well."""
    try:
        yield
    except Exception as error:  # the other cuts are worth knowing as well
        wrong.append(f"{type(error).__name__}: {error}"[:300])
