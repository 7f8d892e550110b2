"""Whose features the two services deal with: machines' ports; switches and their own ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator import identifiers as ids
from hyperv_simulator.machines.device_kinds import CONNECTION
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.switches import SWITCH_SETTINGS, TEAMING, Switches
from hyperv_simulator.switching import feature_rules

_SWITCH_INDEPENDENT = 1
_BALANCING = (4, 5)  # Hyper-V Port, Dynamic


class MachineFeatures:
    """The cables of machines' adapters."""

    service = "Msvm_VirtualSystemManagementService"

    def __init__(self, machines: Machines, switches: Switches) -> None:
        self._machines = machines
        self._switches = switches

    def owns(self, configuration: CimInstance) -> bool:
        owner = ids.system_of(configuration.text("InstanceID", ""))
        return configuration.class_name == CONNECTION and self._machines.find(owner) is not None

    def feature_ids(self, configuration: CimInstance) -> Mapping[str, str]:  # noqa: ARG002 - the same for all
        return ids.FEATURE_IDS

    def check(self, configuration: CimInstance, feature: CimInstance) -> None:
        machine = self._machines.find(ids.system_of(configuration.text("InstanceID")))
        switch = machine.reader.switch_of(configuration) if machine is not None else None
        if switch is not None:
            switch_id = switch.text("Name")
            settings = self._switches.settings(switch_id)
            feature_rules.check_on_switch(feature, settings, self._switches.team_of(switch_id))

    def change(self, configuration: CimInstance, work: Callable[[], None]) -> None:
        machine = self._machines.find(ids.system_of(configuration.text("InstanceID")))
        if machine is None:
            raise Refused(INVALID_PARAMETER, "the machine is gone")
        with machine.lock:
            work()
            machine.refresh_guest("nics")

    def affected(self, configuration: CimInstance) -> CimReference | None:
        machine = self._machines.find(ids.system_of(configuration.text("InstanceID")))
        return machine.reference if machine is not None else None


class SwitchFeatures:
    """Switches, and the ports of their own."""

    service = "Msvm_VirtualEthernetSwitchManagementService"

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def owns(self, configuration: CimInstance) -> bool:
        if configuration.class_name not in (CONNECTION, SWITCH_SETTINGS):
            return False
        return self._switches.by_id(ids.system_of(configuration.text("InstanceID"))) is not None

    def feature_ids(self, configuration: CimInstance) -> Mapping[str, str]:
        return ids.SWITCH_FEATURE_IDS if configuration.class_name == SWITCH_SETTINGS else ids.FEATURE_IDS

    def check(self, configuration: CimInstance, feature: CimInstance) -> None:
        switch_id = ids.system_of(configuration.text("InstanceID"))
        settings = self._switches.settings(switch_id)
        feature_rules.check_on_switch(feature, settings, self._switches.team_of(switch_id))
        if feature.class_name != TEAMING:
            return
        # Switch-embedded teaming knows no other mode and no other balancing (Microsoft's documentation of it)
        mode, balancing = feature.get("TeamingMode"), feature.get("LoadBalancingAlgorithm")
        if settings.get("TeamingEnabled") is not True or mode != _SWITCH_INDEPENDENT or balancing not in _BALANCING:
            raise Refused(INVALID_PARAMETER, f"teaming mode {mode!r}, balancing {balancing!r}")

    def change(self, configuration: CimInstance, work: Callable[[], None]) -> None:  # noqa: ARG002 - nobody to tell
        work()

    def affected(self, configuration: CimInstance) -> CimReference | None:
        return self._switches.reference(ids.system_of(configuration.text("InstanceID")))
