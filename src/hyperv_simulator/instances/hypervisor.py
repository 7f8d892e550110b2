"""root/virtualization/v2 without machines: the hosting system, its services, processors, memory and NUMA nodes.

Values and ids: real-instances 1.5, 3.1, 3.3; texts where nothing was seen: the documented defaults of each class.
"""

from __future__ import annotations

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.machines.host_memory import HostMemory
from hyperv_simulator.machines.settings import DATA_ROOT
from hyperv_simulator.operating_system.computer import PROCESSOR_MHZ
from hyperv_simulator.operating_system.processor_models import model_of
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switches import Switches

_HARD_DISK_FOLDER = r"C:\Users\Public\Documents\Hyper-V\Virtual Hard Disks"
# Where the firmware keeps PCI Express to itself (J. Howard: Everything you wanted to know about SR-IOV, part 8).
_NO_IOV = (
    "To use SR-IOV on this system, the system BIOS must be updated to allow Windows to control PCI Express. "
    "Contact your system manufacturer for an update."
)
_RUNNING = {
    "Msvm_VirtualSystemManagementService": "The service is running normally",
    "Msvm_VirtualSystemSnapshotService": "The service is running normally",
    "Msvm_TerminalService": "The virtual terminal connection management service is fully operational",
    "Msvm_Synthetic3DService": "The Synthetic 3D service is fully operational.",
}


def populate(repository: Repository, facts: HostFacts, memory: HostMemory, switches: Switches) -> None:
    """Puts in the instances named above."""
    _hosting_system(repository, facts)
    _services(repository, facts)
    _service_settings(repository, facts, switches)
    _switch_capabilities(repository, facts)
    _hardware(repository, facts, memory)


def _switch_capabilities(repository: Repository, facts: HostFacts) -> None:
    supported = facts.config.hardware.iov
    repository.add(
        new_instance(
            repository.catalogue,
            "Msvm_VirtualEthernetSwitchManagementCapabilities",
            {
                "InstanceID": ids.settings_id(facts.name, "SwitchCapabilities"),
                "Caption": "Virtual Ethernet Switch Management Capabilities",
                "IOVSupport": supported,
                "IOVSupportReasons": [] if supported else [_NO_IOV],
            },
        )
    )


def _hosting_system(repository: Repository, facts: HostFacts) -> None:
    repository.add(
        new_instance(
            repository.catalogue,
            "Msvm_ComputerSystem",
            {
                "Name": facts.name,
                "ElementName": facts.name,
                "CreationClassName": "Msvm_ComputerSystem",
                "Caption": "Hosting Computer System",
                "Description": "Microsoft Hosting Computer System",
                "EnabledDefault": 2,
                "EnabledState": 2,
                "HealthState": 5,
                "NumberOfNumaNodes": facts.config.numa_nodes,
                "OperationalStatus": [2],
                "RequestedState": 12,
                "ResetCapability": 1,
                "Status": "OK",
                "StatusDescriptions": ["OK"],
                "TransitioningToState": None,
            },
        )
    )


def _services(repository: Repository, facts: HostFacts) -> None:
    for class_name, name in ids.SERVICE_NAMES.items():
        try:
            service = new_instance(
                repository.catalogue,
                class_name,
                {
                    "Name": name,
                    "CreationClassName": class_name,
                    "SystemCreationClassName": "Msvm_ComputerSystem",
                    "SystemName": facts.name,
                    "EnabledDefault": 2,
                    "EnabledState": 5 if class_name == "Msvm_VirtualEthernetSwitchManagementService" else 2,
                    "HealthState": 5,
                    "OperationalStatus": [2],
                    "RequestedState": 12,
                    "Started": True,
                    "Status": "OK",
                    "StatusDescriptions": [_RUNNING.get(class_name, "OK")],
                    "InstanceID": None,
                    "PrimaryOwnerName": None,
                    "PrimaryOwnerContact": None,
                },
            )
        except NotFound:
            continue  # a service that this Windows version does not have
        repository.add(service)


def _service_settings(repository: Repository, facts: HostFacts, switches: Switches) -> None:
    lowest, highest = switches.addresses.fresh_range
    migration = facts.config.migration
    repository.add(
        new_instance(
            repository.catalogue,
            "Msvm_VirtualSystemManagementServiceSettingData",
            {
                "InstanceID": ids.settings_id(facts.name),
                "DefaultExternalDataRoot": DATA_ROOT,
                "DefaultVirtualHardDiskPath": _HARD_DISK_FOLDER,
                "MinimumMacAddress": lowest,
                "MaximumMacAddress": highest,
                "NumaSpanningEnabled": True,
                "EnhancedSessionModeEnabled": False,
                "HypervisorRootSchedulerEnabled": False,
                "HbaLunTimeout": 60,
                "CurrentWWNNAddress": "C003FF0000FFFF00",
                "MinimumWWPNAddress": "C003FF0000000000",
                "MaximumWWPNAddress": "C003FF000000FFFF",
            },
        )
    )
    repository.add(
        new_instance(
            repository.catalogue,
            "Msvm_VirtualSystemMigrationServiceSettingData",
            {
                "InstanceID": ids.settings_id(facts.name),
                "EnableVirtualSystemMigration": migration.enabled,
                "MaximumActiveVirtualSystemMigration": migration.simultaneous,
                "MaximumActiveStorageMigration": migration.simultaneous,
                "AuthenticationType": 1 if migration.authentication == "kerberos" else 0,
                "EnableCompression": migration.performance == "compression",
                "EnableSmbTransport": migration.performance == "smb",
            },
        )
    )
    repository.add(
        new_instance(
            repository.catalogue,
            "Msvm_TerminalServiceSettingData",
            {"InstanceID": ids.settings_id(facts.name), "ListenerPort": 2179},
        )
    )


def _hardware(repository: Repository, facts: HostFacts, memory: HostMemory) -> None:
    catalogue, config = repository.catalogue, facts.config

    def device(class_name: str, device_id: str, values: dict[str, CimValue]) -> CimInstance:
        return new_instance(
            catalogue,
            class_name,
            {
                "SystemCreationClassName": "Msvm_ComputerSystem",
                "SystemName": facts.name,
                "CreationClassName": class_name,
                "DeviceID": device_id,
                "EnabledDefault": 2,
                "EnabledState": 2,
                "HealthState": 5,
                "OperationalStatus": [2],
                "RequestedState": 12,
                "Status": "OK",
                "StatusDescriptions": ["OK"],
                **values,
            },
        )

    for node in range(config.numa_nodes):
        repository.add(
            new_instance(
                catalogue,
                "Msvm_NumaNode",
                {
                    "SystemCreationClassName": "Msvm_ComputerSystem",
                    "SystemName": facts.name,
                    "CreationClassName": "Msvm_NumaNode",
                    "NodeID": f"Microsoft:PhysicalNode\\{node}",
                    "Caption": "NUMA Node",
                    "Description": "Microsoft NUMA Node",
                    "ElementName": f"NUMA Node {node}",
                    "EnabledDefault": 2,
                    "EnabledState": 2,
                    "HealthState": 5,
                    "OperationalStatus": [2],
                    "NumberOfLogicalProcessors": facts.processors_per_node,
                    "NumberOfProcessorCores": max(1, config.cores // config.numa_nodes),
                },
            )
        )
        for processor in range(node * facts.processors_per_node, (node + 1) * facts.processors_per_node):
            repository.add(
                device(
                    "Msvm_Processor",
                    f"Microsoft:{ids.HOST_PROCESSOR}\\{node}\\{processor}",
                    {
                        "ElementName": "Processor",
                        "Name": model_of(config.migration).name,
                        "Caption": "Processor",
                        "Description": "A logical processor of the hypervisor running on the host computer system.",
                        "AddressWidth": 64,
                        "DataWidth": 64,
                        "MaxClockSpeed": PROCESSOR_MHZ,
                        "CurrentClockSpeed": PROCESSOR_MHZ,
                        "LoadPercentage": 0,
                        "LoadPercentageHistory": [0],
                        "CPUStatus": 1,
                        "Family": 179,
                        "UpgradeMethod": 6,
                    },
                )
            )
    sizes = {"Aggregate": config.memory_mb} | dict.fromkeys(
        map(str, range(config.numa_nodes)), facts.memory_per_node_mb
    )
    for part, size_mb in sizes.items():
        repository.add(
            device(
                "Msvm_Memory",
                f"Microsoft:{ids.HOST_MEMORY}\\{part}",
                {
                    "Caption": "Memory",
                    "Description": "Microsoft Memory",
                    "ElementName": "Memory",
                    "BlockSize": 1048576,
                    "NumberOfBlocks": size_mb,
                    "ConsumableBlocks": size_mb,
                    "StartingAddress": 0,
                    "Primordial": True,
                    "Volatile": True,
                },
            )
        )

    def consumable(_: CimInstance) -> dict[str, CimValue]:
        return {"CurrentlyConsumableMemoryBlocks": max(0, memory.free_mb) // config.numa_nodes}

    repository.add_dynamic("Msvm_NumaNode", ("CurrentlyConsumableMemoryBlocks",), consumable)
