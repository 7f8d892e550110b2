"""Msvm_Synthetic3DService: RemoteFX, on a host without a graphics card for it (HVWMI ``synth3d_enable``)."""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.outcomes import INVALID_PARAMETER, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider
from hyperv_simulator.providers.service_settings import ServiceSettings
from hyperv_simulator.providers.unsupported import service_control


class Synthetic3DProvider(Provider):
    class_name = "Msvm_Synthetic3DService"

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    def methods(self) -> Mapping[str, Method]:
        return {
            "EnableGPUForVirtualization": self._no_card,
            "DisableGPUForVirtualization": self._no_card,
            **self._settings.methods(),
            **service_control(),
        }

    @staticmethod
    def _no_card(call: Call) -> Outputs:
        raise Refused(INVALID_PARAMETER, f"no Msvm_Physical3dGraphicsProcessor at {call.given('PhysicalGPU')!r}")
