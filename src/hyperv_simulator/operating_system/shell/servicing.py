"""``dism /online``: optional features, by the names that DISM has for them."""

from __future__ import annotations

from hyperv_simulator.operating_system.feature_table import FeatureEntry
from hyperv_simulator.operating_system.features import PrerequisiteFailed, State
from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, said

_RESTART_REQUIRED = 3010  # ERROR_SUCCESS_REBOOT_REQUIRED
_ELEVATION_REQUIRED = 740
_UNKNOWN_FEATURE = 0x800F080C - 2**32
_FAILED = 1
_STATES = {
    State.AVAILABLE: "Disabled",
    State.INSTALLED: "Enabled",
    State.INSTALL_PENDING: "Enable Pending",
    State.UNINSTALL_PENDING: "Disable Pending",
}
_HEAD = ("", "Deployment Image Servicing and Management tool", "")


def dism(windows: Windows, command: Command) -> Output:
    switches = command.switches
    if not windows.accounts.is_administrator(command.user):
        text = "Elevated permissions are required to run DISM."
        return said(*_HEAD, "Error: 740", "", text, exit_code=_ELEVATION_REQUIRED)
    if "/online" not in switches:
        return said(*_HEAD, "Error: 87", "", "An online or offline image has to be named.", exit_code=87)
    if "/get-features" in switches:
        printed = [
            line
            for entry in windows.features.known
            for name in entry.deploys
            for line in (f"Feature Name : {name}", f"State : {_STATES[windows.features.state(entry.name)]}", "")
        ]
        return said(*_HEAD, *printed, "The operation completed successfully.")
    name = command.value_of("/featurename") or ""
    entry = _entry(windows, name)
    if entry is None:
        return said(*_HEAD, "Error: 0x800f080c", "", f"Feature name {name} is unknown.", exit_code=_UNKNOWN_FEATURE)
    if "/get-featureinfo" in switches:
        state = _STATES[windows.features.state(entry.name)]
        return said(*_HEAD, f"Feature Name : {name}", f"Display Name : {entry.display_name}", f"State : {state}")
    return _altered(windows, entry, enables="/enable-feature" in switches)


def _altered(windows: Windows, entry: FeatureEntry, *, enables: bool) -> Output:
    """Windows asks before it restarts, and nobody answers: so it does not."""
    try:
        (windows.features.add if enables else windows.features.remove)([entry])
    except PrerequisiteFailed as failure:
        return said(*_HEAD, "Error: 1", "", *str(failure).split("\r\n"), exit_code=_FAILED)
    verb = "Enabling" if enables else "Disabling"
    pending = windows.features.state(entry.name) in (State.INSTALL_PENDING, State.UNINSTALL_PENDING)
    return said(
        *_HEAD,
        f"{verb} feature(s)",
        "The operation completed successfully.",
        exit_code=_RESTART_REQUIRED if pending else 0,
    )


def _entry(windows: Windows, name: str) -> FeatureEntry | None:
    wanted = name.lower()
    return next((item for item in windows.features.known if wanted in map(str.lower, item.deploys)), None)
