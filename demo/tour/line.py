"""One server's way through the second chapter: checks that follow each other, beside those of other servers."""

from collections.abc import Callable

from demo.graph import Step


class Line:
    def __init__(self, *after: str) -> None:
        """:param after: steps that have to be done before the first."""
        self._after = after
        self.steps: list[Step] = []

    def then(self, what: str, action: Callable[[], str]) -> "Line":
        """A check that comes when the last one is done; the line, for the next one."""
        self.steps.append(Step(what, action, self._after, check=True))
        self._after = (what,)
        return self
