""".. readiness-checks::, a directive: every check of `compute-hyperv check`, section by section, from the checks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from compute_hyperv.readiness.checks import BY_NAME
from compute_hyperv.readiness.model import Check, Section


class ReadinessChecks(SphinxDirective):
    """A heading for each section, a paragraph for each check."""

    def run(self) -> list[nodes.Node]:
        by_section = itertools.groupby(BY_NAME.values(), key=lambda check: check.section)
        return [self._section(section, checks) for section, checks in by_section]

    def _section(self, section: Section, checks: Iterable[Check]) -> nodes.section:
        made = nodes.section(ids=[nodes.make_id(f"checks-{section.key}")])
        made += nodes.title(text=section.title)
        made += _described(checks)
        return made


def _described(checks: Iterable[Check]) -> nodes.definition_list:
    described = nodes.definition_list()
    for check in checks:
        term = nodes.term("", "", nodes.literal(text=check.name), nodes.Text(f": {check.title}"))
        described += nodes.definition_list_item("", term, nodes.definition("", *_parts(check)))
    return described


def _parts(check: Check) -> Iterator[nodes.Node]:
    yield nodes.paragraph(text=check.why)
    yield nodes.paragraph("", "", nodes.emphasis(text="Good: "), nodes.Text(check.good))
    reads = nodes.bullet_list()
    for source in check.reads:
        reads += nodes.list_item("", nodes.paragraph(text=source.description))
    yield nodes.paragraph("", "", nodes.emphasis(text="Read:"))
    yield reads
    yield nodes.paragraph("", "", nodes.emphasis(text="By hand:"))
    block = nodes.literal_block(text=check.by_hand)
    block["language"] = "none"
    yield block


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("readiness-checks", ReadinessChecks)
    return {"parallel_read_safe": True}
