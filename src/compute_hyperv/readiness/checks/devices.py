"""PCI devices that can be given to machines, and graphics cards that can be shared.

Looked at are the devices that nova.conf's ``[pci] device_spec`` names and, where the operator wants a survey, all that
machines are usually given: each is a request of its own, and a host has hundreds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import like
from compute_hyperv.readiness.changes.base import Change
from compute_hyperv.readiness.changes.devices import DeviceDismounted
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.device_survey import INTERRUPTS, MEMORY, DeviceProperties, survey
from compute_hyperv.readiness.expectations import PciSpec
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.readings import Readings
from compute_hyperv.readiness.sources import CIMV2, VIRTUALIZATION, Instances
from compute_hyperv.readiness.windows import FEATURES, OPERATING_SYSTEM, has_feature

PCI = Section("pci", "PCI passthrough host configuration")

CAPABILITIES = Instances(
    VIRTUALIZATION,
    "Msvm_VirtualEthernetSwitchManagementCapabilities",
    ("InstanceID", "IOVSupport", "IOVSupportReasons"),
    optional=True,
)
ENTITIES = Instances(
    CIMV2,
    "Win32_PnPEntity",
    ("DeviceID", "Name", "PNPClass", "ConfigManagerErrorCode"),
    where=(like("DeviceID", "PCI%"),),
)
DISMOUNTED = Instances(
    VIRTUALIZATION,
    "Msvm_PciExpress",
    ("DeviceInstancePath", "LocationPath", "ElementName", "SystemName"),
    optional=True,
)
GPUS = Instances(
    VIRTUALIZATION, "Msvm_PartitionableGpu", ("Name", "PartitionCount", "ValidPartitionCounts"), optional=True
)

_NOT_ASKED = "[pci] device_spec names no devices; --survey-devices looks at each"
_ROLE = "Microsoft-Hyper-V"
_ASSIGNS_SINCE = 14393  # Windows Server 2016
_USUAL_CLASSES = ("Display", "Net", "SCSIAdapter")
_HELD, _POOL = "PCI\\", "PCIP\\"  # instance paths of what Windows holds, and of what is dismounted
_IDS = re.compile(r"VEN_(?P<vendor>[0-9A-F]{4})&DEV_(?P<product>[0-9A-F]{4})", re.IGNORECASE)

_PROPERTIES = DeviceProperties()


@check(
    PCI,
    "sriov",
    "SR-IOV",
    why="Passing devices to machines needs what SR-IOV needs: an IOMMU, and firmware that lets Windows use it.",
    good="Msvm_VirtualEthernetSwitchManagementCapabilities.IOVSupport is true.",
    by_hand="(Get-VMHost).IovSupport\n(Get-VMHost).IovSupportReasons\n"
    "Enable SR-IOV, VT-d or the IOMMU in the firmware.",
    reads=(FEATURES, CAPABILITIES),
)
def sriov(context: Context) -> Finding:
    if not _is_asked(context):
        return not_applicable(_NOT_ASKED)
    found = context.host.of(CAPABILITIES)
    if not found:
        return not_applicable(
            "Hyper-V is not installed" if not _has_hyperv(context.host) else "this Windows says nothing"
        )
    if found[0].boolean("IOVSupport", False):
        return passed("the host supports it")
    reasons = tuple(found[0].texts("IOVSupportReasons"))
    remedy = "Enable SR-IOV and VT-d or the IOMMU in the firmware; ask the machine's vendor for a newer one."
    if context.wanted.pci_devices:
        return failed("the host does not support it", "support", remedy, details=reasons)
    return warned("the host does not support it", "support", remedy, details=reasons)


def _is_asked(context: Context) -> bool:
    return bool(context.wanted.pci_devices) or context.wanted.survey_devices


def _has_hyperv(host: Readings) -> bool:
    return has_feature(host, _ROLE)


@check(
    PCI,
    "devices",
    "Devices that machines can have",
    why="Not every device can be taken from the host; one that can't makes the first instance that wants it fail.",
    good="Each device of [pci] device_spec can be assigned, or is dismounted already.",
    by_hand="Disable-PnpDevice -InstanceId ...\nDismount-VMHostAssignableDevice -LocationPath ...\n"
    "Mount-VMHostAssignableDevice -LocationPath ...   # gives it back",
    reads=(FEATURES, OPERATING_SYSTEM, ENTITIES, DISMOUNTED, _PROPERTIES, INTERRUPTS, MEMORY),
    changes=lambda context: _dismounting(context),
)
def devices(context: Context) -> Finding:
    if not _is_asked(context):
        return not_applicable(_NOT_ASKED)
    if not _has_hyperv(context.host):
        return not_applicable("Hyper-V is not installed")
    build = int(context.host.one(OPERATING_SYSTEM).text("BuildNumber", "0") or 0)
    if build < _ASSIGNS_SINCE:
        return not_applicable("devices can be assigned since Windows Server 2016")
    specs = context.wanted.pci_devices
    dismounted = [
        f"{each.text('ElementName', '?')}: dismounted, {each.text('LocationPath', '')}"
        for each in _pool(context, specs)
    ]
    surveyed = [survey(context.host, each) for each in _candidates(context.host.of(ENTITIES), specs)]
    details = [*dismounted, *(each.told for each in surveyed)]
    if not details:
        if specs:
            return failed("no device of [pci] device_spec is there", "the devices", "Correct [pci] device_spec.")
        return passed("no device that is usually passed to machines")
    assignable = len(dismounted) + sum(not each.obstacle for each in surveyed)
    found = f"{assignable} of {len(dismounted) + len(surveyed)} can be assigned"
    obstacles = [each for each in surveyed if each.obstacle]
    if specs and obstacles:
        return failed(
            f"{found}; {obstacles[0].name} can't",
            "all of [pci] device_spec",
            obstacles[0].obstacle,
            details=tuple(details),
        )
    if specs and surveyed:
        return warned(
            f"{found}, {len(dismounted)} are dismounted",
            "all of [pci] device_spec are dismounted",
            "Disable each device, then: Dismount-VMHostAssignableDevice -LocationPath ...",
            details=tuple(details),
        )
    return passed(found, details=tuple(details))


def _dismounting(context: Context) -> Sequence[Change]:
    """The devices that nova.conf names; none is taken from Windows that nobody named."""
    specs = context.wanted.pci_devices
    if not specs:
        return ()
    candidates = _candidates(context.host.of(ENTITIES), specs)
    surveyed = [(each.text("DeviceID"), survey(context.host, each)) for each in candidates]
    return [DeviceDismounted(device, found.location) for device, found in surveyed if not found.obstacle]


def _pool(context: Context, specs: Sequence[PciSpec]) -> list[CimInstance]:
    """Dismounted devices, each once: one that a machine has shows twice (real-instances 3.12)."""
    if not any(each.text("DeviceID").upper().startswith(_POOL) for each in context.host.of(ENTITIES)):
        return []
    found = {each.text("DeviceInstancePath", "").lower(): each for each in context.host.of(DISMOUNTED)}
    return [each for path, each in found.items() if _is_wanted(path, specs)]


def _is_wanted(device_id: str, specs: Sequence[PciSpec]) -> bool:
    ids = _IDS.search(device_id)
    return not specs or (ids is not None and any(spec.matches(ids["vendor"], ids["product"]) for spec in specs))


def _candidates(entities: Sequence[CimInstance], specs: Sequence[PciSpec]) -> list[CimInstance]:
    held = [each for each in entities if each.text("DeviceID").upper().startswith(_HELD)]
    if specs:
        return [each for each in held if _is_wanted(each.text("DeviceID"), specs)]
    usual = [each for each in held if each.text("PNPClass", "") in _USUAL_CLASSES]
    return sorted(usual, key=lambda each: _USUAL_CLASSES.index(each.text("PNPClass")))


@check(
    PCI,
    "gpu-partitions",
    "Graphics cards that can be shared",
    why="A card that is divided into partitions serves several machines at once.",
    good="Each partitionable card has one of the counts of partitions that it allows.",
    by_hand="Get-VMHostPartitionableGpu\nSet-VMHostPartitionableGpu -Name ... -PartitionCount ...",
    reads=(GPUS,),
)
def gpu_partitions(context: Context) -> Finding:
    cards = context.host.of(GPUS)
    if not cards:
        return not_applicable("no card that can be divided")
    details = tuple(
        f"{_card_name(each)}: {each.integer('PartitionCount', 0)} partitions; possible: "
        f"{', '.join(map(str, each.integers('ValidPartitionCounts')))}"
        for each in cards
    )
    return passed(f"{len(cards)} cards", details=details)


def _card_name(card: CimInstance) -> str:
    ids = _IDS.search(card.text("Name", ""))
    return f"card {ids['vendor']}:{ids['product']}" if ids else card.text("Name", "card")


CHECKS = (sriov, devices, gpu_partitions)
