"""Shielding data (PDK) and specialization data (FSK) as files.

Assumption, all of it: what is in Microsoft's files is not public, and most of a PDK is encrypted. These stand for them:
a line that says what the file is, and JSON. ::

    HYPERV-SIMULATOR PDK 1
    {"guardian": "fabric", "policy": "shielded", "templates": ["Windows Server 2022"]}

    HYPERV-SIMULATOR FSK 1
    {"@@ComputerName@@": "web-1"}

guardian
    the guarded fabric on which the key protector opens: any name.
policy
    ``shielded`` or ``encryption``.
templates
    names of the template disks that the owner trusts; empty for a machine that is there already.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hyperv_simulator.machines.key_protectors import BY_GUARDIAN_SERVICE

Policy = Literal["shielded", "encryption"]

_PDK, _FSK = b"HYPERV-SIMULATOR PDK 1", b"HYPERV-SIMULATOR FSK 1"


class BadFile(Exception):
    """It is none of these files."""


@dataclass(frozen=True, slots=True)
class ShieldingData:
    """What a PDK holds."""

    guardian: str
    policy: Policy = "shielded"
    templates: tuple[str, ...] = ()

    @property
    def key_protector(self) -> bytes:
        return BY_GUARDIAN_SERVICE + hashlib.sha512(self.guardian.encode()).digest()

    @property
    def policy_data(self) -> bytes:
        return json.dumps({"policy": self.policy}).encode()

    def to_bytes(self) -> bytes:
        content = {"guardian": self.guardian, "policy": self.policy, "templates": list(self.templates)}
        return _written(_PDK, content)


@dataclass(frozen=True, slots=True)
class SpecializationData:
    """What an FSK holds: what is put into the answer file of the PDK, by the placeholder that it is put for."""

    pairs: Mapping[str, str]

    def to_bytes(self) -> bytes:
        return _written(_FSK, dict(self.pairs))


def read(data: bytes) -> ShieldingData | SpecializationData:
    """:raises BadFile: it is neither."""
    head, _, rest = data.partition(b"\n")
    if head.strip() not in (_PDK, _FSK):
        raise BadFile("it begins like neither")
    try:
        content = json.loads(rest)
        return _shielding_data(content) if head.strip() == _PDK else _specialization_data(content)
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(str(error)) from None


def _shielding_data(content: Any) -> ShieldingData:
    policy = content["policy"]
    if policy not in ("shielded", "encryption"):
        raise BadFile(f"no policy is called {policy}")
    return ShieldingData(str(content["guardian"]), policy, tuple(map(str, content["templates"])))


def _specialization_data(content: Any) -> SpecializationData:
    return SpecializationData({str(name): str(value) for name, value in dict(content).items()})


def _written(head: bytes, content: Mapping[str, Any]) -> bytes:
    return head + b"\n" + json.dumps(content).encode() + b"\n"
