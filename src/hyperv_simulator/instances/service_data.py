"""Settings and capabilities of the services besides machines, disks and switches (real-instances 1.7, 3.3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from compute_hyperv.cim.values import CimScalar, CimValue
from hyperv_simulator import identifiers as ids
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

METRIC_SETTINGS = "Msvm_MetricServiceSettingData"
REPLICATION_SETTINGS = "Msvm_ReplicationServiceSettingData"
TERMINAL_SETTINGS = "Msvm_TerminalServiceSettingData"
SYNTH3D_SETTINGS = "Msvm_Synthetic3DServiceSettingData"
POOL_CAPABILITIES = "Microsoft:0CB7725C-9528-4CE7-8992-78E051454C0E"
METRIC_CAPABILITIES = "Microsoft:MetricServiceCapabilities"
# Which capabilities a service has.
CAPABILITIES: Mapping[str, tuple[str, str]] = {
    "Msvm_ResourcePoolConfigurationService": ("Msvm_ResourcePoolConfigurationCapabilities", POOL_CAPABILITIES),
    "Msvm_MetricService": ("Msvm_MetricServiceCapabilities", METRIC_CAPABILITIES),
}
# And which settings.
SETTINGS: Mapping[str, str] = {
    "Msvm_MetricService": METRIC_SETTINGS,
    "Msvm_ReplicationService": REPLICATION_SETTINGS,
    "Msvm_Synthetic3DService": SYNTH3D_SETTINGS,
    "Msvm_TerminalService": TERMINAL_SETTINGS,
}
_CREATE_TO_DELETE: list[CimScalar] = [32768, 32769, 32770, 32771]
_CONTROL, _SHOW, _GET_VALUES = 2, 4, 6


def populate(repository: Repository, host_name: str) -> None:
    """Puts them in."""

    def add(class_name: str, instance_id: str, values: dict[str, CimValue]) -> None:
        repository.add(new_instance(repository.catalogue, class_name, {**values, "InstanceID": instance_id}))

    # An hour: the default of Set-VMHost's ResourceMeteringSaveInterval.
    add(METRIC_SETTINGS, ids.settings_id(host_name), {"MetricsFlushInterval": dt.timedelta(hours=1)})
    add(
        "Msvm_MetricServiceCapabilities",
        METRIC_CAPABILITIES,
        {"SupportedMethods": [_CONTROL, _SHOW, _GET_VALUES], "MetricsControlTypes": None},
    )
    # Values read on a host that is no replica server (HVWMI replication_caps).
    add(
        REPLICATION_SETTINGS,
        ids.settings_id(host_name, "HVR"),
        {"CertificateThumbPrint": "", "MonitoringStartTime": dt.timedelta(hours=1)},
    )
    add(SYNTH3D_SETTINGS, ids.settings_id(host_name), {})
    add(
        "Msvm_ResourcePoolConfigurationCapabilities",
        POOL_CAPABILITIES,
        {"SynchronousMethodsSupported": _CREATE_TO_DELETE, "AsynchronousMethodsSupported": _CREATE_TO_DELETE},
    )
