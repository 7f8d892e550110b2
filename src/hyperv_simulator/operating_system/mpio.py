r"""Multipath I/O: what MPIO claims, and root/wmi's MPIO_* and DSM_* classes.

Rule 1: MPIO works when its feature is on and Windows has started since; what it claims is what stood in the registry
        (``Control\MPDEV\MPIOSupportedDeviceList``) at that start: a claim wants a restart, as ``mpclaim`` says.
Rule 2: an entry is vendor (8 characters) and product (up to 16); the bus types have entries of their own
        (real-instances 5.2).
Rule 3: without MPIO the classes are not there: they come with its driver (hyperv-ops 15).

Values of the DSM classes that the catalogue types as text are CIM-XML of the class that the driver's documents name:
an assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.storage import BusType, DiskConfig, LoadBalancePolicy
from hyperv_simulator.operating_system.registry import Registry
from hyperv_simulator.operating_system.storage.disks import Disks, SeenDisk
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

WMI = "root/wmi"
SUPPORTED_DEVICES = (r"HKLM\SYSTEM\CurrentControlSet\Control\MPDEV", "MPIOSupportedDeviceList")
_PARAMETERS = r"HKLM\SYSTEM\CurrentControlSet\Services\mpio\Parameters"
_CLASSES = ("MPIO_", "DSM_")
_DRIVER = r"Root\MPIO\0000_0"
_DSM = "Microsoft DSM"
_BUS_TYPES: Mapping[BusType, str] = {
    "iscsi": "MSFT2005iSCSIBusType_0x9",
    "sas": "MSFT2011SASBusType_0xA",
    "fc": "MSFT2015FCBusType_0x6",
}
# hyperv-ops 15
_POLICIES: Mapping[LoadBalancePolicy, int] = {
    "fail_over_only": 1,
    "round_robin": 2,
    "least_queue_depth": 4,
    "least_blocks": 6,
}
# Get-MPIOSetting's defaults (Microsoft's page on MPIO settings)
_TIMERS = {
    "PathVerifyEnabled": 0,
    "PathVerificationPeriod": 30,
    "PDORemovePeriod": 20,
    "RetryCount": 3,
    "RetryInterval": 1,
}


class Mpio:
    """MPIO of one host.

    :param installed: whether the feature is on, with no restart pending for it.
    :param policy: load-balance policy of every disk that it has claimed.
    """

    def __init__(
        self,
        repository: Repository,
        disks: Disks,
        registry: Registry,
        installed: Callable[[], bool],
        policy: LoadBalancePolicy = "round_robin",
    ) -> None:
        self._repository = repository
        self._disks = disks
        self._registry = registry
        self._installed = installed
        self._policy = policy
        self.runs = False
        self._claims: frozenset[str] = frozenset()
        sources: Mapping[str, Callable[[], Iterable[CimInstance]]] = {
            "MPIO_REGISTERED_DSM": self._modules,
            "MPIO_DISK_INFO": self._disk_information,
            "MPIO_PATH_INFORMATION": self._paths,
            "MPIO_TIMERS_COUNTERS": self._timers,
            "MPIO_GET_DESCRIPTOR": self._descriptors,
            "DSM_QueryLBPolicy_V2": self._policies,
        }
        for class_name, source in sources.items():
            repository.add_source(class_name, lambda _owner, source=source: source(), WMI)  # type: ignore[misc]  # bound at definition
        disks.claimed = self.claims

    def boot(self) -> None:
        """Windows starts: the driver is there from now on or it is not, and its claims are what the registry says."""
        self.runs = self._installed()
        value = self._registry.value(*SUPPORTED_DEVICES) if self.runs else None
        entries = value.data if value is not None and isinstance(value.data, tuple) else ()
        self._claims = frozenset(entry.rstrip().upper() for entry in entries)
        self._repository.catalogue.hide(WMI, *(() if self.runs else _CLASSES))
        self._disks.refresh()

    def claims(self, disk: DiskConfig) -> bool:
        """Whether MPIO has taken such a device."""
        if not self.runs or disk.number == 0:
            return False
        device = f"{disk.vendor[:8]:8}{disk.model[:16]}".rstrip().upper()
        return device in self._claims or _BUS_TYPES.get(disk.bus_type, "-").upper() in self._claims

    # Instances

    def _claimed(self) -> list[SeenDisk]:
        return [disk for disk in self._disks.seen if self.claims(disk.config)]

    def _new(self, class_name: str, values: Mapping[str, CimValue]) -> CimInstance:
        return new_instance(self._repository.catalogue, class_name, values, WMI)

    def _of_driver(self, class_name: str, values: Mapping[str, CimValue]) -> list[CimInstance]:
        return [self._new(class_name, {"InstanceName": _DRIVER, "Active": True, **values})] if self.runs else []

    def _of_disks(
        self, class_name: str, values: Callable[[int, SeenDisk], Mapping[str, CimValue]]
    ) -> list[CimInstance]:
        return [
            self._new(class_name, {"InstanceName": f"MPIO\\Disk{number}_0", "Active": True, **values(number, disk)})
            for number, disk in enumerate(self._claimed())
        ]

    def _modules(self) -> list[CimInstance]:
        module = self._new("DSM_PARAMETERS", {"DsmName": _DSM, "DsmContext": 1, "DsmVersion": "", "DsmCounters": ""})
        values: dict[str, CimValue] = {"NumberDSMs": 1, "DsmParameters": [instance_to_text(module)]}
        return self._of_driver("MPIO_REGISTERED_DSM", values)

    def _disk_information(self) -> list[CimInstance]:
        drives: list[CimInstance] = [
            self._new(
                "MPIO_DRIVE_INFO",
                {
                    "Name": f"MPIODisk{number}",
                    "NumberPaths": disk.paths,
                    "SerialNumber": self._disks.unique_id(disk.config),
                    "DsmName": _DSM,
                },
            )
            for number, disk in enumerate(self._claimed())
        ]
        return self._of_driver("MPIO_DISK_INFO", {"NumberDrives": len(drives), "DriveInfo": [*drives]})

    def _paths(self) -> list[CimInstance]:
        count = max((disk.paths for disk in self._claimed()), default=0)
        paths: list[CimInstance] = [
            self._new(
                "MPIO_ADAPTER_INFORMATION",
                {
                    "PathId": 0x77010000 + number,
                    "AdapterName": "Microsoft iSCSI Initiator",
                    "BusNumber": 0,
                    "DeviceNumber": 0,
                    "FunctionNumber": 0,
                    "Pad": 0,
                },
            )
            for number in range(count)
        ]
        return self._of_driver("MPIO_PATH_INFORMATION", {"NumberPaths": count, "PathList": [*paths]})

    def _timers(self) -> list[CimInstance]:
        values = {name: self._registry.number(_PARAMETERS, name, default) for name, default in _TIMERS.items()}
        return self._of_driver("MPIO_TIMERS_COUNTERS", dict(values))

    def _descriptors(self) -> list[CimInstance]:
        return self._of_disks(
            "MPIO_GET_DESCRIPTOR",
            lambda number, disk: {"DeviceName": f"\\Device\\MPIODisk{number}", "NumberPdos": disk.paths},
        )

    def _policies(self) -> list[CimInstance]:
        def policy(_number: int, disk: SeenDisk) -> Mapping[str, CimValue]:
            values = {"Version": 2, "LoadBalancePolicy": _POLICIES[self._policy], "DSMPathCount": disk.paths}
            return {"LoadBalancePolicy": instance_to_text(self._new("DSM_Load_Balance_Policy_V2", dict(values)))}

        return self._of_disks("DSM_QueryLBPolicy_V2", policy)
