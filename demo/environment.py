"""What surrounds a cloud in use: the environment of this process, its end, and other processes of this checkout."""

import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from demo.cloud import config
from demo.settings import ADDRESS, DemoHost, State

# The signals that end us, besides Ctrl-C.
ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def clean_environment(hosts: Sequence[DemoHost]) -> None:
    """No setting of the user's own clouds, and no proxy between the demo's processes."""
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    direct = ",".join([*os.environ.get("no_proxy", "").split(","), *config.addresses_in_use(hosts)]).strip(",")
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = direct


@contextmanager
def only_one_at_a_time(state: State) -> Iterator[None]:
    """Two users of one cloud's folder would stop each other's processes."""
    with (state.run / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another run in {state.root} is at work on {ADDRESS}; wait for it, or end it")
        yield
