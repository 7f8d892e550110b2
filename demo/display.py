"""What the demo says while it works: one line per step with its time, live where the output is a terminal."""

import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

# A new line below what a step is called.
INDENT = "\n" + " " * 14


class Display:
    """Prints finished steps, and on a terminal shows the running ones below. Safe to use from several threads."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._spinner = Spinner("dots")
        self._running: dict[str, float] = {}
        self._lock = Lock()
        self._started_at = time.monotonic()
        self.passed = 0
        self.failed = 0

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started_at

    @contextmanager
    def live(self) -> Iterator[None]:
        """While inside, the running steps are shown with their time. Without a terminal this changes nothing."""
        if not self.console.is_terminal:
            yield
            return
        with Live(get_renderable=self._running_steps, console=self.console, refresh_per_second=8, transient=True):
            yield

    def heading(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    @contextmanager
    def step(self, what: str, *, check: bool = False) -> Iterator[list[str]]:
        """One step; yields a list for remarks that are printed below it. A check counts as passed or failed."""
        remarks: list[str] = []
        started_at = time.monotonic()
        with self._lock:
            self._running[what] = started_at
        failed = True
        try:
            yield remarks
            failed = False
        finally:
            took_s = time.monotonic() - started_at
            with self._lock:
                del self._running[what]
                if check:
                    self.passed, self.failed = self.passed + (not failed), self.failed + failed
            # Printed without the lock: the live display holds the console's and asks for ours.
            first, *more = self._wrapped(what)
            mark = ("✗", "red") if failed else ("✓", "green")
            line = Text.assemble(
                "  ", mark, (f" {took_s:6.1f} s", "dim"), f"  {first}", *(INDENT + part for part in more)
            )
            for remark in remarks:
                parts = [part for text in remark.splitlines() for part in self._wrapped(text, "  ")]
                line.append("".join(INDENT + part for part in parts), "cyan")
            self.console.print(line)

    def _wrapped(self, text: str, further: str = "") -> list[str]:
        """The lines that fit behind the times, on a terminal; elsewhere whoever reads it wraps it."""
        if not self.console.is_terminal:
            return [text]
        width = max(self.console.width - len(INDENT) + 1, 20)
        return textwrap.wrap(text, width, subsequent_indent=further, break_on_hyphens=False) or [""]

    def _running_steps(self) -> Table:
        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        with self._lock:
            running = list(self._running.items())
        for what, started_at in running:
            table.add_row(self._spinner, f"[dim]{now - started_at:6.1f} s[/dim]", what)
        return table
