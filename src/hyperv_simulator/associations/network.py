"""Switches, their ports, and the connections and features on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.associations.walks import Walks, some
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.reader import host_resource
from hyperv_simulator.machines.resources.rules import instance_at
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.switches import SWITCH_SETTINGS
from hyperv_simulator.switching.ports import SWITCH, SWITCH_PORT

_FEATURE = "Msvm_EthernetSwitchPortFeatureSettingData"


class NetworkAssociations:
    """Switches, their ports, and the connections and features on them."""

    def __init__(self, walks: Walks) -> None:
        self._walks = walks
        self._repository = walks.repository

    def rows(self) -> Iterator[Association]:
        yield Association(
            "Msvm_SettingsDefineState",
            "ManagedElement",
            SWITCH,
            "SettingData",
            SWITCH_SETTINGS,
            lambda switch: self._walks.by_id(SWITCH_SETTINGS, ids.settings_id(switch.text("Name"))),
            lambda settings: self._switch(ids.system_of(settings.text("InstanceID"))),
        )
        yield Association(
            "Msvm_SystemDevice",
            "GroupComponent",
            SWITCH,
            "PartComponent",
            SWITCH_PORT,
            lambda switch: self._repository.owned(SWITCH_PORT, switch.text("Name")),
            lambda port: self._switch(port.text("SystemName")),
        )
        yield Association(
            "Msvm_ElementSettingData",
            "ManagedElement",
            SWITCH_PORT,
            "SettingData",
            CONNECTION,
            self._port_settings,
            self._settings_port,
        )
        yield Association(
            "Msvm_VirtualEthernetSwitchSettingDataComponent",
            "GroupComponent",
            SWITCH_SETTINGS,
            "PartComponent",
            CONNECTION,
            lambda settings: self._repository.owned(CONNECTION, ids.system_of(settings.text("InstanceID"))),
            lambda port: self._walks.by_id(SWITCH_SETTINGS, ids.settings_id(ids.system_of(port.text("InstanceID")))),
        )
        yield Association(
            "Msvm_VirtualEthernetSwitchSettingDataComponent",
            "GroupComponent",
            SWITCH_SETTINGS,
            "PartComponent",
            "Msvm_EthernetSwitchFeatureSettingData",
            lambda settings: self._repository.owned(
                "Msvm_EthernetSwitchFeatureSettingData", ids.system_of(settings.text("InstanceID"))
            ),
            lambda feature: self._walks.by_id(
                SWITCH_SETTINGS, ids.settings_id(ids.system_of(feature.text("InstanceID")))
            ),
        )
        yield Association(
            "Msvm_EthernetPortSettingDataComponent",
            "GroupComponent",
            CONNECTION,
            "PartComponent",
            _FEATURE,
            self._features,
            lambda feature: self._walks.by_id(CONNECTION, feature.text("InstanceID").rsplit("\\", 2)[0]),
        )

    def _switch(self, switch_id: str) -> Iterable[CimInstance]:
        return some(self._repository.find(CimReference(SWITCH, {"CreationClassName": SWITCH, "Name": switch_id})))

    def _features(self, connection: CimInstance) -> Iterable[CimInstance]:
        prefix = connection.text("InstanceID").lower() + "\\"
        owner = ids.system_of(connection.text("InstanceID"))
        for feature in self._repository.owned(_FEATURE, owner):
            if feature.text("InstanceID").lower().startswith(prefix):
                yield feature

    def _port_settings(self, port: CimInstance) -> Iterable[CimInstance]:
        port_id = port.text("DeviceID").removeprefix("Microsoft:")
        own = [*self._walks.by_id(CONNECTION, ids.settings_id(port.text("SystemName"), port_id))]
        if own:
            return own
        return [
            item
            for item in self._repository.instances(CONNECTION)
            if ids.stable_guid("switch port", item.text("InstanceID")) == port_id
        ]

    def _settings_port(self, settings: CimInstance) -> Iterable[CimInstance]:
        instance_id = settings.text("InstanceID")
        if instance_id.endswith("\\C"):
            switch = instance_at(self._repository, host_resource(settings))
            wanted = ids.settings_id(ids.stable_guid("switch port", instance_id))
            owner = switch.text("Name", "") if switch is not None else ""
        else:
            owner, wanted = ids.system_of(instance_id), ids.settings_id(ids.tail_of(instance_id))
        if not owner:
            return ()
        return [item for item in self._repository.owned(SWITCH_PORT, owner) if item.get("DeviceID") == wanted]
