"""Dates and intervals in both of their textual forms."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given

from compute_hyperv.cim import datetimes
from tests.cim import strategies

RECORDED = [
    # as a Hyper-V host wrote them, and in CIM's form
    ("2026-10-08T15:15:36.68424Z", "20261008151536.684240+000", dt.datetime(2026, 10, 8, 15, 15, 36, 684240, dt.UTC)),
    ("1601-01-01T00:00:00Z", "16010101000000.000000+000", dt.datetime(1601, 1, 1, tzinfo=dt.UTC)),
    (
        "2014-04-03T14:45:50.46875+08:00",
        "20140403144550.468750+480",
        dt.datetime(2014, 4, 3, 14, 45, 50, 468750, dt.timezone(dt.timedelta(hours=8))),
    ),
    ("P0DT0H5M0S", "00000000000500.000000:000", dt.timedelta(minutes=5)),
    ("P0DT0H0M0.014947S", "00000000000000.014947:000", dt.timedelta(microseconds=14947)),
]


@pytest.mark.parametrize(("xml", "cim", "value"), RECORDED)
def test_recorded_texts_are_read_and_written_as_they_were(
    xml: str, cim: str, value: dt.datetime | dt.timedelta
) -> None:
    assert datetimes.from_xml(xml) == value
    assert datetimes.from_cim(cim) == value
    assert datetimes.to_xml(value) == xml
    assert datetimes.to_cim(value) == cim


@given(strategies.timestamps | strategies.intervals)
def test_nothing_is_lost_in_either_form(value: dt.datetime | dt.timedelta) -> None:
    assert datetimes.from_xml(datetimes.to_xml(value)) == value
    assert datetimes.from_cim(datetimes.to_cim(value)) == value


def test_an_offset_with_seconds_is_written_as_utc() -> None:
    odd = dt.timezone(dt.timedelta(hours=1, seconds=28))
    value = dt.datetime(1900, 1, 1, 12, tzinfo=odd)
    assert datetimes.to_xml(value) == "1900-01-01T10:59:32Z"


def test_unknown_digits_stay_text() -> None:
    assert datetimes.from_cim("2026**********.******+***") == "2026**********.******+***"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "P",
        "PT",
        "P1Y",
        "-P1D",
        "P1D2H",
        "2026-13-01T00:00:00Z",
        "20261301000000.000000+000",
        "9" * 5000,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        datetimes.from_xml(text)


@pytest.mark.parametrize("value", [dt.datetime(2026, 1, 1), dt.timedelta(-1), "tomorrow"])
def test_what_cim_cannot_hold_is_refused(value: dt.datetime | dt.timedelta | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        datetimes.to_cim(value)
