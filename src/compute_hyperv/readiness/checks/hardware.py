"""What the machine under Windows must have.

Once a hypervisor runs, the root partition sees masked processor features: SLAT, the monitor mode extensions and the
firmware's switch read False (real-instances 4.2). So they are judged as systeminfo does: a running hypervisor proves
them all.
"""

from __future__ import annotations

from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Check, Finding, Section, check, failed, passed, warned
from compute_hyperv.readiness.sources import CIMV2, Instances
from compute_hyperv.readiness.windows import COMPUTER, OPERATING_SYSTEM, VOLUMES

HARDWARE = Section("hardware", "Hardware requirements")

PROCESSORS = Instances(
    CIMV2,
    "Win32_Processor",
    (
        "Name",
        "Manufacturer",
        "AddressWidth",
        "SecondLevelAddressTranslationExtensions",
        "VMMonitorModeExtensions",
        "VirtualizationFirmwareEnabled",
    ),
)
_PROVEN = "A hypervisor is running, so the processor has it."
_MINIMUM_MEMORY_MB = 4096
_MINIMUM_DISK_GB, _GOOD_DISK_GB = 16, 20
_BITS = 64


def _processor_feature(subject: str, title: str, flag: str, why: str, remedy: str) -> Check:
    @check(
        HARDWARE,
        subject,
        title,
        why=why,
        good=f"Win32_Processor.{flag} is true, or a hypervisor is running.",
        by_hand=f"systeminfo\n{remedy}",
        reads=(COMPUTER, PROCESSORS),
    )
    def judge(context: Context) -> Finding:
        if context.host.one(COMPUTER).boolean("HypervisorPresent", False):
            return passed(_PROVEN)
        lacking = [each.text("Name", "") for each in context.host.of(PROCESSORS) if not each.boolean(flag, False)]
        if lacking:
            return failed(f"{lacking[0].strip() or 'the processor'} lacks it", "yes", remedy)
        return passed("yes")

    return judge


slat = _processor_feature(
    "slat",
    "Second Level Address Translation",
    "SecondLevelAddressTranslationExtensions",
    "Hyper-V does not start on a processor without it.",
    "Use a machine with a processor that has SLAT (Intel EPT, AMD RVI).",
)
monitor_mode = _processor_feature(
    "monitor-mode",
    "VM Monitor Mode Extensions",
    "VMMonitorModeExtensions",
    "Hyper-V does not start on a processor without them.",
    "Use a machine with a processor that has them (Intel VT-x, AMD-V).",
)
firmware = _processor_feature(
    "firmware",
    "Virtualization enabled in firmware",
    "VirtualizationFirmwareEnabled",
    "The hypervisor can't start while the firmware keeps virtualization off.",
    "Enable virtualization technology in the machine's firmware set-up (BIOS).",
)


@check(
    HARDWARE,
    "memory",
    "Memory",
    why="Machines share the memory with Windows itself.",
    good="At least 4 GB.",
    by_hand="Add memory to the machine.",
    reads=(COMPUTER,),
)
def memory(context: Context) -> Finding:
    memory_mb = context.host.one(COMPUTER).integer("TotalPhysicalMemory", 0) // 1024**2
    # A part of 4 GB of modules belongs to the firmware.
    if memory_mb < _MINIMUM_MEMORY_MB * 0.95:
        return failed(f"{memory_mb} MiB", "at least 4096 MiB", "Add memory to the machine.")
    return passed(f"{memory_mb} MiB")


@check(
    HARDWARE,
    "processor",
    "64-bit processor",
    why="Hyper-V exists for 64-bit processors and 64-bit Windows only.",
    good="Win32_Processor.AddressWidth is 64.",
    by_hand="Install 64-bit Windows Server on a machine with a 64-bit processor.",
    reads=(PROCESSORS,),
)
def processor(context: Context) -> Finding:
    processors = context.host.of(PROCESSORS)
    narrow = [each for each in processors if each.integer("AddressWidth", 0) != _BITS]
    if narrow or not processors:
        width = narrow[0].integer("AddressWidth", 0) if narrow else 0
        return failed(f"{width} bits", "64 bits", "Install 64-bit Windows Server on a 64-bit machine.")
    name = " ".join(processors[0].text("Name", "").split())
    return passed(f"{len(processors)} x {name}")


@check(
    HARDWARE,
    "dep",
    "Data Execution Prevention",
    why="Hyper-V does not start while the firmware keeps hardware-enforced Data Execution Prevention off.",
    good="Win32_OperatingSystem.DataExecutionPrevention_Available is true, or a hypervisor is running.",
    by_hand="systeminfo\nEnable the NX bit (AMD) or XD bit (Intel) in the machine's firmware set-up.",
    reads=(COMPUTER, OPERATING_SYSTEM),
)
def dep(context: Context) -> Finding:
    if context.host.one(COMPUTER).boolean("HypervisorPresent", False):
        return passed(_PROVEN)
    if not context.host.one(OPERATING_SYSTEM).boolean("DataExecutionPrevention_Available", False):
        return failed("not available", "available", "Enable the NX bit (AMD) or XD bit (Intel) in the firmware set-up.")
    return passed("available")


@check(
    HARDWARE,
    "disk",
    "Disk for Windows",
    why="Windows and its updates need the space; a system disk that runs full stops Hyper-V and all its machines.",
    good=f"The volume of Windows has {_GOOD_DISK_GB} GB; {_MINIMUM_DISK_GB} GB is the least.",
    by_hand="Extend-Partition, or install Windows on a larger disk.",
    reads=(OPERATING_SYSTEM, VOLUMES),
)
def disk(context: Context) -> Finding:
    letter = context.host.one(OPERATING_SYSTEM).text("SystemDrive", "C:")
    volumes = [each for each in context.host.of(VOLUMES) if each.text("DriveLetter", "").upper() == letter.upper()]
    size_gb = sum(each.integer("Capacity", 0) for each in volumes) / 10**9
    free_gb = sum(each.integer("FreeSpace", 0) for each in volumes) / 10**9
    found = f"{letter} has {size_gb:.0f} GB, {free_gb:.0f} GB free"
    if size_gb < _MINIMUM_DISK_GB:
        return failed(found, f"at least {_MINIMUM_DISK_GB} GB", "Extend the volume of Windows.")
    if size_gb < _GOOD_DISK_GB:
        return warned(found, f"{_GOOD_DISK_GB} GB, for updates", "Extend the volume of Windows.")
    return passed(found)


CHECKS = (processor, slat, monitor_mode, firmware, dep, memory, disk)
