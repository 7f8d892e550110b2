"""The class catalogue as one Windows version has it: what a version lacks does not exist here.

The schema behind it was read from Server 2019 and 23H2 hosts and knows what only the newer of them has; which release
brought what to Hyper-V's own namespace is known more exactly and stands in ``releases``.
"""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim import schema
from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.schema import CimClass, CimProperty
from hyperv_simulator.repository.releases import FIRST_RELEASE, LAST_RELEASE
from hyperv_simulator.windows import WindowsVersion

_HYPER_V = "root/virtualization/v2"
_SINCE_RELEASE: Mapping[str, int] = {"": 0, "23h2": 2025}
# Only the newer of the two hosts was asked for these: that the older lacks them means nothing.
_NOT_COMPARED = frozenset({"root/wmi", "root/default"})

# Hyper-V's first namespace went with 2012 R2; those of failover clustering are there on nodes only.
_GONE = frozenset({"root/virtualization"})
CLUSTER_NAMESPACES = frozenset({"root/mscluster", "root/hypervcluster/v2", "root/microsoft/windows/cluster/scaleout"})


class HostCatalogue:
    """``schema.Catalogue`` narrowed to one release. Finds what the release has, raises NotFound for the rest.

    :param absent_namespaces: those of features that the host does not have.
    """

    def __init__(self, version: WindowsVersion, absent_namespaces: frozenset[str] = CLUSTER_NAMESPACES) -> None:
        self.version = version
        self._absent = _GONE | absent_namespaces
        self._hidden: dict[str, tuple[str, ...]] = {}
        self._schema = schema.catalogue()
        self._names: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}

    def has_namespace(self, namespace: str) -> bool:
        """Whether the host has the namespace: those of features that are not installed are not there."""
        if schema.normalize_namespace(namespace) in self._absent:
            return False
        return schema.normalize_namespace(namespace) in self._schema.namespaces()

    def find(self, namespace: str, class_name: str) -> CimClass:
        """The class. Raises NotFound where this Windows version (or the namespace) has none of that name."""
        found = self._schema.find(namespace, class_name)
        if not self._has_class(found) or self._is_hidden(found):
            raise NotFound(f"Windows {self.version.name} has no class {class_name} in {namespace}.")
        return found

    def subclasses(self, namespace: str, class_name: str) -> list[CimClass]:
        """The class itself and all that derive from it, as far as this version has them."""
        return [found for found in self._schema.subclasses(namespace, class_name) if self._has_class(found)]

    def property(self, namespace: str, class_name: str, name: str) -> CimProperty:
        """One property. Raises NotFound where the class of this version has none of that name."""
        cls = self.find(namespace, class_name)
        found = cls.property(name)
        if not self._has_property(cls, found):
            raise NotFound(f"Windows {self.version.name} has no property {class_name}.{name}.")
        return found

    def property_names(self, namespace: str, class_name: str) -> tuple[tuple[str, str], ...]:
        """The properties of a class in alphabetical order, as Windows sends them, each with its lower-case form."""
        key = (namespace, class_name)
        names = self._names.get(key)
        if names is None:
            cls = self.find(namespace, class_name)
            own = (item.name for item in cls.properties.values() if self._has_property(cls, item))
            names = self._names[key] = tuple((name, name.lower()) for name in sorted(own, key=str.lower))
        return names

    def hide(self, namespace: str, *prefixes: str) -> None:
        """From now on the classes of a namespace that begin so are not there (those of a driver, while it isn't)."""
        hidden = tuple(prefix.lower() for prefix in prefixes)
        self._hidden = {**self._hidden, schema.normalize_namespace(namespace): hidden}

    def _is_hidden(self, cls: CimClass) -> bool:
        prefixes = self._hidden.get(schema.normalize_namespace(cls.namespace)) if self._hidden else None
        return bool(prefixes) and cls.name.lower().startswith(prefixes or ())

    def _has_class(self, cls: CimClass) -> bool:
        if schema.normalize_namespace(cls.namespace) != _HYPER_V:
            return self._reached(cls.since, cls)
        name = cls.name.lower()
        first = FIRST_RELEASE.get(name, _SINCE_RELEASE[cls.since])
        return first <= self.version.release <= LAST_RELEASE.get(name, self.version.release)

    def _has_property(self, cls: CimClass, prop: CimProperty) -> bool:
        if schema.normalize_namespace(cls.namespace) != _HYPER_V:
            return self._reached(prop.since, cls)
        owners = (name.lower() for name in cls.ancestors)
        known = (FIRST_RELEASE.get(f"{owner}.{prop.name.lower()}") for owner in owners)
        first = next((release for release in known if release is not None), _SINCE_RELEASE[prop.since])
        return self.version.release >= first

    def _reached(self, since: str, cls: CimClass) -> bool:
        if schema.normalize_namespace(cls.namespace) in _NOT_COMPARED:
            return True
        return self.version.release >= _SINCE_RELEASE[since]
