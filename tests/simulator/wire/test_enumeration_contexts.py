"""Contexts: how long they live, how many items an answer carries."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hyperv_simulator.quotas import Quotas
from hyperv_simulator.server.enumeration import ContextLost, Enumerations, ItemTooBig

MAX_BATCH_ITEMS = 32_000


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def everything(items: Sequence[int]) -> Sequence[int]:
    return items


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def enumerations(clock: Clock) -> Enumerations[int, int]:
    return Enumerations(Quotas(), clock)


def test_items_come_in_order_in_batches_of_max_elements(enumerations: Enumerations[int, int]) -> None:
    context: str | None = enumerations.open(range(7))
    batches = []
    while context is not None:
        batch = enumerations.next(context, 3, everything)
        batches.append(list(batch.items))
        context = batch.context
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(enumerations) == 0


def test_an_optimized_enumeration_that_fits_needs_no_context(enumerations: Enumerations[int, int]) -> None:
    batch = enumerations.first(range(3), 10, everything)
    assert (list(batch.items), batch.context) == ([0, 1, 2], None)


def test_nothing_found_is_one_empty_batch(enumerations: Enumerations[int, int]) -> None:
    assert enumerations.next(enumerations.open([]), 1, everything).context is None


def test_a_batch_is_never_longer_than_max_batch_items(enumerations: Enumerations[int, int]) -> None:
    """MS-WSMV 3.1.4.1.14: the smaller of MaxElements and MaxBatchItems."""
    assert len(enumerations.first(range(MAX_BATCH_ITEMS + 1), 10**9, everything).items) == MAX_BATCH_ITEMS


def test_a_batch_is_as_long_as_the_answer_has_room(enumerations: Enumerations[int, int]) -> None:
    batch = enumerations.first(range(9), 9, lambda items: items[:4])
    assert batch.context is not None
    assert list(enumerations.next(batch.context, 9, everything).items) == [4, 5, 6, 7, 8]


def test_a_context_can_be_used_once(enumerations: Enumerations[int, int]) -> None:
    context = enumerations.open(range(3))
    enumerations.next(context, 1, everything)
    with pytest.raises(ContextLost):
        enumerations.next(context, 1, everything)


def test_the_letter_case_of_a_context_means_nothing(enumerations: Enumerations[int, int]) -> None:
    context = enumerations.open(range(3))
    assert context.startswith("uuid:")
    assert list(enumerations.next(context.lower(), 1, everything).items) == [0]


def test_a_released_context_is_gone(enumerations: Enumerations[int, int]) -> None:
    context = enumerations.open(range(3))
    enumerations.release(context)
    with pytest.raises(ContextLost):
        enumerations.release(context)


def test_a_context_is_gone_after_sixty_idle_seconds(enumerations: Enumerations[int, int], clock: Clock) -> None:
    """MS-WSMV 3.1.4.1.36: EnumerationTimeoutms, 60,000, between two Pulls."""
    context = enumerations.open(range(3))
    clock.now = 59
    context = enumerations.next(context, 1, everything).context or ""
    clock.now = 59 + 59
    context = enumerations.next(context, 1, everything).context or ""
    clock.now = 59 + 59 + 61
    with pytest.raises(ContextLost):
        enumerations.next(context, 1, everything)
    assert len(enumerations) == 0


def test_an_item_that_has_no_room_alone_is_an_error_and_the_context_stays(enumerations: Enumerations[int, int]) -> None:
    context = enumerations.open(range(3))
    with pytest.raises(ItemTooBig):
        enumerations.next(context, 1, lambda items: [])
    assert list(enumerations.next(context, 1, everything).items) == [0]


def test_an_enumeration_is_recognised_by_its_label_as_long_as_it_lives(enumerations: Enumerations[int, int]) -> None:
    context = enumerations.open(range(2), "Msvm_ComputerSystem")
    following = enumerations.next(context, 1, everything).context or ""
    assert (enumerations.label(context), enumerations.label(following)) == ("", "Msvm_ComputerSystem")
