"""Instances as JSON: what is written to files and read back.

What JSON lacks (dates, bytes, references, embedded instances) is an object with one key that names the type.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any

from compute_hyperv.cim.datetimes import from_cim, to_cim
from compute_hyperv.cim.paths import format_path, parse_path
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimReference, CimScalar, CimValue


def record_of(instance: CimInstance) -> dict[str, Any]:
    """NULLs are left out."""
    properties = {name: _plain(value) for name, value in instance.items() if value is not None}
    return {"class": instance.class_name, "properties": properties}


def instance_of(record: Mapping[str, Any], namespace: str = DEFAULT_NAMESPACE) -> CimInstance:
    """:raises KeyError: it is no record."""
    properties = {name: _value(plain) for name, plain in record["properties"].items()}
    return CimInstance(record["class"], properties, namespace)


def _plain(value: CimValue) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dt.datetime | dt.timedelta):
        return {"cim": to_cim(value)}
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, CimReference):
        return {"path": format_path(value)}
    if isinstance(value, CimInstance):
        return {"instance": record_of(value), "namespace": value.namespace}
    return value


def _value(plain: Any) -> CimValue:
    if isinstance(plain, list):
        items: list[CimScalar] = [_value(item) for item in plain]  # type: ignore[misc]  # arrays hold scalars
        return items
    if isinstance(plain, dict):
        return _typed(plain)
    value: CimValue = plain
    return value


def _typed(plain: Mapping[str, Any]) -> CimValue:
    if "cim" in plain:
        return from_cim(plain["cim"])
    if "path" in plain:
        return parse_path(plain["path"])
    if "instance" in plain:
        return instance_of(plain["instance"], plain["namespace"])
    return base64.b64decode(plain["base64"])
