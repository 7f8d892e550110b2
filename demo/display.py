"""What the demo says while it works: one line per step with its time, live where the output is a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table


class Display:
    """Prints finished steps, and on a terminal shows the running ones below. Safe to use from several threads."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
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
                mark = "[red]✗[/red]" if failed else "[green]✓[/green]"
                self.console.print(f"  {mark} [dim]{took_s:6.1f} s[/dim]  ", end="")
                self.console.print(what, markup=False)
                for remark in remarks:
                    for line in remark.splitlines():
                        self.console.print(f"              {line}", markup=False, style="cyan")

    def _running_steps(self) -> Table:
        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        with self._lock:
            for what, started_at in self._running.items():
                table.add_row(Spinner("dots"), f"[dim]{now - started_at:6.1f} s[/dim]", what)
        return table
