"""CIM's dates and intervals: between Python, CIM's own 25 characters (DSP0004 2.2.1) and XML Schema's text (DSP0230).

==========  ==============================  ==============================
Python      CIM                             XML Schema, as Windows writes it
==========  ==============================  ==============================
datetime    ``20261008151536.684240+000``   ``2026-10-08T15:15:36.68424Z``
timedelta   ``00000000000500.000000:000``   ``P0DT0H5M0S``
str         with ``*`` for unknown digits   (none: travels in CIM's form)
==========  ==============================  ==============================

All functions raise ValueError for what they cannot read or write; who calls knows the name to complain about.
"""

from __future__ import annotations

import datetime as dt
import re

CimMoment = dt.datetime | dt.timedelta | str

_CIM = re.compile(r"[\d*]{14}\.[\d*]{6}(?:[+-][\d*]{3}|:000)")
_CIM_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.(\d{6})([+-]\d{3})", re.ASCII)
_CIM_INTERVAL = re.compile(r"(\d{8})(\d\d)(\d\d)(\d\d)\.(\d{6}):000", re.ASCII)
_DURATION = re.compile(r"P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,9}))?S)?)?", re.ASCII)
_MAXIMUM_DAYS = 99_999_999  # CIM has eight digits for them


def to_cim(value: CimMoment) -> str:
    """CIM's 25 characters, as embedded instances and WQL carry them."""
    if isinstance(value, str):
        if not _CIM.fullmatch(value):
            raise ValueError(f"{value!r} is not a CIM datetime of 25 characters")
        return value
    if isinstance(value, dt.timedelta):
        days, hours, minutes, seconds, microseconds = _parts(value)
        return f"{days:08d}{hours:02d}{minutes:02d}{seconds:02d}.{microseconds:06d}:000"
    moment, offset = _with_whole_minutes(value)
    return (
        f"{moment.year:04d}{moment.month:02d}{moment.day:02d}{moment.hour:02d}{moment.minute:02d}{moment.second:02d}"
        f".{moment.microsecond:06d}{'-' if offset < 0 else '+'}{abs(offset):03d}"
    )


def from_cim(value: str) -> CimMoment:
    """Of 25 characters; text where digits are unknown (``*``)."""
    if match := _CIM_INTERVAL.fullmatch(value):
        days, hours, minutes, seconds, microseconds = (int(part) for part in match.groups())
        return dt.timedelta(days, seconds, microseconds, hours=hours, minutes=minutes)
    if match := _CIM_TIMESTAMP.fullmatch(value):
        *parts, offset = (int(part) for part in match.groups())
        return dt.datetime(*parts, tzinfo=_zone(offset))  # type: ignore[arg-type,misc]  # seven integers and a zone
    if _CIM.fullmatch(value) and "*" in value:
        return value
    raise ValueError(f"{value!r} is not a CIM datetime of 25 characters")


def to_xml(value: dt.datetime | dt.timedelta) -> str:
    """``xs:dateTime`` or ``xs:duration``; trailing zeros of the fraction are cut, as Windows does."""
    if isinstance(value, dt.timedelta):
        days, hours, minutes, seconds, microseconds = _parts(value)
        return f"P{days}DT{hours}H{minutes}M{seconds}{_fraction(microseconds)}S"
    moment, offset = _with_whole_minutes(value)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    zone = f"{sign}{hours:02d}:{minutes:02d}" if offset else "Z"
    return f"{moment:%H:%M:%S}".join((f"{moment.date().isoformat()}T", f"{_fraction(moment.microsecond)}{zone}"))


def from_xml(value: str) -> CimMoment:
    """``xs:dateTime`` or ``xs:duration``; CIM's own form is taken as well.

    Assumption: a date without an offset is UTC. Windows always writes one.
    """
    value = value.strip()
    if value.startswith("P"):
        return duration(value)
    if len(value) == 25 and _CIM.fullmatch(value):
        return from_cim(value)
    moment = dt.datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def duration(value: str) -> dt.timedelta:
    """Of an ``xs:duration`` without years and months, which no interval of CIM has."""
    match = _DURATION.fullmatch(value)
    if not match or not any(part is not None for part in match.groups()):
        raise ValueError(f"{value!r} is not a duration in days, hours, minutes and seconds")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:4])
    microseconds = int((match[5] or "").ljust(6, "0")[:6])
    try:
        return dt.timedelta(days, seconds, microseconds, hours=hours, minutes=minutes)
    except OverflowError:
        raise ValueError(f"{value!r} is longer than any interval") from None


def _parts(value: dt.timedelta) -> tuple[int, int, int, int, int]:
    if value < dt.timedelta(0) or value.days > _MAXIMUM_DAYS:
        raise ValueError(f"{value!r} is no interval of CIM: it has 0 to {_MAXIMUM_DAYS} days")
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return value.days, hours, minutes, seconds, value.microseconds


def _with_whole_minutes(value: dt.datetime) -> tuple[dt.datetime, int]:
    """The moment and its offset from UTC in minutes; both forms have no room for seconds in an offset."""
    offset = value.utcoffset()
    if offset is None:
        raise ValueError(f"{value!r} has no time zone")
    if offset % dt.timedelta(minutes=1):
        value, offset = value.astimezone(dt.UTC), dt.timedelta(0)
    return value, offset // dt.timedelta(minutes=1)


def _zone(offset_minutes: int) -> dt.timezone:
    return dt.timezone(dt.timedelta(minutes=offset_minutes)) if offset_minutes else dt.UTC


def _fraction(microseconds: int) -> str:
    return f".{microseconds:06d}".rstrip("0") if microseconds else ""


def checked(value: object) -> CimMoment:
    """The value, if it is one that a datetime property can hold."""
    if isinstance(value, (dt.datetime, dt.timedelta, str)):
        return value
    raise ValueError(f"{value!r} is not a datetime")
