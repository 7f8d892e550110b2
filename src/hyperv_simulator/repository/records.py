"""Instances as JSON: what is written to files and read back.

What JSON lacks (dates, bytes) is an object with one key that names the type. References and embedded instances are not
kept: nothing that is stored in settings holds them.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any

from compute_hyperv.cim.datetimes import from_cim, to_cim
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue


def record_of(instance: CimInstance) -> dict[str, Any]:
    return {"class": instance.class_name, "properties": {name: _plain(value) for name, value in instance.items()}}


def instance_of(record: Mapping[str, Any]) -> CimInstance:
    """:raises KeyError: it is no record."""
    return CimInstance(record["class"], {name: _value(plain) for name, plain in record["properties"].items()})


def _plain(value: CimValue) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dt.datetime | dt.timedelta):
        return {"cim": to_cim(value)}
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, CimReference | CimInstance):
        raise TypeError(f"{value!r} is not kept")
    return value


def _value(plain: Any) -> CimValue:
    if isinstance(plain, list):
        items: list[CimScalar] = [_value(item) for item in plain]  # type: ignore[misc]  # arrays hold scalars
        return items
    if isinstance(plain, dict):
        return from_cim(plain["cim"]) if "cim" in plain else base64.b64decode(plain["base64"])
    value: CimValue = plain
    return value
