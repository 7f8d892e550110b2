"""``--html``: the report as one page that needs nothing else: good on a screen, in the dark and on paper."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, StrictUndefined

from compute_hyperv.readiness.model import Result, Verdict
from compute_hyperv.readiness.runner import verdicts

_TEMPLATE = "report.html.j2"


def page(results: Sequence[Result], *, made_at: dt.datetime | None = None) -> str:
    """The page. What hosts say is text in it, never markup.

    :param made_at: when the checks ran; now where it is not given.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8"))
    hosts = [
        {"name": name, "counts": verdicts(found), "sections": _sections(found), "worst": _worst(found)}
        for name, found in ((name, list(group)) for name, group in itertools.groupby(results, key=lambda r: r.host))
    ]
    made_at = made_at or dt.datetime.now(dt.UTC)
    return template.render(hosts=hosts, counts=verdicts(results), verdicts=list(Verdict), made_at=made_at)


def _sections(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    by_section = itertools.groupby(results, key=lambda result: result.check.section)
    return [(section.title, list(group)) for section, group in by_section]


_SEVERITY = (Verdict.FAIL, Verdict.UNREADABLE, Verdict.WARN, Verdict.PASS, Verdict.NOT_APPLICABLE)


def _worst(results: Sequence[Result]) -> Verdict:
    found = {result.finding.verdict for result in results}
    return next((verdict for verdict in _SEVERITY if verdict in found), Verdict.PASS)
