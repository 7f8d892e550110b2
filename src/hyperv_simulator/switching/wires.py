"""What a switch's own ports are wired to: physical adapters, or the host itself.

A port allocation says it in HostResource (hyperv-ops 4): the path of an Msvm_ExternalEthernetPort, of several where the
switch teams them (switch-embedded teaming), or of the host's Msvm_ComputerSystem.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from compute_hyperv.cim.errors import InvalidRequest
from compute_hyperv.cim.paths import format_path, parse_path
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.repository.instances import Repository

EXTERNAL_PORT = "Msvm_ExternalEthernetPort"
_MAX_TEAM_MEMBERS = 8  # Microsoft's documentation of switch-embedded teaming


@dataclass(frozen=True, slots=True)
class Wire:
    """One thing that a switch is wired to.

    :param paths: of the physical adapters, or of the host for a port of the host's own.
    """

    paths: tuple[str, ...]
    is_external: bool


class Wiring:
    """Reads wires, and knows which adapters are taken."""

    def __init__(self, repository: Repository, host_name: str) -> None:
        self._repository = repository
        self._host_name = host_name

    def read(self, settings: CimInstance, *, teaming: bool, own: Collection[str] = ()) -> Wire:
        """The wire that a port allocation asks for.

        :param teaming: the switch may have several adapters.
        :param own: paths of adapters that this port has already.
        :raises Refused: 32773 for an adapter that is not there, has a switch (real-instances 3.4), or is one too many.
        """
        paths = [path for path in settings.texts("HostResource") if path]
        found = [self._at(path) for path in paths]
        if not found:
            raise Refused(INVALID_PARAMETER, "no HostResource")
        formatted = tuple(format_path(self._repository.reference_of(item), self._host_name) for item in found)
        if all(item.class_name == EXTERNAL_PORT for item in found):
            self._check_adapters(found, formatted, teaming=teaming, own=own)
            return Wire(formatted, is_external=True)
        if len(found) == 1 and found[0].class_name == "Msvm_ComputerSystem" and self._is_host(found[0]):
            return Wire(formatted, is_external=False)
        raise Refused(INVALID_PARAMETER, f"a switch can't be wired to {', '.join(paths)}")

    def adapters(self, wire: Wire) -> list[CimInstance]:
        """The physical adapters of a wire."""
        return [self._at(path) for path in wire.paths] if wire.is_external else []

    def bind(self, wire: Wire, *, bound: bool) -> None:
        """Notes at the adapters whether they have a switch."""
        for adapter in self.adapters(wire):
            self._repository.change(self._repository.reference_of(adapter), {"IsBound": bound})

    def _check_adapters(
        self, found: list[CimInstance], paths: tuple[str, ...], *, teaming: bool, own: Collection[str]
    ) -> None:
        if len(set(paths)) != len(paths) or len(paths) > (_MAX_TEAM_MEMBERS if teaming else 1):
            raise Refused(INVALID_PARAMETER, f"{len(paths)} adapters")
        for item, path in zip(found, paths, strict=True):
            if item.get("IsBound") is True and path not in own:
                raise Refused(INVALID_PARAMETER, f"{path} has a switch")

    def _is_host(self, system: CimInstance) -> bool:
        return system.text("Name", "").lower() == self._host_name.lower()

    def _at(self, path: str) -> CimInstance:
        try:
            found = self._repository.find(parse_path(path))
        except InvalidRequest as error:
            raise Refused(INVALID_PARAMETER, error.message) from None
        if found is None:
            raise Refused(INVALID_PARAMETER, f"nothing at {path}")
        return found
