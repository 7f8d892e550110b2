"""How Hyper-V itself is set on a host: NUMA spanning, and how machines may move."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar, CimValue
from compute_hyperv.cim.wql import select
from compute_hyperv.host import jobs
from compute_hyperv.host.services import MANAGEMENT, service

_MANAGEMENT_SETTINGS = "Msvm_VirtualSystemManagementServiceSettingData"
_MIGRATION = service("Msvm_VirtualSystemMigrationService")
_MIGRATION_SETTINGS = "Msvm_VirtualSystemMigrationServiceSettingData"
_MIGRATION_NETWORK = "Msvm_VirtualSystemMigrationNetworkSettingData"
_CREDSSP, _KERBEROS = 0, 1  # AuthenticationType


@dataclass(frozen=True, slots=True)
class MigrationSettings:
    """How a host lets machines move.

    :param kerberos: else CredSSP, which needs somebody logged on at the source.
    :param machines_at_once: live migrations at the same time; 0: as many as there are.
    :param storages_at_once: storage migrations at the same time.
    :param compression: memory is compressed on its way; with neither, it goes as it is.
    :param smb: memory goes by SMB.
    """

    enabled: bool
    kerberos: bool
    machines_at_once: int
    storages_at_once: int
    compression: bool
    smb: bool


class HypervSettings:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def numa_spanning(self) -> bool:
        return self._one(_MANAGEMENT_SETTINGS).boolean("NumaSpanningEnabled", True)

    def set_numa_spanning(self, enabled: bool) -> None:
        """Counts after a restart of vmms, for machines started then (hyperv-ops 3)."""
        settings = self._changed(_MANAGEMENT_SETTINGS, {"NumaSpanningEnabled": enabled})
        jobs.run(
            self._session,
            MANAGEMENT,
            "ModifyServiceSettings",
            {"SettingData": settings},
            what="Setting NUMA spanning",
        )

    def migration(self) -> MigrationSettings:
        row = self._one(_MIGRATION_SETTINGS)
        return MigrationSettings(
            enabled=row.boolean("EnableVirtualSystemMigration", False),
            kerberos=row.integer("AuthenticationType", _CREDSSP) == _KERBEROS,
            machines_at_once=row.integer("MaximumActiveVirtualSystemMigration", 0),
            storages_at_once=row.integer("MaximumActiveStorageMigration", 0),
            compression=row.boolean("EnableCompression", False),
            smb=row.boolean("EnableSmbTransport", False),
        )

    def set_migration(self, wanted: MigrationSettings) -> None:
        settings = self._changed(
            _MIGRATION_SETTINGS,
            {
                "EnableVirtualSystemMigration": wanted.enabled,
                "AuthenticationType": _KERBEROS if wanted.kerberos else _CREDSSP,
                "MaximumActiveVirtualSystemMigration": wanted.machines_at_once,
                "MaximumActiveStorageMigration": wanted.storages_at_once,
                "EnableCompression": wanted.compression,
                "EnableSmbTransport": wanted.smb,
            },
        )
        self._run_migration("ModifyServiceSettings", {"ServiceSettingData": settings}, "Setting up live migration")

    def migration_networks(self) -> tuple[str, ...]:
        """Subnets over which machines move (``10.0.0.0/24``); none: all networks of the host."""
        return tuple(subnet for subnet, _ in self._networks())

    def set_migration_networks(self, subnets: Sequence[str]) -> None:
        """Exactly these: missing ones are added before others go."""
        wanted = [ipaddress.ip_network(subnet) for subnet in subnets]
        there = self._networks()
        known = {subnet for subnet, _ in there}
        added: list[CimScalar] = [
            CimInstance(
                _MIGRATION_NETWORK, {"SubnetNumber": str(subnet.network_address), "PrefixLength": subnet.prefixlen}
            )
            for subnet in wanted
            if str(subnet) not in known
        ]
        if added:
            self._run_migration("AddNetworkSettings", {"NetworkSettings": added}, "Adding migration networks")
        kept = {str(subnet) for subnet in wanted}
        gone: list[CimScalar] = [reference for subnet, reference in there if subnet not in kept]
        if gone:
            self._run_migration("RemoveNetworkSettings", {"NetworkSettings": gone}, "Removing migration networks")

    def _networks(self) -> list[tuple[str, CimReference]]:
        rows = self._session.query(select(_MIGRATION_NETWORK, ["InstanceID", "SubnetNumber", "PrefixLength"]))
        return [
            (
                f"{row.text('SubnetNumber')}/{row.integer('PrefixLength', 32)}",
                CimReference(_MIGRATION_NETWORK, {"InstanceID": row.text("InstanceID")}),
            )
            for row in rows
        ]

    def _run_migration(self, method: str, parameters: dict[str, CimValue], what: str) -> None:
        jobs.run(self._session, _MIGRATION, method, parameters, what=what)

    def _changed(self, class_name: str, values: dict[str, CimValue]) -> CimInstance:
        return CimInstance(class_name, {"InstanceID": self._one(class_name).text("InstanceID"), **values})

    def _one(self, class_name: str) -> CimInstance:
        rows = self._session.query(select(class_name))
        if len(rows) != 1:
            raise NotFound(f"The host has {len(rows)} instances of {class_name} instead of one.")
        return rows[0]
