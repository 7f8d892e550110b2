"""``bcdedit``: the running system's boot entry."""

from __future__ import annotations

from hyperv_simulator.operating_system.shell.context import Command, Output, Windows, complained, said

_CURRENT = ("{current}", "{default}")
_DONE = "The operation completed successfully."
_ADMINISTRATORS_ONLY = (
    "The boot configuration data store could not be opened.",
    "Access is denied.",
)


def bcdedit(windows: Windows, command: Command) -> Output:
    if not windows.accounts.is_administrator(command.user):
        return complained(*_ADMINISTRATORS_ONLY)
    verb, rest = (command.switches or ("/enum",))[0], list(command.arguments[1:])
    if verb == "/enum":
        return _listed(windows)
    if rest and rest[0].lower() in _CURRENT:
        del rest[0]
    if verb == "/set" and len(rest) == 2:
        windows.boot.set(rest[0], rest[1])
        return said(_DONE)
    if verb == "/deletevalue" and len(rest) == 1:
        if windows.boot.delete(rest[0]):
            return said(_DONE)
        return complained(
            "An error occurred while attempting to delete the specified data element.", "Element not found."
        )
    return complained("The parameter is incorrect.")


def _listed(windows: Windows) -> Output:
    entries = {
        "identifier": "{current}",
        "device": "partition=C:",
        "path": r"\Windows\system32\winload.efi",
        "description": "Windows Server",
        "locale": "en-US",
        "osdevice": "partition=C:",
        "systemroot": r"\Windows",
        **windows.boot.settings,
    }
    if not windows.features.works("Hyper-V"):
        entries.pop("hypervisorlaunchtype")
    return said(
        "", "Windows Boot Loader", "-------------------", *(f"{name:<24}{value}" for name, value in entries.items())
    )
