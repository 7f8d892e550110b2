"""A host's inside, spoken to as the wire does: references and CIM-XML texts in, instances and outputs out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.paths import format_path
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimReference, CimValue
from hyperv_simulator.assembly import Inside
from hyperv_simulator.service import Caller

RUNNING_STATES = (2, 3, 4)
PREFIX = "Microsoft:Hyper-V:"


class Client:
    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.service = inside.service
        self.host_name = inside.host_name

    def service_reference(self, class_name: str) -> CimReference:
        return CimReference(class_name, {"CreationClassName": class_name})

    @property
    def management(self) -> CimReference:
        return self.service_reference("Msvm_VirtualSystemManagementService")

    @property
    def images(self) -> CimReference:
        return self.service_reference("Msvm_ImageManagementService")

    @property
    def snapshots(self) -> CimReference:
        return self.service_reference("Msvm_VirtualSystemSnapshotService")

    @property
    def switching(self) -> CimReference:
        return self.service_reference("Msvm_VirtualEthernetSwitchManagementService")

    def query(self, text: str, namespace: str = DEFAULT_NAMESPACE) -> list[CimInstance]:
        return self.service.query(namespace, text)

    def one(self, text: str, namespace: str = DEFAULT_NAMESPACE) -> CimInstance:
        (found,) = self.query(text, namespace)
        return found

    def call(self, target: CimReference, method: str, **parameters: CimValue) -> dict[str, CimValue]:
        """The outputs as they come, job or not."""
        return self.service.invoke(target, method, parameters, Caller(f"{self.host_name}\\Administrator"))

    def ended_job(self, outputs: Mapping[str, CimValue]) -> CimInstance:
        """The job that a call has started, when it has ended."""
        assert outputs["ReturnValue"] == 4096, outputs
        job = outputs["Job"]
        assert isinstance(job, CimReference)
        deadline = time.monotonic() + 10
        while True:
            instance = self.service.get(job)
            if instance.get("JobState") not in RUNNING_STATES:
                return instance
            assert time.monotonic() < deadline, instance
            time.sleep(0.002)

    def do(self, target: CimReference, method: str, **parameters: CimValue) -> dict[str, CimValue]:
        """Calls a method that must succeed, and waits for its job."""
        outputs = self.call(target, method, **parameters)
        if outputs["ReturnValue"] == 4096:
            job = self.ended_job(outputs)
            assert job.get("JobState") == 7, job.get("ErrorDescription")
        else:
            assert outputs["ReturnValue"] == 0, outputs
        return outputs

    def refused(self, target: CimReference, method: str, **parameters: CimValue) -> int:
        """The return code of a call that the host does not accept."""
        code = self.call(target, method, **parameters)["ReturnValue"]
        assert isinstance(code, int)
        assert code not in (0, 4096)
        return code

    def failed(self, target: CimReference, method: str, **parameters: CimValue) -> CimInstance:
        """The job of a call that is accepted and then fails."""
        job = self.ended_job(self.call(target, method, **parameters))
        assert job.get("JobState") == 10, job
        return job

    # Machines

    def define(
        self, name: str = "machine", *, generation: int = 2, resources: list[str] | None = None, **values: Any
    ) -> CimReference:
        settings = settings_text(
            "Msvm_VirtualSystemSettingData",
            ElementName=name,
            VirtualSystemSubType=f"{PREFIX}SubType:{generation}",
            **values,
        )
        outputs = self.call(self.management, "DefineSystem", SystemSettings=settings, ResourceSettings=resources)
        assert outputs["ReturnValue"] == 0, outputs
        machine = outputs["ResultingSystem"]
        assert isinstance(machine, CimReference)
        return machine

    def state(self, machine: CimReference) -> int:
        return self.service.get(machine).integer("EnabledState")

    def change_state(self, machine: CimReference, state: int) -> None:
        self.do(machine, "RequestStateChange", RequestedState=state)

    def system_settings(self, machine: CimReference) -> CimInstance:
        return self.service.get(self.system_settings_reference(machine))

    def system_settings_reference(self, machine: CimReference) -> CimReference:
        return CimReference("Msvm_VirtualSystemSettingData", {"InstanceID": f"Microsoft:{machine.key('Name')}"})

    def settings(self, machine: CimReference, class_name: str, sub_type: str = "") -> list[CimInstance]:
        text = f"select * from {class_name} where InstanceID like 'Microsoft:{machine.key('Name')}%'"
        if sub_type:
            text += f" and ResourceSubType = '{PREFIX}{sub_type}'"
        return self.query(text)

    def path(self, instance: CimInstance | CimReference) -> str:
        reference = instance if isinstance(instance, CimReference) else self.service.reference_of(instance)
        return format_path(reference, self.host_name)

    def add(self, machine: CimReference, class_name: str, **values: Any) -> CimReference:
        """Adds one resource and gives its reference."""
        outputs = self.do(self.management, "AddResourceSettings", **self.addition(machine, class_name, **values))
        results = outputs["ResultingResourceSettings"]
        assert isinstance(results, list)
        (result,) = results
        assert isinstance(result, CimReference)
        return result

    def addition(self, machine: CimReference, class_name: str, **values: Any) -> dict[str, CimValue]:
        return {
            "AffectedConfiguration": self.system_settings_reference(machine),
            "ResourceSettings": [settings_text(class_name, **values)],
        }

    def add_controller(self, machine: CimReference) -> CimReference:
        return self.add(
            machine,
            "Msvm_ResourceAllocationSettingData",
            ResourceType=6,
            ResourceSubType=f"{PREFIX}Synthetic SCSI Controller",
        )

    def add_drive(
        self, machine: CimReference, controller: CimReference, slot: int = 0, kind: str = "Synthetic Disk Drive"
    ) -> CimReference:
        return self.add(machine, **drive(self.path(controller), slot, kind))

    def add_medium(
        self, machine: CimReference, drive_reference: CimReference, path: str, kind: str = "Virtual Hard Disk"
    ) -> CimReference:
        return self.add(machine, **medium(self.path(drive_reference), path, kind))

    def add_disk(
        self, machine: CimReference, path: str, controller: CimReference | None = None, slot: int = 0
    ) -> CimReference:
        controller = controller or self.add_controller(machine)
        return self.add_medium(machine, self.add_drive(machine, controller, slot), path)

    def create_disk(self, path: str, size: int = 64 << 20) -> str:
        text = settings_text("Msvm_VirtualHardDiskSettingData", Path=path, Type=3, Format=3, MaxInternalSize=size)
        self.do(self.images, "CreateVirtualHardDisk", VirtualDiskSettingData=text)
        return path

    def add_nic(self, machine: CimReference, **values: Any) -> CimReference:
        return self.add(
            machine,
            "Msvm_SyntheticEthernetPortSettingData",
            ResourceType=10,
            ResourceSubType=f"{PREFIX}Synthetic Ethernet Port",
            **values,
        )

    def connect(self, machine: CimReference, nic: CimReference, switch: str = "external") -> CimReference:
        return self.add(machine, **connection(self.path(nic), self.switch_path(switch)))

    def switch_path(self, name: str = "external") -> str:
        return self.path(self.one(f"select * from Msvm_VirtualEthernetSwitch where ElementName = '{name}'"))


def settings_text(class_name: str, **values: Any) -> str:
    return instance_to_text(CimInstance(class_name, values))


def drive(controller_path: str, slot: int, kind: str = "Synthetic Disk Drive") -> dict[str, Any]:
    return {
        "class_name": "Msvm_ResourceAllocationSettingData",
        "ResourceType": 16 if "DVD" in kind else 17,
        "ResourceSubType": PREFIX + kind,
        "Parent": controller_path,
        "AddressOnParent": str(slot),
    }


def medium(drive_path: str, path: str, kind: str = "Virtual Hard Disk") -> dict[str, Any]:
    return {
        "class_name": "Msvm_StorageAllocationSettingData",
        "ResourceType": 31,
        "ResourceSubType": PREFIX + kind,
        "Parent": drive_path,
        "HostResource": [path],
    }


def connection(nic_path: str, switch_path: str) -> dict[str, Any]:
    return {
        "class_name": "Msvm_EthernetPortAllocationSettingData",
        "ResourceType": 33,
        "ResourceSubType": f"{PREFIX}Ethernet Connection",
        "Parent": nic_path,
        "HostResource": [switch_path],
    }
