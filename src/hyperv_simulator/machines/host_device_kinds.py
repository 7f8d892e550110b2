"""The kinds of devices that only hosts with special hardware have: cards for RemoteFX, Fibre Channel, assigned devices,
shares of graphics cards. Their pools and templates are there on every host."""

from __future__ import annotations

from hyperv_simulator.machines.device_kinds import PREFIX, RASD, DeviceKind
from hyperv_simulator.windows import WindowsVersion


def host_device_kinds(version: WindowsVersion) -> tuple[DeviceKind, ...]:
    """Those that a release has."""
    return (
        *_of_every_release(),
        *(_assignable(version) if version.release >= 2016 else ()),
        *(_markers() if version.release >= 2019 else ()),
    )


def _of_every_release() -> tuple[DeviceKind, ...]:
    """Kinds that every host knows and few have. Pools: real-instances 1.7; that of Fibre Channel ports: HVWMI
    ``fibre_channel``."""
    return (
        DeviceKind(
            "Synthetic 3D Display Controller",
            "Msvm_Synthetic3DDisplayControllerSettingData",
            24,
            "3D Display Controller",
            "Settings for the Microsoft Synthetic 3D Display Controller.",
            "06FF76FA-2D58-4BAF-9F8D-455773824F37",
            pool_class="Msvm_Synth3dVideoPool",
        ),
        DeviceKind(
            "Synthetic FibreChannel Port",
            "Msvm_SyntheticFcPortSettingData",
            7,
            "Fibre Channel Adapter",
            "Settings for the Microsoft Synthetic FibreChannel Port.",
            "19839BFF-6F04-4B24-B4B5-1AFCCBE729DE",
        ),
        DeviceKind(
            "FibreChannel Connection",
            "Msvm_FcPortAllocationSettingData",
            64764,
            "Fibre Channel Connection",
            "Settings for the Fibre Channel connection.",
            "146C56A0-3546-469B-9737-FCBCF82428F4",
        ),
    )


def _assignable(version: WindowsVersion) -> tuple[DeviceKind, ...]:
    """Devices and shares of devices. Types: HVWMI ``host_pools``; of the pools' GUIDs the first block of the GPU
    partitions' is known (HVWMI ``gpu_partition``), the rest is made up."""
    return (
        DeviceKind(
            "Virtual Pci Express Port",
            "Msvm_PciExpressSettingData",
            32769,
            "PCI Express Port",
            "Microsoft Virtual PCI Express Port Setting Data",
            "2FCC454E-0000-4000-8000-000000032769",
            {"VirtualFunctions": [0]} if version.release >= 2019 else {},
        ),
        DeviceKind(
            "GPU Partition",
            "Msvm_GpuPartitionSettingData",
            32770,
            "GPU Partition",
            "Settings for the Microsoft GPU Partition.",
            "0DCC3FD1-0000-4000-8000-000000032770",
        ),
    )


def _markers() -> tuple[DeviceKind, ...]:
    """The battery's pool and its empty sub type: HVWMI ``battery_setting``; the other pool's GUID is made up."""
    return (
        DeviceKind(
            "Virtual Battery",
            "Msvm_BatterySettingData",
            1,
            "Battery",
            "Settings for the Microsoft Virtual Battery.",
            "C7E49E80-13B3-4DF9-A434-B56F579E2A68",
            {"ResourceSubType": "", "OtherResourceType": f"{PREFIX}Virtual Battery"},
        ),
        DeviceKind(
            "Persistent Memory Controller",
            RASD,
            32771,
            "PMEM Controller",
            "Settings for the Microsoft Persistent Memory Controller.",
            "00000000-0000-4000-8000-000000032771",
        ),
    )
