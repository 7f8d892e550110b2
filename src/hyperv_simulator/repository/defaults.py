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
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimScalar, CimValue
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
    defaults, arrays = _defaults(cls.namespace, cls.name)
    instance = defaults.copy()
    instance.namespace = namespace
    for name, value in arrays:
        instance[name] = list(value)
    for name, given in (values or {}).items():
        if given is not None:
            instance[name] = given
        elif name in instance:
            del instance[name]
    return instance


@functools.cache
def _defaults(namespace: str, class_name: str) -> tuple[CimInstance, tuple[tuple[str, list[CimScalar]], ...]]:
    """What to copy, and its arrays, of which each instance gets its own."""
    cls = schema.catalogue().find(namespace, class_name)
    values = {prop.name: _default_of(prop) for prop in cls.properties.values()}
    found = CimInstance(cls.name, {name: value for name, value in values.items() if value is not None}, namespace)
    return found, tuple((name, value) for name, value in found.items() if isinstance(value, list))


def _default_of(prop: CimProperty) -> CimValue:
    default = prop.default
    if default is None:
        return None
    texts = default if isinstance(default, list) else [default]
    if any(isinstance(text, str) and any(mark in text.lower() for mark in _PLACEHOLDERS) for text in texts):
        return None
    if prop.type is CimType.DATETIME:
        return from_cim(default.strip('"')) if isinstance(default, str) else None
    if prop.is_array:
        return list(default) if isinstance(default, list) else [default]
    # Msvm_DisketteDrive.ErrorMethodology and other single values are documented in braces.
    return default[0] if isinstance(default, list) else default
