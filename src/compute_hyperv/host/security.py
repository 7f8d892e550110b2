"""Virtual TPMs of machines, and what else protects them.

A TPM's state is encrypted by a key protector, which must be there before the TPM can be enabled (hyperv-ops 12). Where
nobody brings one along, it is made with a guardian whose keys are the host's own, the one that Hyper-V's cmdlets make
and use for this as well: the machine starts on hosts that have that guardian's certificates only, and no guardian
service is needed.
"""

from __future__ import annotations

from compute_hyperv.cim.errors import CimError, MethodFailed, NotFound, ProtocolError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host import jobs
from compute_hyperv.host.machine_settings import of_machine
from compute_hyperv.host.services import service

GUARDIAN_NAME = "UntrustedGuardian"

_SETTINGS = "Msvm_SecuritySettingData"
_SERVICE = service("Msvm_SecurityService")
HGS = "root/microsoft/windows/hgs"
_GUARDIAN = CimReference("MSFT_HgsGuardian", {}, HGS)
_KEY_PROTECTOR = CimReference("MSFT_HgsKeyProtector", {}, HGS)


class Security:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def add_tpm(self, machine_id: str) -> None:
        """Give a machine that is off a TPM; one that has one keeps it: what is sealed in it would be lost.

        Requests: read the settings, find the guardian, make a key protector, set it, enable the TPM: 5; one more the
        first time on a host.
        """
        settings = self._settings(machine_id)
        if settings.boolean("TpmEnabled", False):
            return
        self._set_key_protector(machine_id, settings, self._new_key_protector())
        self._modify(settings, {"TpmEnabled": True}, f"Enabling the TPM of machine {machine_id}")

    def protect(self, machine_id: str, *, key_protector: bytes, policy: bytes, shielded: bool) -> None:
        """Give a machine that is off a TPM with this key protector, under this policy, and encrypt its state and what
        of it goes to other hosts.

        :param shielded: keep its host out as well.

        Requests: read the settings, set key protector and policy, modify the settings: 4. In this order (old-driver
        5.18): the policy belongs to the key protector, and what is modified needs both.
        """
        settings = self._settings(machine_id)
        self._set_key_protector(machine_id, settings, key_protector)
        jobs.run(
            self._session,
            _SERVICE,
            "SetSecurityPolicy",
            {"SecuritySettingData": _identity(settings), "SecurityPolicy": policy},
            what=f"Setting the security policy of machine {machine_id}",
        )
        wanted: dict[str, CimValue] = {
            "TpmEnabled": True,
            "EncryptStateAndVmMigrationTraffic": True,
            "ShieldingRequested": shielded,
        }
        self._modify(settings, wanted, f"Protecting machine {machine_id}")

    def _set_key_protector(self, machine_id: str, settings: CimInstance, key_protector: bytes) -> None:
        jobs.run(
            self._session,
            _SERVICE,
            "SetKeyProtector",
            {"SecuritySettingData": _identity(settings), "KeyProtector": key_protector},
            what=f"Setting the key protector of machine {machine_id}",
        )

    def _modify(self, settings: CimInstance, wanted: dict[str, CimValue], what: str) -> None:
        jobs.run(
            self._session,
            _SERVICE,
            "ModifySecuritySettings",
            {"SecuritySettingData": CimInstance(_SETTINGS, {"InstanceID": settings.text("InstanceID"), **wanted})},
            what=what,
        )

    def _settings(self, machine_id: str) -> CimInstance:
        found = self._session.query(select(_SETTINGS).where(of_machine(machine_id)))
        if not found:
            raise NotFound(f"Machine {machine_id} has no security settings.")
        return found[0]

    def _new_key_protector(self) -> bytes:
        guardian = self._guardian() or self._new_guardian()
        made = self._make(
            _KEY_PROTECTOR,
            "NewByGuardians",
            # Its certificates are self-signed: nobody vouches for them but the host itself.
            {"AllowUntrustedRoot": True, "AllowExpired": True, "Owner": guardian, "Guardian": [guardian]},
            "Making a key protector",
        )
        protector = made.get("RawData")
        if not isinstance(protector, bytes) or not protector:
            raise ProtocolError(f"The host made a key protector without content: {protector!r}.")
        return protector

    def _guardian(self) -> CimInstance | None:
        found = self._session.query(select("MSFT_HgsGuardian").where(eq("Name", GUARDIAN_NAME)), namespace=HGS)
        return found[0] if found else None

    def _new_guardian(self) -> CimInstance:
        try:
            return self._make(
                _GUARDIAN,
                "NewByGenerateCertificates",
                {"Name": GUARDIAN_NAME, "GenerateCertificates": True},
                f"Making the guardian {GUARDIAN_NAME}",
            )
        except CimError:
            # Another build can have made it meanwhile.
            if guardian := self._guardian():
                return guardian
            raise

    def _make(self, factory: CimReference, method: str, parameters: dict[str, CimValue], what: str) -> CimInstance:
        result = self._session.invoke(factory, method, parameters)
        if result.return_value not in (jobs.DONE, None):
            raise MethodFailed(f"{what} failed: {method} returned {result.return_value}.", code=result.return_value)
        made = result["cmdletOutput"]
        if not isinstance(made, CimInstance):
            raise ProtocolError(f"{what}: {method} returned {made!r}, which is no instance.")
        return made


def _identity(settings: CimInstance) -> CimInstance:
    return CimInstance(_SETTINGS, {"InstanceID": settings.text("InstanceID")})
