"""Errors of the host, in Nova's words.

What lives here: the one table from the family of ``compute_hyperv.cim.errors`` to ``nova.exception``, and the few
exceptions that we add. Every room's public methods carry ``in_novas_words``; nothing else translates.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from nova import exception

from compute_hyperv.cim import errors as cim_errors

P = ParamSpec("P")
R = TypeVar("R")


class InstanceRefused(exception.InstanceUnacceptable, exception.InvalidInput):
    """An instance that no Hyper-V host can run as it is asked for.

    It is the retired driver's InstanceUnacceptable, and an InvalidInput as well: for that Nova gives up at once and
    shows the user the reason, where it would try every other host in vain and then say "No valid host".
    """


class BlockDeviceRefused(InstanceRefused, exception.InvalidBDMFormat, exception.InvalidDiskInfo):
    """A disk that no Hyper-V host can give as it is asked for; the retired driver's errors for that are bases."""


class ShieldingDataUnreadable(exception.InvalidMetadata, exception.InvalidInput):
    """Barbican does not give what a shielded server is provisioned by: the retired driver's InvalidMetadata.

    No other host could read it either, so Nova gives up at once (see InstanceRefused).
    """


class HostUnusable(exception.NovaException):
    msg_fmt = "The Hyper-V host %(server)s cannot be used: %(reason)s"


class HostOperationFailed(exception.NovaException):
    msg_fmt = "The Hyper-V host failed: %(reason)s"


@contextmanager
def novas_words() -> Iterator[None]:
    """Errors of the host that leave the block are Nova's afterwards, with the same text and the first as the cause."""
    try:
        yield
    except (cim_errors.Unreachable, cim_errors.TimedOut, cim_errors.AccessDenied) as error:
        raise exception.HypervisorUnavailable(message=str(error)) from error
    except cim_errors.CimError as error:
        raise HostOperationFailed(reason=str(error)) from error


def in_novas_words(function: Callable[P, R]) -> Callable[P, R]:
    """``novas_words`` around a whole method."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with novas_words():
            return function(*args, **kwargs)

    return wrapper


def reason(error: BaseException) -> str:
    """What an error says, for a message of our own."""
    text: Any = error.format_message() if isinstance(error, exception.NovaException) else error
    return str(text)
