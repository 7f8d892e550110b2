"""Is Hyper-V there, and does it run?"""

from __future__ import annotations

from compute_hyperv.readiness.changes import plans
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed, warned
from compute_hyperv.readiness.windows import COMPUTER, FEATURES, HYPERV_SETTINGS, SERVICES, has_feature, service

HYPERV = Section("hyperv", "Hyper-V role")

ROLE = "Microsoft-Hyper-V"
_INSTALL = "Install-WindowsFeature -Name Hyper-V -IncludeManagementTools -Restart"
MANAGEMENT_SERVICE = "vmms"


@check(
    HYPERV,
    "role",
    "Hyper-V is installed",
    why="Without the role there is nothing to manage.",
    good=f"The optional feature {ROLE} is enabled.",
    by_hand=_INSTALL,
    reads=(FEATURES,),
    changes=plans.hyperv_role,
)
def role(context: Context) -> Finding:
    if not has_feature(context.host, ROLE):
        return failed("not installed", "installed", f"compute-hyperv prepare, or: {_INSTALL}")
    return passed("installed")


@check(
    HYPERV,
    "hypervisor",
    "The hypervisor runs",
    why="No machine starts without it; it is launched when Windows starts.",
    good="Win32_ComputerSystem.HypervisorPresent is true.",
    by_hand="bcdedit /set hypervisorlaunchtype auto\nRestart-Computer",
    reads=(FEATURES, COMPUTER),
)
def hypervisor(context: Context) -> Finding:
    if not has_feature(context.host, ROLE):
        return not_applicable("Hyper-V is not installed")
    if not context.host.one(COMPUTER).boolean("HypervisorPresent", False):
        return failed(
            "it does not run",
            "it runs",
            "Restart the host; if that does not help: bcdedit /set hypervisorlaunchtype auto, and virtualization and "
            "Data Execution Prevention enabled in the firmware.",
        )
    return passed("it runs")


@check(
    HYPERV,
    "service",
    "The management service runs",
    why="Everything that concerns machines is done by the Virtual Machine Management service.",
    good=f"Service {MANAGEMENT_SERVICE} is running and starts automatically.",
    by_hand=f"Set-Service {MANAGEMENT_SERVICE} -StartupType Automatic\nStart-Service {MANAGEMENT_SERVICE}",
    reads=(FEATURES, SERVICES),
    changes=plans.automatic_service(MANAGEMENT_SERVICE),
)
def management_service(context: Context) -> Finding:
    if not has_feature(context.host, ROLE):
        return not_applicable("Hyper-V is not installed")
    found = service(context.host, MANAGEMENT_SERVICE)
    if found is None:
        return failed(
            f"there is no service {MANAGEMENT_SERVICE}", "it runs", "Restart the host after the installation."
        )
    state, mode = found.text("State", "?"), found.text("StartMode", "?")
    told = f"{MANAGEMENT_SERVICE} is {state.lower()}, start mode {mode}"
    if state != "Running":
        return failed(told, "running", f"Start-Service {MANAGEMENT_SERVICE}")
    if mode != "Auto":
        return warned(told, "start mode Auto", f"Set-Service {MANAGEMENT_SERVICE} -StartupType Automatic")
    return passed(told)


@check(
    HYPERV,
    "wmi",
    "Hyper-V answers",
    why="The driver speaks to the WMI provider of Hyper-V; a broken repository or service shows here first.",
    good="root/virtualization/v2 has the settings of the management service.",
    by_hand="Restart-Service vmms\nmofcomp %SystemRoot%\\System32\\WindowsVirtualization.V2.mof",
    reads=(FEATURES, HYPERV_SETTINGS),
)
def wmi(context: Context) -> Finding:
    if not has_feature(context.host, ROLE):
        return not_applicable("Hyper-V is not installed")
    if not context.host.of(HYPERV_SETTINGS):
        return failed("root/virtualization/v2 has no management service", "it answers", "Restart-Service vmms")
    return passed("root/virtualization/v2 answers")


CHECKS = (role, hypervisor, management_service, wmi)
