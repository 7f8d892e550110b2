"""The class catalogue as one Windows version has it: what a version lacks does not exist here.

The schema behind it was read from Server 2019 and 23H2 hosts and knows what only the newer of them has; what releases
before 2019 lack stands in the table below, each entry from the class page ("Minimum supported server") or from the
version at which a configuration version brought it (real-instances 2.4).
"""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim import schema
from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.schema import CimClass, CimProperty
from hyperv_simulator.windows import WindowsVersion

_SINCE_RELEASE: Mapping[str, int] = {"": 0, "23h2": 2025}

# Class, or Class.Property, of root/virtualization/v2 -> the first Windows Server release that has it.
_NOT_BEFORE: Mapping[str, int] = {
    "msvm_serialportsettingdata": 2016,
    "msvm_syntheticdisplaycontrollersettingdata": 2016,
    "msvm_securityservice": 2016,
    "msvm_securitysettingdata": 2016,
    "msvm_securityelement": 2016,
    "msvm_assignabledeviceservice": 2016,
    "msvm_pciexpress": 2016,
    "msvm_pciexpresssettingdata": 2016,
    "msvm_virtualsystemcollection": 2016,
    "msvm_collectionmanagementservice": 2016,
    "msvm_virtualsystemreferencepoint": 2016,
    "msvm_ethernetswitchportrdmasettingdata": 2016,
    "msvm_ethernetswitchportteammappingsettingdata": 2016,
    "msvm_virtualethernetswitchnicteamingsettingdata": 2016,
    "msvm_gpupartitionsettingdata": 2022,
    "msvm_partitionablegpu": 2019,
    "msvm_virtualsystemsettingdata.usersnapshottype": 2016,
    "msvm_virtualsystemsettingdata.automaticsnapshotsenabled": 2019,
    "msvm_virtualsystemsettingdata.isautomaticsnapshot": 2019,
    "msvm_virtualsystemsettingdata.securebootbasetemplateid": 2016,
    "msvm_virtualsystemsettingdata.securebootbasetemplate": 2016,
    "msvm_virtualsystemsettingdata.secureboottemplateid": 2016,
    "msvm_virtualsystemsettingdata.consolemode": 2016,
    "msvm_virtualsystemsettingdata.highmmiogapsize": 2016,
    "msvm_virtualsystemsettingdata.highmmiogapbase": 2019,
    "msvm_virtualsystemsettingdata.enablehibernation": 2019,
    "msvm_virtualsystemsettingdata.enhancedsessiontransporttype": 2016,
    "msvm_processorsettingdata.exposevirtualizationextensions": 2016,
    "msvm_processorsettingdata.enablehostresourceprotection": 2016,
    "msvm_processorsettingdata.hwthreadspercore": 2019,
    "msvm_processorsettingdata.cpugroupid": 2019,
    "msvm_computersystem.hwthreadspercorerealized": 2022,
    "msvm_ethernetswitchportoffloadsettingdata.vmmqenabled": 2016,
    "msvm_ethernetswitchportoffloadsettingdata.vmmqqueuepairs": 2016,
    "msvm_ethernetswitchportoffloadsettingdata.vrssenabled": 2016,
    "msvm_syntheticethernetportsettingdata.devicenamingenabled": 2016,
}

# Failover clustering is a feature that a fresh host lacks; Hyper-V's first namespace went with 2012 R2.
_NOT_INSTALLED = frozenset({"root/mscluster", "root/hypervcluster/v2", "root/virtualization"})


class HostCatalogue:
    """``schema.Catalogue`` narrowed to one release. Finds what the release has, raises NotFound for the rest."""

    def __init__(self, version: WindowsVersion) -> None:
        self.version = version
        self._schema = schema.catalogue()
        self._names: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}

    def has_namespace(self, namespace: str) -> bool:
        """Whether the host has the namespace: those of features that are not installed are not there."""
        if schema.normalize_namespace(namespace) in _NOT_INSTALLED:
            return False
        return schema.normalize_namespace(namespace) in self._schema.namespaces()

    def find(self, namespace: str, class_name: str) -> CimClass:
        """The class. Raises NotFound where this Windows version (or the namespace) has none of that name."""
        found = self._schema.find(namespace, class_name)
        if not self._has_class(found):
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

    def _has_class(self, cls: CimClass) -> bool:
        return self._reached(cls.since) and self.version.release >= _NOT_BEFORE.get(cls.name.lower(), 0)

    def _has_property(self, cls: CimClass, prop: CimProperty) -> bool:
        if not self._reached(prop.since):
            return False
        return self.version.release >= _NOT_BEFORE.get(f"{cls.name.lower()}.{prop.name.lower()}", 0)

    def _reached(self, since: str) -> bool:
        return self.version.release >= _SINCE_RELEASE[since]
