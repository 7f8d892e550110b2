"""A few of the cuts that ``make cuts`` makes: of each kind of operation, requests of each kind."""

from __future__ import annotations

import pytest
from cuts import engine, operations, stage

OPERATIONS = {operation.name: operation for operation in operations.OPERATIONS}


@pytest.fixture(scope="module")
def stage_on_a_host(tmp_path_factory):
    with stage.new_stage(tmp_path_factory.mktemp("cuts")) as made:
        yield made


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("boot", {"DefineSystem"}),
        ("stop", {"InitiateShutdown"}),
        ("suspend", {"RequestStateChange"}),
        ("attach-interface", {"AddResourceSettings"}),
        ("delete", {"DestroySystem"}),
    ],
)
def test_an_operation_that_is_cut_off_leaves_what_it_should(stage_on_a_host, name, methods):
    recording = engine.record(stage_on_a_host, OPERATIONS[name])
    points = [point for point in recording.points if point.request.method in methods]
    assert {point.request.method for point in points} == methods

    done = list(engine.cuts(stage_on_a_host, recording, points, thens=("again",)))

    assert [cut for cut in done if cut.wrong] == []
    assert any(cut.reached for cut in done)
