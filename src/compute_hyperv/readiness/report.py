"""What results mean together: the exit status."""

from __future__ import annotations

from collections.abc import Sequence

from compute_hyperv.readiness.model import Result, Verdict


def exit_status(results: Sequence[Result], *, strict: bool) -> int:
    """0 all pass; 1 warnings, where they count; 2 failures; 3 something could not be read, and nothing failed."""
    found = {result.finding.verdict for result in results}
    if Verdict.FAIL in found:
        return 2
    if Verdict.UNREADABLE in found:
        return 3
    return 1 if strict and Verdict.WARN in found else 0
