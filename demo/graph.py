"""Steps that need each other, run as far as possible at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from demo.display import Display


@dataclass(frozen=True)
class Step:
    """``action`` runs when all the steps named in ``after`` are done. Earlier steps of the list are preferred.

    A text that the action returns is shown below the step. A check counts as passed or failed.
    """

    name: str
    action: Callable[[], str | None]
    after: tuple[str, ...] = ()
    check: bool = False


def run(steps: Sequence[Step], display: Display, workers: int) -> None:
    """Raises the first failure, when the steps that were already running have ended. A step that is named but not in
    the list counts as done."""
    names = {step.name for step in steps}
    waiting = list(steps)
    running: dict[Future[None], str] = {}
    done: set[str] = set()
    failure: BaseException | None = None

    def perform(step: Step) -> None:
        with display.step(step.name, check=step.check) as remarks:
            remark = step.action()
            if remark:
                remarks.append(remark)

    pool = ThreadPoolExecutor(workers)
    try:
        while waiting or running:
            ready = [step for step in waiting if done >= set(step.after) & names]
            for step in ready[: workers - len(running)]:
                waiting.remove(step)
                running[pool.submit(perform, step)] = step.name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                done.add(running.pop(future))
                failure = failure or future.exception()
            if failure:
                waiting.clear()
    finally:
        # On Ctrl-C the threads are not awaited here: they end when the programs that they wait for have ended.
        pool.shutdown(wait=False, cancel_futures=True)
    if failure:
        raise failure
