"""What is read out of tempest's results, and what is said about it."""

from __future__ import annotations

import datetime as dt

import pytest
from demo.tempest.reasons import TABLE
from demo.tempest.report import Report
from demo.tempest.results import NOT_RUN, Result, by_test, list_of_tests, read
from subunit.v2 import StreamResultToBytes

STARTED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def stream(tmp_path):
    """Results as tempest writes them; the run ends in the middle of a test."""
    path = tmp_path / "results"
    with path.open("wb") as file:
        results = StreamResultToBytes(file)

        def tell(name, status, detail=("", b"")):
            results.status(test_id=name, test_status="inprogress", timestamp=STARTED)
            if detail[0]:
                results.status(test_id=name, file_name=detail[0], file_bytes=detail[1], mime_type="text/plain")
            if status != "inprogress":
                results.status(test_id=name, test_status=status, timestamp=STARTED + dt.timedelta(seconds=2))

        tell("tempest.api.A.test_good[id-1,smoke]", "success")
        tell("tempest.api.A.test_bad[id-2]", "fail", ("traceback", b"Traceback\n  File x\nValueError: no\n"))
        tell("setUpClass (tempest.api.B)", "skip", ("reason", b"B needs volumes"))
        tell("tempest.api.C.test_half[id-3]", "inprogress")
    return path


def test_a_tests_result_is_what_tempest_says_of_it_or_of_its_class(stream):
    tests = [f"tempest.api.{name}" for name in ("A.test_good", "A.test_bad", "B.test_one", "B.test_two", "D.test_no")]

    told = by_test(tests, read(stream))

    assert [told[test].outcome for test in tests] == ["pass", "fail", "skip", "skip", NOT_RUN]
    assert told["tempest.api.A.test_good"].seconds == 2
    assert told["tempest.api.B.test_two"].reason == "B needs volumes"


def test_a_test_that_was_under_way_when_the_run_ended_has_failed(stream):
    assert {result.name: result.outcome for result in read(stream)}["tempest.api.C.test_half"] == "fail"


def test_each_test_is_listed_once():
    output = "some remark\ntempest.api.A.test_one[id-1]\ntempest.api.A.test_one[id-1]\n"
    assert list_of_tests(output) == ["tempest.api.A.test_one"]


def report(**results):
    return Report(results, "regex", 10, 2, "47")


def test_what_fails_without_a_known_reason_is_a_defect_and_stands_in_the_page():
    one = report(test_one=Result("test_one", "fail", "Traceback\nValueError: no", 1))

    assert one.defects == ["test_one"]
    assert "* `test_one`\n  Not explained yet." in one.page()
    assert "ValueError: no" in one.page()


def test_a_skip_stands_in_the_page_with_what_tempest_says_and_what_it_means():
    one = report(test_one=Result("test_one", "skip", "Skipped because the volume service is not available", 0))

    assert one.defects == []
    assert f"### {TABLE[0].because}" in one.page()
    assert "“Skipped because the volume service is not available”" in one.page()
