"""An instance to start from: what the documentation of a class says that every instance of it holds.

Real-instances 3.14: the defaults of the class pages are what the provider returns in every instance. Placeholders
("GUID", "device specific data") are no values and are left out; where a dump of a host disagrees, the caller overrides.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from compute_hyperv.cim import schema
from compute_hyperv.cim.datetimes import from_cim
from compute_hyperv.cim.schema import CimProperty, CimType
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimValue
from hyperv_simulator.repository.catalogue import HostCatalogue

_PLACEHOLDERS = ("guid", "devicespecificdata", "device specific data")


def new_instance(
    catalogue: HostCatalogue,
    class_name: str,
    values: Mapping[str, CimValue] | None = None,
    namespace: str = DEFAULT_NAMESPACE,
) -> CimInstance:
    """An instance with the documented defaults and ``values`` over them; a None in ``values`` takes a default away."""
    cls = catalogue.find(namespace, class_name)
    instance = CimInstance(cls.name, None, namespace)
    for name, value in _defaults(cls.namespace, cls.name):
        instance[name] = list(value) if isinstance(value, list) else value
    for name, value in (values or {}).items():
        if value is not None:
            instance[name] = value
        elif name in instance:
            del instance[name]
    return instance


@functools.cache
def _defaults(namespace: str, class_name: str) -> tuple[tuple[str, CimValue], ...]:
    properties = schema.catalogue().find(namespace, class_name).properties.values()
    found = ((prop.name, _default_of(prop)) for prop in properties)
    return tuple((name, value) for name, value in found if value is not None)


def _default_of(prop: CimProperty) -> CimValue:
    default = prop.default
    if default is None:
        return None
    texts = default if isinstance(default, list) else [default]
    if any(isinstance(text, str) and any(mark in text.lower() for mark in _PLACEHOLDERS) for text in texts):
        return None
    if prop.type is CimType.DATETIME:
        return from_cim(default.strip('"')) if isinstance(default, str) else None
    if prop.is_array and not isinstance(default, list):
        return [default]
    return list(default) if isinstance(default, list) else default
