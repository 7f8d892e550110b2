"""Guardians of a host and the key protectors that are made with them: what a virtual TPM without a guardian service
needs.

A guardian with keys of the host's own is made by NewByGenerateCertificates; NewByGuardians wraps a new key for its
owner and for all guardians (hyperv-ops 12). What is in the certificates and in a protector's bytes is made up; that
they outlive a restart is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimScalar, CimValue
from hyperv_simulator.operating_system.host_guardian import HGS
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

GUARDIAN = "MSFT_HgsGuardian"
KEY_PROTECTOR = "MSFT_HgsKeyProtector"
_SECTION = "guardians"
_INVALID_PARAMETER, _NOT_FOUND, _ALREADY_EXISTS = 87, 1168, 183


class Guardians(Provider):
    """Those with keys of the host's own. All methods are called on the class."""

    class_name = GUARDIAN
    namespace = HGS

    def __init__(self, repository: Repository, kept: KeptState) -> None:
        self._repository = repository
        self._kept = kept
        repository.add_source(GUARDIAN, lambda _owner: self._all(), HGS)

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {"NewByGenerateCertificates": self._generate, "Remove": self._remove}

    def named(self, name: str) -> bool:
        return name.lower() in {known.lower() for known in self._names()}

    def _generate(self, call: Call) -> Outputs:
        name = call.text("Name")
        if not name or not call.boolean("GenerateCertificates"):
            return {"ReturnValue": _INVALID_PARAMETER}
        if self.named(name):
            return {"ReturnValue": _ALREADY_EXISTS}
        self._keep([*self._names(), name])
        return done(cmdletOutput=self._repository.finished(self._instance(name)))

    def _remove(self, call: Call) -> Outputs:
        name = call.text("Name")
        if not self.named(name):
            return {"ReturnValue": _NOT_FOUND}
        self._keep([known for known in self._names() if known.lower() != name.lower()])
        return done()

    def _names(self) -> list[str]:
        return list(self._kept.section(_SECTION).get("names", []))

    def _keep(self, names: list[str]) -> None:
        self._kept.keep(_SECTION, {"names": names})

    def _all(self) -> Iterator[CimInstance]:
        return (self._instance(name) for name in self._names())

    def _instance(self, name: str) -> CimInstance:
        values: dict[str, CimValue] = {
            "Name": name,
            "SigningCertificate": hashlib.sha512(f"signing {name}".encode()).digest(),
            "EncryptionCertificate": hashlib.sha512(f"encryption {name}".encode()).digest(),
            "HasPrivateSigningKey": True,
            "GuardianMetadataVersion": 1,
        }
        return new_instance(self._repository.catalogue, GUARDIAN, values, HGS)


class KeyProtectors(Provider):
    """A class that only makes values: no host stores a key protector outside of a machine."""

    class_name = KEY_PROTECTOR
    namespace = HGS

    def __init__(self, repository: Repository, guardians: Guardians) -> None:
        self._repository = repository
        self._guardians = guardians

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {"NewByGuardians": self._by_guardians}

    def _by_guardians(self, call: Call) -> Outputs:
        """The owner must be a guardian of this host: only its keys can open the protector again."""
        owner, others = call.given("Owner"), call.given("Guardian")
        given = others if isinstance(others, list) else [others]
        guardians: list[CimScalar] = [item for item in given if isinstance(item, CimInstance)]
        if not isinstance(owner, CimInstance) or not guardians or len(guardians) != len(given):
            return {"ReturnValue": _INVALID_PARAMETER}
        if not self._guardians.named(owner.text("Name", "")):
            return {"ReturnValue": _NOT_FOUND}
        names = "/".join(item.text("Name", "") for item in [owner, *guardians] if isinstance(item, CimInstance))
        values: dict[str, CimValue] = {
            "Owner": owner,
            "Guardians": guardians,
            "RawData": b"KeyProtector " + hashlib.sha512(names.encode()).digest(),
        }
        made = new_instance(self._repository.catalogue, KEY_PROTECTOR, values, HGS)
        return done(cmdletOutput=self._repository.finished(made))
