"""root/cimv2: what is installed besides features (updates, Windows' licence), and logs in which nothing stands.

The update that a release needs before anything else is there as an example; which ones a real host has depends on its
age. The event logs are empty: nothing in the simulator writes to them.
"""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.accounts import CIMV2
from hyperv_simulator.operating_system.edition import edition_facts
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_UPDATES: Mapping[int, str] = {
    2012: "KB2919355",
    2016: "KB4132216",
    2019: "KB5005112",
    2022: "KB5030216",
    2025: "KB5043080",
}
_WINDOWS = "55c92734-d682-4d71-983e-d6ec3f16059f"  # ApplicationID of Windows in the licensing classes
_LICENSED = 1
# What a server may have none of.
_EMPTY = (
    "Win32_NTLogEvent",
    "Win32_Product",
    "Win32_Battery",
    "Win32_CDROMDrive",
    "Win32_FloppyDrive",
    "Win32_MappedLogicalDisk",
    "Win32_NetworkConnection",
    "Win32_Printer",
    "Win32_PrintJob",
    "Win32_ScheduledJob",
    "Win32_SerialPort",
    "Win32_TapeDrive",
)


def populate(repository: Repository, facts: HostFacts) -> None:
    """Puts in the instances named above."""
    repository.add(
        new_instance(
            repository.catalogue,
            "Win32_QuickFixEngineering",
            {
                "HotFixID": _UPDATES[facts.version.release],
                "ServicePackInEffect": "",
                "Caption": f"http://support.microsoft.com/?kbid={_UPDATES[facts.version.release].removeprefix('KB')}",
                "CSName": facts.name,
                "Description": "Update",
                "InstalledBy": r"NT AUTHORITY\SYSTEM",
                "InstalledOn": f"{facts.installed_at.month}/{facts.installed_at.day}/{facts.installed_at.year}",
                "FixComments": "",
            },
            CIMV2,
        )
    )
    edition = edition_facts(facts.config.edition, facts.version)
    repository.add(
        new_instance(
            repository.catalogue,
            "SoftwareLicensingProduct",
            {
                "ID": "ef6cfc9f-8c5d-44ac-9aad-de6a2ea0ae03",
                "ApplicationID": _WINDOWS,
                "Name": f"Windows(R), {edition.edition_id} edition",
                "Description": "Windows(R) Operating System, VOLUME_KMSCLIENT channel",
                "LicenseFamily": edition.edition_id,
                "LicenseStatus": _LICENSED,
                "GracePeriodRemaining": 0,
                "PartialProductKey": "00000",
                "ProductKeyChannel": "Volume:GVLK",
            },
            CIMV2,
        )
    )
    for class_name in _EMPTY:
        repository.serve(class_name, CIMV2)
