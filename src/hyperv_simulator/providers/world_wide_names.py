"""World wide port names for virtual Fibre Channel adapters, from the range of the service's settings.

Names are given in pairs, one for each set of an adapter (Microsoft's page of GenerateWwpn asks for an even number). The
last one given survives a restart, so that no name is given twice.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from compute_hyperv.cim.values import CimReference, CimScalar
from hyperv_simulator import identifiers as ids
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.outcomes import FAILED, INVALID_PARAMETER, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, done
from hyperv_simulator.repository.instances import Repository

_SETTINGS = "Msvm_VirtualSystemManagementServiceSettingData"
_SECTION = "wwpn"


class WorldWideNames:
    def __init__(self, repository: Repository, host_name: str, kept: KeptState) -> None:
        self._repository = repository
        self._settings = CimReference(_SETTINGS, {"InstanceID": ids.settings_id(host_name)})
        self._kept = kept
        self._lock = threading.Lock()

    def methods(self) -> Mapping[str, Method]:
        return {"GenerateWwpn": self._generate, "GetCurrentWwpnFromGenerator": self._current}

    def _generate(self, call: Call) -> Outputs:
        count = call.integer("NumberOfWwpns")
        if count < 2 or count % 2:
            raise Refused(INVALID_PARAMETER, f"{count} names: a positive even number is needed")
        lowest, highest = self._range()
        with self._lock:
            first = self._next(lowest)
            if first + count - 1 > highest:
                raise Refused(FAILED, "the range of names is used up")
            self._kept.keep(_SECTION, first + count - 1)
        names: list[CimScalar] = [f"{number:016X}" for number in range(first, first + count)]
        return done(GeneratedWwpn=names)

    def _current(self, _: Call) -> Outputs:
        """The name that is given next (assumption)."""
        return done(CurrentWwpn=f"{self._next(self._range()[0]):016X}")

    def _range(self) -> tuple[int, int]:
        settings = self._repository.get(self._settings)
        return int(settings.text("MinimumWWPNAddress"), 16), int(settings.text("MaximumWWPNAddress"), 16)

    def _next(self, lowest: int) -> int:
        last = self._kept.section(_SECTION)
        return max(lowest, last + 1) if isinstance(last, int) else lowest
