r"""Pools, capabilities and templates: where a client learns what it may ask for, and what to start from.

Two ways lead there, and both are real (hyperv-ops 0): a query for ``InstanceID like '%\\Default'``, and the walk from
a pool over Msvm_ElementCapabilities to Msvm_AllocationCapabilities and over Msvm_SettingsDefineCapabilities to the
settings with ValueRole 0 (default) or 3 with ValueRange 1, 2, 3 (minimum, maximum, increment). Ids: real-instances
1.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.device_kinds import PREFIX, DeviceKind, DeviceKinds
from hyperv_simulator.machines.settings import GENERATION_1, GENERATION_2, VSSD, SettingsFactory
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

SYSTEM_CAPABILITIES = "Microsoft:VirtualSystemManagementCapabilities"
_SYSTEM_TEMPLATE = r"Microsoft:Definition\VirtualSystem\Default"
_ROLES: Mapping[str, Mapping[str, CimValue]] = {
    "Default": {"ValueRole": 0, "ValueRange": 0},
    "Minimum": {"ValueRole": 3, "ValueRange": 1},
    "Maximum": {"ValueRole": 3, "ValueRange": 2},
    "Increment": {"ValueRole": 3, "ValueRange": 3},
}
# What differs from the default in the other three templates; the rest of a template is the same (assumption).
_LIMITS: Mapping[tuple[str, str], Mapping[str, CimValue]] = {
    ("Memory", "Minimum"): {"VirtualQuantity": 32, "Reservation": 32, "Limit": 32, "Weight": 0},
    ("Memory", "Maximum"): {"Weight": 10000},
    ("Memory", "Increment"): {"VirtualQuantity": 2, "Reservation": 2, "Limit": 2, "Weight": 1},
    ("Processor", "Minimum"): {"VirtualQuantity": 1, "Reservation": 0, "Limit": 0, "Weight": 0},
    ("Processor", "Maximum"): {"Reservation": 100000, "Limit": 100000, "Weight": 10000},
    ("Processor", "Increment"): {"VirtualQuantity": 1, "Reservation": 1, "Limit": 1, "Weight": 1},
}


class Templates:
    """Puts pools, capabilities and templates into the repository, and walks between them."""

    def __init__(self, repository: Repository, kinds: DeviceKinds, factory: SettingsFactory, facts: HostFacts) -> None:
        self._repository = repository
        self._facts = facts
        for kind in kinds.all:
            if kind.pool_id:
                self._add_pool(kind)
                for role in _ROLES:
                    self._add_template(kind, role)
        self._add_system_templates(factory)
        for class_name, feature in (*ids.FEATURE_IDS.items(), *ids.SWITCH_FEATURE_IDS.items()):
            self._add_feature(class_name, feature, is_port=class_name in ids.FEATURE_IDS)

    # Walks

    def capabilities_of(self, element: CimInstance) -> Iterable[CimInstance]:
        """Of a pool its allocation capabilities, of the management service its own."""
        if element.class_name == "Msvm_VirtualSystemManagementService":
            return self._by_id("Msvm_VirtualSystemManagementCapabilities", SYSTEM_CAPABILITIES)
        if "ResourceSubType" in element and element.get("Primordial") is True:
            return self._by_id(
                "Msvm_AllocationCapabilities", element.text("InstanceID").upper().replace("MICROSOFT", "Microsoft")
            )
        return ()

    def elements(self) -> Iterable[CimInstance]:
        """Everything that has capabilities."""
        return [
            *self._repository.instances("CIM_ResourcePool"),
            *self._repository.instances("Msvm_VirtualSystemManagementService"),
        ]

    def element_of(self, capabilities: CimInstance) -> Iterable[CimInstance]:
        if capabilities.class_name == "Msvm_VirtualSystemManagementCapabilities":
            return self._repository.instances("Msvm_VirtualSystemManagementService")
        if capabilities.class_name == "Msvm_AllocationCapabilities":
            return self._by_id("CIM_ResourcePool", capabilities.text("InstanceID"))
        return ()

    def settings_of(self, capabilities: CimInstance) -> Iterable[CimInstance]:
        """The templates of a kind; of the management service the one of a machine, and the secure boot templates."""
        if capabilities.class_name == "Msvm_VirtualSystemManagementCapabilities":
            return [
                item
                for item in self._repository.instances(VSSD)
                if item.text("InstanceID").startswith("Microsoft:Definition\\")
            ]
        if capabilities.class_name != "Msvm_AllocationCapabilities":
            return ()
        pool = capabilities.text("InstanceID").removeprefix("Microsoft:")
        return [
            item
            for item in self._repository.owned("CIM_ResourceAllocationSettingData", pool)
            if item.text("InstanceID").startswith("Microsoft:Definition\\")
        ]

    def capabilities_for(self, settings: CimInstance) -> Iterable[CimInstance]:
        parts = settings.text("InstanceID", "").split("\\")
        if parts[0] != "Microsoft:Definition":
            return ()
        if settings.class_name == VSSD:
            return self._by_id("Msvm_VirtualSystemManagementCapabilities", SYSTEM_CAPABILITIES)
        return self._by_id("Msvm_AllocationCapabilities", f"Microsoft:{parts[1]}")

    def role(self, _: CimInstance, settings: CimInstance) -> Mapping[str, CimValue]:
        """The properties of the link: which of the four a template is."""
        role = settings.text("InstanceID").rpartition("\\")[2]
        return {"PropertyPolicy": 0, **_ROLES.get(role, {"ValueRole": 3, "ValueRange": 0})}

    def feature_templates_of(self, capabilities: CimInstance) -> Iterable[CimInstance]:
        return self._repository.owned("Msvm_FeatureSettingData", capabilities.text("FeatureId"))

    def feature_capabilities_for(self, feature: CimInstance) -> Iterable[CimInstance]:
        parts = feature.text("InstanceID", "").split("\\")
        if parts[0] != "Microsoft:Definition":
            return ()
        return self._by_id("Msvm_EthernetSwitchFeatureCapabilities", f"Microsoft:{parts[1]}")

    # What is put in

    def _add_pool(self, kind: DeviceKind) -> None:
        catalogue, config = self._repository.catalogue, self._facts.config
        capacity: Mapping[str, tuple[int, str]] = {
            "Memory": (config.memory_mb, "byte * 2^20"),
            "Processor": (config.threads * 100000, "percent / 1000"),
        }
        amount, units = capacity.get(kind.sub_type, (None, "count"))
        self._repository.add(
            new_instance(
                catalogue,
                kind.pool_class,
                {
                    "InstanceID": f"Microsoft:{kind.pool_id}",
                    "PoolID": "",  # HVWMI resource_pool_create
                    "Primordial": True,
                    "ResourceType": kind.resource_type,
                    "ResourceSubType": kind.values.get("ResourceSubType", PREFIX + kind.sub_type),
                    "OtherResourceType": kind.values.get("OtherResourceType"),
                    "Caption": f"{kind.name} Pool",
                    "Description": f"The primordial pool of {kind.name.lower()} resources.",
                    "ElementName": "Primordial",
                    "AllocationUnits": units,
                    "ConsumedResourceUnits": units,
                    "Capacity": amount,
                    "HealthState": 5,
                    "OperationalStatus": [2],
                    "Status": "OK",
                    "StatusDescriptions": ["OK"],
                },
            )
        )
        self._repository.add(
            new_instance(
                catalogue,
                "Msvm_AllocationCapabilities",
                {
                    "InstanceID": f"Microsoft:{kind.pool_id.upper()}",
                    "Caption": f"{kind.name} Allocation Capabilities",
                    "Description": f"The allocation capabilities of {kind.name.lower()} resources.",
                    "ElementName": f"{kind.name} Allocation Capabilities",
                    "ResourceType": kind.resource_type,
                    "ResourceSubType": kind.values.get("ResourceSubType", PREFIX + kind.sub_type),
                    "OtherResourceType": kind.values.get("OtherResourceType"),
                    "RequestTypesSupported": 3,
                    "SharingMode": 3,
                    "SupportedAddStates": [2, 3],
                    "SupportedRemoveStates": [2, 3],
                },
            )
        )

    def _add_template(self, kind: DeviceKind, role: str) -> None:
        values = {
            **kind.settings(),
            **_LIMITS.get((kind.sub_type, role), {}),
            **(self._most(kind.sub_type) if role == "Maximum" else {}),
            "InstanceID": ids.definition_id(kind.pool_id, role),
            # real-instances 2.7: the pattern of the texts, ConsumerVisibility and ElementName of a recorded template
            "Caption": f"{kind.name} {role} Settings",
            "Description": f"Describes the {role.lower()} settings for the {kind.name.lower()} resources.",
            "ElementName": None,
            "ConsumerVisibility": 3 if role == "Default" else 2,
        }
        if role != "Default" and (kind.sub_type, role) not in _LIMITS:
            values |= {"Reservation": 0}
        self._repository.add(new_instance(self._repository.catalogue, kind.class_name, values))

    def _most(self, sub_type: str) -> Mapping[str, CimValue]:
        """What a machine of generation 2 may have at most in this release."""
        limits = self._facts.version.limits
        if sub_type == "Processor":
            return {"VirtualQuantity": limits.processors}
        if sub_type == "Memory":
            return dict.fromkeys(("VirtualQuantity", "Reservation", "Limit"), limits.memory_mb_of(2))
        return {}

    def _add_system_templates(self, factory: SettingsFactory) -> None:
        catalogue, version = self._repository.catalogue, self._facts.version
        self._repository.add(
            new_instance(
                catalogue,
                "Msvm_VirtualSystemManagementCapabilities",
                {
                    "InstanceID": SYSTEM_CAPABILITIES,
                    "ElementNameEditSupported": True,
                    "MaxElementNameLen": 255,
                    "VirtualSystemTypesSupported": [GENERATION_1, GENERATION_2],
                    "IndicationsSupported": [2, 3, 4],
                    "SynchronousMethodsSupported": [1, 2, 3, 4, 5, 6],
                    "AsynchronousMethodsSupported": [1, 2, 3, 4, 5, 6],
                },
            )
        )
        self._repository.add(
            new_instance(
                catalogue,
                VSSD,
                {
                    **factory.system_defaults(generation_2=False),
                    "InstanceID": _SYSTEM_TEMPLATE,
                    "Caption": "Virtual Machine Default Settings",
                    "Description": "Describes the default settings for the virtual machine.",
                    "ElementName": "New Virtual Machine",
                },
            )
        )
        if version.release < 2016:
            return
        for guid, name in ids.SECURE_BOOT_TEMPLATES.items():
            self._repository.add(
                new_instance(
                    catalogue,
                    VSSD,
                    {
                        # The tail of the id is not known from a host (assumption).
                        "InstanceID": f"Microsoft:Definition\\SecureBootTemplate\\{guid}",
                        "Caption": "Virtual Machine Settings",
                        "Description": name,
                        "ElementName": name,
                        "SecureBootTemplateId": guid,
                        "SecureBootEnabled": True,
                        "VirtualSystemSubType": GENERATION_2,
                    },
                )
            )

    def _add_feature(self, class_name: str, feature: str, *, is_port: bool) -> None:
        catalogue = self._repository.catalogue
        try:
            template = new_instance(catalogue, class_name, {"InstanceID": ids.definition_id(feature, "Default")})
        except NotFound:
            return  # a feature that this Windows version does not have
        self._repository.add(template)
        self._repository.add(
            new_instance(
                catalogue,
                "Msvm_EthernetSwitchFeatureCapabilities",
                {
                    "InstanceID": f"Microsoft:{feature}",
                    "FeatureId": feature,
                    "ElementName": template.get("ElementName"),
                    "Caption": "Ethernet Switch Feature Capabilities",
                    "Applicability": 1 if is_port else 2,
                    "Version": ids.FEATURE_VERSIONS.get(class_name, "1.0"),
                },
            )
        )

    def _by_id(self, class_name: str, instance_id: str) -> Iterable[CimInstance]:
        found = self._repository.find(CimReference(class_name, {"InstanceID": instance_id}))
        return () if found is None else (found,)
