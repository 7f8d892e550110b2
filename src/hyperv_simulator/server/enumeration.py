"""What Enumerate has found and Pull has yet to fetch.

What lives here and only here: contexts, their life, and how much goes into one answer.

Rule 1: an enumeration is a picture of the moment of its Enumerate; later changes do not show in its Pulls.
Rule 2: each answer carries a new context and makes the one before it worthless (WSMV's example and the answers recorded
        in real-instances 6 change it every time).
Rule 3: a context that nobody pulls for EnumerationTimeoutms is gone (MS-WSMV 3.1.4.1.36).
Rule 4: a context belongs to the user who opened it; to others it does not exist (assumption).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hyperv_simulator.quotas import Quotas

_Item = TypeVar("_Item")
_Packed = TypeVar("_Packed")


class ContextLost(Exception):
    """There is no such context: wrong, used up, released or expired."""


class ItemTooBig(Exception):
    """One item alone does not fit into the answer that the client allows."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[_Packed]):
    """What one answer carries.

    :param items: in the form in which they go out.
    :param context: for the next Pull; None at the end of the sequence.
    """

    items: Sequence[_Packed]
    context: str | None


@dataclass(slots=True)
class _Cursor(Generic[_Item]):
    items: Sequence[_Item]
    position: int
    used_at: float
    label: str
    user: str


class Enumerations(Generic[_Item, _Packed]):
    """The open enumerations of one host. Safe for threads.

    A ``pack`` function is given the next items and puts as many of them, from the first on, into the form in which they
    go out as fit into the answer. ``label`` is whatever the opener wants to recognise an enumeration by.

    :param clock: seconds, monotonic.
    """

    def __init__(self, quotas: Quotas, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self._clock = clock
        self._lock = threading.Lock()
        self._cursors: dict[str, _Cursor[_Item]] = {}

    def open(self, items: Sequence[_Item], label: str = "", user: str = "") -> str:
        """A context from which all of these can be pulled."""
        return self._keep(_Cursor(items, 0, self._clock(), label, user))

    def first(
        self,
        items: Sequence[_Item],
        max_elements: int,
        pack: Callable[[Sequence[_Item]], Sequence[_Packed]],
        label: str = "",
        user: str = "",
    ) -> Batch[_Packed]:
        """The first batch of an optimized enumeration, without a Pull. Raises ItemTooBig."""
        return self._batch(_Cursor(items, 0, self._clock(), label, user), max_elements, pack)

    def next(
        self,
        context: str,
        max_elements: int,
        pack: Callable[[Sequence[_Item]], Sequence[_Packed]],
        user: str = "",
    ) -> Batch[_Packed]:
        """The next batch.

        :param max_elements: at most this many items.
        :raises ContextLost: see there.
        :raises ItemTooBig: not even one fits. The context is kept: the client may pull again with more room.
        """
        cursor = self._take(context, user)
        try:
            return self._batch(cursor, max_elements, pack)
        except ItemTooBig:
            with self._lock:
                self._cursors[_key(context)] = cursor
            raise

    def label(self, context: str) -> str:
        """What an enumeration was opened with; empty for an unknown one."""
        with self._lock:
            cursor = self._cursors.get(_key(context))
        return cursor.label if cursor else ""

    def release(self, context: str, user: str = "") -> None:
        """Forgets an enumeration. Raises ContextLost where there is none."""
        self._take(context, user)

    def opened_by(self, user: str) -> int:
        """How many of this user's are open."""
        with self._lock:
            self._expire()
            return sum(1 for cursor in self._cursors.values() if cursor.user == user)

    def __len__(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._cursors)

    def _batch(
        self, cursor: _Cursor[_Item], max_elements: int, pack: Callable[[Sequence[_Item]], Sequence[_Packed]]
    ) -> Batch[_Packed]:
        candidates = cursor.items[cursor.position : cursor.position + min(max_elements, self._quotas.max_batch_items)]
        packed = pack(candidates)
        if candidates and not packed:
            raise ItemTooBig
        cursor.position += len(packed)
        done = cursor.position >= len(cursor.items)
        return Batch(packed, None if done else self._keep(cursor))

    def _keep(self, cursor: _Cursor[_Item]) -> str:
        context = f"uuid:{str(uuid.uuid4()).upper()}"
        cursor.used_at = self._clock()
        with self._lock:
            self._expire()
            self._cursors[_key(context)] = cursor
        return context

    def _take(self, context: str, user: str) -> _Cursor[_Item]:
        with self._lock:
            self._expire()
            cursor = self._cursors.get(_key(context))
            if cursor is None or cursor.user != user:
                raise ContextLost
            return self._cursors.pop(_key(context))

    def _expire(self) -> None:
        """Drops what has been idle for too long; the lock is held."""
        oldest = self._clock() - self._quotas.enumeration_timeout_s
        for key in [key for key, cursor in self._cursors.items() if cursor.used_at < oldest]:
            del self._cursors[key]


def _key(context: str) -> str:
    """A context is a GUID: its letter case means nothing."""
    return context.strip().lower()
