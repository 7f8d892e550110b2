"""Extensions of switches: which are installed on the host, and on each switch which are enabled.

Ids and names: real-instances 3.4 (of a host's own listing); the rest of NDIS Capture's id, and that all but the Windows
Filtering Platform start disabled: assumptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from compute_hyperv.cim.paths import format_path
from compute_hyperv.cim.values import CimInstance, CimScalar
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository
from hyperv_simulator.switching.ports import SWITCH
from hyperv_simulator.windows import WindowsVersion

EXTENSION = "Msvm_EthernetSwitchExtension"
INSTALLED = "Msvm_InstalledEthernetSwitchExtension"
ENABLED, DISABLED = 2, 3
_CAPTURE, _FILTER, _FORWARDING = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Extension:
    """One that Windows brings along.

    :param kind: ExtensionType.
    :param since: the first release that has it.
    """

    guid: str
    name: str
    kind: int
    enabled: bool = False
    since: int = 2012


_INBOX = (
    Extension("430BDADD-BAB0-41AB-A369-94B67FA5BE0A", "Microsoft NDIS Capture", _CAPTURE),
    Extension("E7C3B2F0-F3C5-48DF-AF2B-10FED6D72E7A", "Microsoft Windows Filtering Platform", _FILTER, enabled=True),
    Extension("F74F241B-440F-4433-BB28-00F89EAD20D8", "Microsoft Azure VFP Switch Extension", _FORWARDING, since=2016),
)


def inbox_extensions(version: WindowsVersion) -> tuple[Extension, ...]:
    return tuple(extension for extension in _INBOX if version.release >= extension.since)


class Extensions:
    """The extensions of one host's switches."""

    def __init__(self, repository: Repository, host_name: str) -> None:
        self._repository = repository
        self._host_name = host_name
        self._inbox = inbox_extensions(repository.catalogue.version)
        repository.serve(EXTENSION)
        for extension in self._inbox:
            described = {"Description": extension.name, **_described(extension)}
            repository.add(new_instance(repository.catalogue, INSTALLED, described))

    def bind(self, switch_id: str, enabled: Mapping[str, bool]) -> list[CimScalar]:
        """Binds all of them to a new switch; their paths, in order (ExtensionOrder).

        :param enabled: which are on, by name; those that are not in it are as they come.
        """
        paths: list[CimScalar] = []
        for extension in self._inbox:
            is_on = enabled.get(extension.guid, extension.enabled)
            instance = new_instance(
                self._repository.catalogue,
                EXTENSION,
                {
                    **_described(extension),
                    "Description": extension.name,
                    "SystemCreationClassName": SWITCH,
                    "SystemName": switch_id,
                    "CreationClassName": EXTENSION,
                    "EnabledState": ENABLED if is_on else DISABLED,
                    "OperationalStatus": [2],
                    "Status": "OK",
                },
            )
            paths.append(format_path(self._repository.add(instance), self._host_name))
        return paths

    def enabled_on(self, switch_id: str) -> dict[str, bool]:
        """What ``bind`` takes to bring a switch's extensions back."""
        found = self._repository.owned(EXTENSION, switch_id)
        return {item.text("Name"): item.get("EnabledState") == ENABLED for item in found}

    def rows(self) -> Iterator[Association]:
        """Between switches and their extensions (class pages of the two associations)."""
        yield Association(
            "Msvm_HostedEthernetSwitchExtension",
            "Antecedent",
            SWITCH,
            "Dependent",
            EXTENSION,
            lambda switch: self._repository.owned(EXTENSION, switch.text("Name")),
            lambda extension: self._repository.owned(SWITCH, extension.text("SystemName")),
        )
        yield Association(
            "Msvm_ParentEthernetSwitchExtension",
            "Antecedent",
            INSTALLED,
            "Dependent",
            EXTENSION,
            lambda installed: self._named(EXTENSION, installed),
            lambda extension: self._named(INSTALLED, extension),
        )

    def _named(self, class_name: str, like: CimInstance) -> Iterable[CimInstance]:
        return (item for item in self._repository.instances(class_name) if item.get("Name") == like.get("Name"))


def _described(extension: Extension) -> dict[str, str | int]:
    return {
        "Name": extension.guid,
        "ElementName": extension.name,
        "ExtensionType": extension.kind,
        "Vendor": "Microsoft",
        "Version": "1.0.0.0",
    }
