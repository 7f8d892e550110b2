"""What the machine under Windows must have.

Once a hypervisor runs, the root partition sees masked processor features: SLAT, the monitor mode extensions and the
firmware's switch read False (real-instances 4.2). So they are judged as systeminfo does: a running hypervisor proves
them all.
"""

from __future__ import annotations

from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Check, Finding, Section, check, failed, passed
from compute_hyperv.readiness.sources import CIMV2, Instances

HARDWARE = Section("hardware", "Hardware requirements")

COMPUTER = Instances(CIMV2, "Win32_ComputerSystem", ("HypervisorPresent", "TotalPhysicalMemory"))
PROCESSORS = Instances(
    CIMV2,
    "Win32_Processor",
    (
        "Name",
        "AddressWidth",
        "SecondLevelAddressTranslationExtensions",
        "VMMonitorModeExtensions",
        "VirtualizationFirmwareEnabled",
    ),
)
_PROVEN = "A hypervisor is running, so the processor has it."
_MINIMUM_MEMORY_MB = 4096


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


CHECKS = (slat, monitor_mode, firmware, memory)
