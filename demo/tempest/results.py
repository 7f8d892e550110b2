"""What became of each test: tempest's results in subunit's form, read into values."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from subunit import ByteStreamToStreamResult
from testtools import StreamToDict

# Of a class that is skipped or cannot be set up as a whole, subunit knows the class only.
_WHOLE_CLASS = re.compile(r"(?:setUpClass|tearDownClass) \((?P<name>[\w.]+)\)")
_ATTRIBUTES = re.compile(r"\[.*\]$")
_ENDS = {"success": "pass", "skip": "skip", "fail": "fail", "error": "fail", "uxsuccess": "fail", "inprogress": "fail"}


NOT_RUN = "not run"


@dataclass(frozen=True)
class Result:
    """:param name: of the test, or of its class where that is skipped or fails as a whole.
    :param outcome: pass, skip, fail or not run.
    :param reason: why it was skipped, or the last lines of what went wrong.
    """

    name: str
    outcome: str
    reason: str
    seconds: float


def read(path: Path) -> list[Result]:
    found: list[Result] = []
    stream = StreamToDict(lambda test: found.extend(_result(test)))
    stream.startTestRun()
    with path.open("rb") as source:
        ByteStreamToStreamResult(source, non_subunit_name="stdout").run(stream)
    stream.stopTestRun()
    return sorted(found, key=lambda result: result.name)


def list_of_tests(output: str) -> list[str]:
    """The names in what ``tempest run --list-tests`` prints."""
    return sorted({_ATTRIBUTES.sub("", line.strip()) for line in output.splitlines() if line.startswith("tempest.")})


def by_test(tests: Iterable[str], results: Iterable[Result]) -> dict[str, Result]:
    """For each test that was to run, what tells of it; one of which nothing tells did not run."""
    told = {result.name: result for result in results}
    silent = Result("", NOT_RUN, "The run ended before.", 0.0)
    return {test: told.get(test) or told.get(test.rpartition(".")[0]) or silent for test in tests}


def _result(test: dict) -> Iterable[Result]:  # type: ignore[type-arg]
    outcome = _ENDS.get(test["status"])
    if outcome is None or test["id"] == "stdout":
        return
    whole = _WHOLE_CLASS.match(test["id"])
    if whole and outcome == "pass":
        return
    name = whole["name"] if whole else _ATTRIBUTES.sub("", test["id"])
    started, ended = test["timestamps"]
    yield Result(name, outcome, _reason(outcome, test["details"]), _seconds(started, ended))


def _reason(outcome: str, details: dict) -> str:  # type: ignore[type-arg]
    if outcome == "pass":
        return ""
    wanted = ("reason",) if outcome == "skip" else ("traceback", "traceback-1", "traceback-2")
    texts = [details[name].as_text().strip() for name in wanted if name in details]
    return "\n".join(texts).strip()


def _seconds(started: datetime | None, ended: datetime | None) -> float:
    return (ended - started).total_seconds() if started and ended else 0.0
