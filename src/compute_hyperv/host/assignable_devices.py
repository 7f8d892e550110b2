"""Taking devices from Windows so that machines can have them, and giving them back (hyperv-ops 13).

The order is that of Microsoft's guide to discrete device assignment: disable, dismount; mount, enable.
"""

from __future__ import annotations

from compute_hyperv.cim import cimxml
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import select
from compute_hyperv.host import jobs
from compute_hyperv.host.services import service

_SERVICE = service("Msvm_AssignableDeviceService")
_SETTINGS = "Msvm_AssignableDeviceDismountSettingData"
_DISMOUNTED = "Msvm_PciExpress"


class AssignableDevices:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def dismounted(self) -> dict[str, str]:
        """Location path of each dismounted device, by the instance path that it has now (``PCIP\\...``)."""
        rows = self._session.query(select(_DISMOUNTED, ["DeviceInstancePath", "LocationPath"]))
        return {row.text("DeviceInstancePath", ""): row.text("LocationPath", "") for row in rows}

    def dismount(self, instance_path: str, *, force: bool = False) -> None:
        """Takes a disabled device from Windows.

        :param force: even where its slot does no access control or its vendor has no mitigation driver, as ``-Force``.
        """
        settings = CimInstance(
            _SETTINGS,
            {
                "DeviceInstancePath": instance_path,
                "RequireAcsSupport": not force,
                "RequireDeviceMitigations": not force,
            },
            _SERVICE.namespace,
        )
        jobs.run(
            self._session,
            _SERVICE,
            "DismountAssignableDevice",
            {"DismountSettingData": cimxml.instance_to_text(settings)},
            what=f"Dismounting the device {instance_path}",
        )

    def mount(self, instance_path: str) -> None:
        """Gives a dismounted device back to Windows, where it is disabled."""
        jobs.run(
            self._session,
            _SERVICE,
            "MountAssignableDevice",
            {"DeviceInstancePath": instance_path},
            what=f"Mounting the device {instance_path}",
        )
