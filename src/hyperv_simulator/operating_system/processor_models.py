"""What the host's processors are called, by vendor and x86-64 level (``[host.migration]``).

Names as Win32_Processor has them on such machines; which model stands for a level is the simulator's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hyperv_simulator.config.migration import MigrationConfig


@dataclass(frozen=True, slots=True)
class ProcessorModel:
    """:param description: architecture, family, model and stepping.  :param processor_id: CPUID leaf 1: EDX, EAX."""

    name: str
    description: str
    processor_id: str


_MODELS: Mapping[tuple[str, int], ProcessorModel] = {
    ("intel", 1): ProcessorModel(
        "Intel(R) Xeon(R) CPU           E5450  @ 3.00GHz", "Intel64 Family 6 Model 23 Stepping 6", "BFEBFBFF00010676"
    ),
    ("intel", 2): ProcessorModel(
        "Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz", "Intel64 Family 6 Model 45 Stepping 7", "BFEBFBFF000206D7"
    ),
    ("intel", 3): ProcessorModel(
        "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", "Intel64 Family 6 Model 85 Stepping 7", "BFEBFBFF00050657"
    ),
    ("intel", 4): ProcessorModel(
        "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", "Intel64 Family 6 Model 106 Stepping 6", "BFEBFBFF000606A6"
    ),
    ("amd", 1): ProcessorModel(
        "Dual-Core AMD Opteron(tm) Processor 2218", "AMD64 Family 15 Model 65 Stepping 2", "178BFBFF00040F12"
    ),
    ("amd", 2): ProcessorModel(
        "AMD Opteron(TM) Processor 6276", "AMD64 Family 21 Model 1 Stepping 2", "178BFBFF00600F12"
    ),
    ("amd", 3): ProcessorModel(
        "AMD EPYC 7742 64-Core Processor", "AMD64 Family 23 Model 49 Stepping 0", "178BFBFF00830F10"
    ),
    ("amd", 4): ProcessorModel(
        "AMD EPYC 9654 96-Core Processor", "AMD64 Family 25 Model 17 Stepping 1", "178BFBFF00A10F11"
    ),
}
_MANUFACTURERS = {"intel": "GenuineIntel", "amd": "AuthenticAMD"}


def model_of(config: MigrationConfig) -> ProcessorModel:
    return _MODELS[config.processor_vendor, config.processor_level]


def manufacturer_of(config: MigrationConfig) -> str:
    return _MANUFACTURERS[config.processor_vendor]
