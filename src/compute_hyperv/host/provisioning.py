"""Shielding machines on a guarded host, with their owner's shielding data (old-driver 5.18).

The data (a PDK) is encrypted for the Host Guardian Service; the host reads its clear parts: the key protector, by which
guarded hosts get the machine's keys, and the security policy. Its answer file has placeholders, for which the
specialization data (an FSK) say what to put there. The service that provisions the machine takes both files from the
host's disk, and goes on when the machine is started for the first time: nobody waits for that here, it takes minutes.

Classes: Microsoft's pages of the Shielded VM Provisioning WMI providers. They do not say which answer means that a file
cannot be read: a return code and a missing instance are taken for that, a fault may be anything.
"""

from __future__ import annotations

from compute_hyperv.cim.errors import JobFailed, MethodFailed, NotFound, ProtocolError
from compute_hyperv.cim.session import CimSession, MethodResult
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from compute_hyperv.cim.wql import select
from compute_hyperv.host import jobs
from compute_hyperv.host.errors import NoShieldingData, UnsupportedByHost
from compute_hyperv.host.model import Shielding
from compute_hyperv.host.security import HGS, Security

_MSPS = "root/msps"
_FILES = CimReference("Msps_ProvisioningFileProcessor", {}, _MSPS)
_SERVICE = CimReference("Msps_ProvisioningService", {}, _MSPS)
_JOB = "Msps_ProvisioningJob"
_CLIENT = CimReference("MSFT_HgsClientConfiguration", {}, HGS)
_REMEDY = "Take a PDK file."
_ENDED_BADLY = (8, 9, 10)  # JobState: terminated, killed, exception


class Provisioning:
    def __init__(self, session: CimSession) -> None:
        self._session = session
        self._security = Security(session)

    def check_host(self) -> None:
        """Two requests.

        :raises UnsupportedByHost: it is no guarded host, or lacks what provisions machines.
        """
        if not self._is_guarded():
            raise UnsupportedByHost(
                "The host is not guarded: no Host Guardian Service gives it the keys of shielded machines.",
                remedy="Get-HgsClientConfiguration on the host says why; 'compute-hyperv check' explains it.",
            )
        try:
            self._session.query(select(_JOB, ["InstanceID"]), namespace=_MSPS)
        except NotFound:
            raise UnsupportedByHost(
                f"The host cannot provision shielded machines: it lacks the namespace {_MSPS}.",
                remedy="Install-WindowsFeature FabricShieldedTools -Restart",
            ) from None

    def shield(self, machine_id: str, shielding: Shielding) -> None:
        """Protect a machine that is off, and leave it to be provisioned at its first start. The shielding data must be
        on the host; the specialization data are made.

        :raises NoShieldingData: they are none.

        Requests: read the shielding data, protect (4), write the specialization data, provision: 7.
        """
        data = self._shielding_data(shielding.data_path)
        self._security.protect(
            machine_id,
            key_protector=_bytes(data, "KeyProtector", shielding.data_path),
            policy=_bytes(data, "PolicyData", shielding.data_path),
            shielded=shielding.shielded,
        )
        self._write_specialization_data(shielding)
        self._provision(machine_id, shielding)

    def _is_guarded(self) -> bool:
        try:
            client = self._session.invoke(_CLIENT, "Get")["cmdletOutput"]
        except NotFound:  # before Windows Server 2016
            return False
        return isinstance(client, CimInstance) and client.boolean("IsHostGuarded", False)

    def _shielding_data(self, path: str) -> CimInstance:
        what = f"Reading the shielding data {path}"
        try:
            found = self._invoke(_FILES, "PopulateFromFile", {"FilePath": path}, what)["ProvisioningFile"]
        except MethodFailed as error:
            raise NoShieldingData(error.message, remedy=_REMEDY, code=error.code) from error
        if not isinstance(found, CimInstance):
            raise NoShieldingData(f"{what} failed: the host finds none in it.", remedy=_REMEDY)
        return found

    def _write_specialization_data(self, shielding: Shielding) -> None:
        pairs: list[CimScalar] = [
            CimInstance("Msps_FabricData", {"key": placeholder, "Value": value}, _MSPS)
            for placeholder, value in shielding.substitutions
        ]
        self._invoke(
            _FILES,
            "SerializeToFile",
            {
                "FilePath": shielding.specialization_path,
                "ProvisioningFile": CimInstance("Msps_FSK", {"FabricDataPairs": pairs}, _MSPS),
            },
            f"Writing the specialization data {shielding.specialization_path}",
        )

    def _provision(self, machine_id: str, shielding: Shielding) -> None:
        what = f"Provisioning machine {machine_id}"
        files = {"PDKPath": shielding.data_path, "FSKPath": shielding.specialization_path}
        result = self._invoke(_SERVICE, "ProvisionMachine", {**files, "MachineID": machine_id}, what)
        job = result["ProvisioningJob"]
        if not isinstance(job, CimInstance):
            raise ProtocolError(f"{what}: ProvisionMachine returned {job!r}, which is no job.")
        if job.integer("JobState", 0) in _ENDED_BADLY or job.integer("ErrorCode", 0):
            reason = job.text("ErrorDescription", "") or job.text("JobStatus", "") or "the host gave no reason"
            raise JobFailed(f"{what} failed: {reason}", code=job.integer("ErrorCode", 0) or None)

    def _invoke(self, target: CimReference, method: str, parameters: dict[str, CimValue], what: str) -> MethodResult:
        result = self._session.invoke(target, method, parameters)
        if result.return_value not in (jobs.DONE, None):
            raise MethodFailed(f"{what} failed: {method} returned {result.return_value}.", code=result.return_value)
        return result


def _bytes(data: CimInstance, name: str, path: str) -> bytes:
    value = data.get(name)
    if not isinstance(value, bytes) or not value:
        raise NoShieldingData(f"{path} holds no shielding data: it has no {name}.", remedy=_REMEDY)
    return value
