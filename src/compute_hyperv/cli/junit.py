"""``-f junit``: results as test cases, for a CI system. A host is a suite, a check a case."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Sequence
from typing import IO, Any

from cliff.formatters.base import ListFormatter
from lxml import etree

from compute_hyperv.readiness.model import Verdict

_ELEMENTS = {Verdict.FAIL: "failure", Verdict.UNREADABLE: "error", Verdict.NOT_APPLICABLE: "skipped"}


class JUnitFormatter(ListFormatter):
    """Takes the rows of ``compute-hyperv check``; a warning is a case that passed, with its text as output."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        pass

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: IO[str],
        parsed_args: argparse.Namespace,
    ) -> None:
        rows = [dict(zip((name.lower() for name in column_names), map(str, row), strict=True)) for row in data]
        suites = etree.Element("testsuites", name="compute-hyperv check")
        for host, cases in itertools.groupby(rows, key=lambda row: row["host"]):
            _suite(suites, host, list(cases))
        text = etree.tostring(suites, xml_declaration=True, encoding="utf-8", pretty_print=True)
        stdout.write(text.decode())


def _suite(suites: etree._Element, host: str, rows: list[dict[str, str]]) -> None:
    counts = {
        name + ("s" if name != "skipped" else ""): str(sum(row["verdict"] == verdict for row in rows))
        for verdict, name in _ELEMENTS.items()
    }
    suite = etree.SubElement(suites, "testsuite", attrib={"name": host, "tests": str(len(rows)), **counts})
    for row in rows:
        case = etree.SubElement(suite, "testcase", classname=host, name=row["check"])
        text = "\n".join(
            filter(None, (row["found"], row["expected"] and f"expected: {row['expected']}", row["remedy"]))
        )
        if element := _ELEMENTS.get(Verdict(row["verdict"])):
            etree.SubElement(case, element, message=row["found"].split("\n")[0]).text = text
        elif row["verdict"] == Verdict.WARN:
            etree.SubElement(case, "system-out").text = f"warning: {text}"
