"""Disks, volumes, iSCSI, multipathing and Fibre Channel as Windows shows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compute_hyperv.cim.paths import relative_path
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.operating_system import ServiceConfig
from hyperv_simulator.config.storage import DiskConfig, FcHbaConfig, IscsiTargetConfig, MpioConfig, VolumeConfig
from tests.simulator.core.client import Client

STORAGE, WMI = "root/microsoft/windows/storage", "root/wmi"
IQN = "iqn.2024-01.org.example:store"
TARGET = IscsiTargetConfig(IQN, portals=("127.0.3.1", "127.0.3.2:3261"))
INITIATOR_RUNS = (ServiceConfig("MSiSCSI", "Auto", running=True),)
MPIO = ("Hyper-V", "Multipath-IO")
MakeHost = Callable[..., Client]


def disks(client: Client) -> dict[int, CimInstance]:
    return {disk.integer("Number"): disk for disk in client.query("select * from MSFT_Disk", STORAGE)}


def offered(client: Client) -> list[object]:
    """The disks that Hyper-V would pass to a machine."""
    return [disk.get("DriveNumber") for disk in client.query("select * from Msvm_DiskDrive")]


def disk(client: Client, number: int) -> CimReference:
    return client.service.reference_of(client.one(f"select * from MSFT_Disk where Number = {number}", STORAGE))


def static(class_name: str) -> CimReference:
    return CimReference(class_name, {}, STORAGE)


class TestDisks:
    def test_a_fresh_host_has_the_disk_of_its_system_with_three_partitions(self, client: Client) -> None:
        (system,) = disks(client).values()
        assert (system.get("IsBoot"), system.get("IsOffline"), system.get("PartitionStyle")) == (True, False, 2)
        assert system.get("NumberOfPartitions") == 3
        text = f"associators of {{{relative_path(disk(client, 0))}}} where AssocClass = MSFT_DiskToPartition"
        letters = [item.get("DriveLetter") for item in client.query(text, STORAGE)]
        assert letters == [None, None, "C"]
        assert offered(client) == []

    def test_a_shared_disk_stays_offline_and_hyper_v_may_pass_it_on(self, make_host: MakeHost) -> None:
        client = make_host(disk=(DiskConfig(1), DiskConfig(2, bus_type="nvme")))
        assert [disks(client)[number].get("IsOffline") for number in (1, 2)] == [True, False]
        assert offered(client) == [1]
        client.do(disk(client, 1), "Online")
        client.do(disk(client, 2), "Offline")
        assert offered(client) == [2]
        assert client.one("select * from Win32_DiskDrive where Index = 1", "root/cimv2").get("SCSILogicalUnit") == 1

    def test_the_san_policy_is_the_registrys_and_decides_about_disks_that_appear(self, make_host: MakeHost) -> None:
        client = make_host(service=INITIATOR_RUNS, iscsi_target=(TARGET,), disk=(iscsi_disk(1),))
        assert client.call(static("MSFT_StorageSetting"), "Set", NewDiskPolicy=9)["ReturnValue"] == 5
        client.do(static("MSFT_StorageSetting"), "Set", NewDiskPolicy=1)
        setting = client.do(static("MSFT_StorageSetting"), "Get")["StorageSetting"]
        assert isinstance(setting, CimInstance)
        assert setting.get("NewDiskPolicy") == 1
        assert (
            client.inside.system.registry.number(
                r"HKLM\SYSTEM\CurrentControlSet\Services\partmgr\Parameters", "SanPolicy"
            )
            == 1
        )
        log_in(client)
        assert disks(client)[1].get("IsOffline") is False

    def test_a_disk_is_initialized_once_and_only_when_it_is_online(self, make_host: MakeHost) -> None:
        client = make_host(disk=(DiskConfig(1),))
        assert client.refused(disk(client, 1), "Initialize", PartitionStyle=2) == 41003
        client.do(disk(client, 1), "Online")
        client.do(disk(client, 1), "Initialize", PartitionStyle=2)
        assert client.refused(disk(client, 1), "Initialize", PartitionStyle=2) == 41001
        assert client.refused(disk(client, 0), "Offline") == 41009

    def test_two_paths_to_one_lun_are_two_disks_with_one_id(self, make_host: MakeHost) -> None:
        # prerequisites, "Multipath IO": the warning
        seen_twice = [DiskConfig(number, bus_type="fc", unique_id="60A98000AB") for number in (1, 2)]
        client = make_host(disk=tuple(seen_twice))
        assert [disks(client)[number].get("UniqueId") for number in (1, 2)] == ["60A98000AB"] * 2

    def test_a_volume_shows_everywhere_and_its_free_space_is_measured(self, make_host: MakeHost) -> None:
        client = make_host(disk=(DiskConfig(1),), volume=(VolumeConfig("E", label="data", size_gb=10, disk=1),))
        assert disks(client)[1].get("IsOffline") is False
        volume = client.one("select * from MSFT_Volume where DriveLetter = 'E'", STORAGE)
        classic = client.one("select * from Win32_LogicalDisk where DeviceID = 'E:'", "root/cimv2")
        assert (volume.get("Size"), classic.get("Size")) == (10 << 30, 10 << 30)
        (client.inside.disks.folder.root / "E" / "file").write_bytes(bytes(1 << 20))
        after = client.one("select * from MSFT_Volume where DriveLetter = 'E'", STORAGE)
        assert after.integer("SizeRemaining") <= volume.integer("SizeRemaining") - (1 << 20)


class TestIscsi:
    def test_without_its_service_the_initiator_shows_nothing(self, make_host: MakeHost) -> None:
        client = make_host(iscsi_target=(TARGET,))
        assert client.query("select * from MSFT_InitiatorPort", STORAGE) == []
        assert client.refused(static("MSFT_iSCSITargetPortal"), "New", TargetPortalAddress="127.0.3.1") == 1062

    def test_a_session_brings_the_disks_and_leads_to_them(self, make_host: MakeHost) -> None:
        client = make_host(service=INITIATOR_RUNS, iscsi_target=(TARGET,), disk=(iscsi_disk(4),))
        assert client.query("select * from MSFT_iSCSITarget", STORAGE) == []
        session = log_in(client)
        assert session.get("TargetNodeAddress") == IQN
        assert sorted(disks(client)) == [0, 4]
        path = relative_path(client.service.reference_of(session))
        text = f"associators of {{{path}}} where AssocClass = MSFT_iSCSISessionToDisk"
        assert client.one(text, STORAGE).get("Number") == 4
        target = client.service.reference_of(client.one("select * from MSFT_iSCSITarget", STORAGE))
        client.do(target, "Disconnect", SessionIdentifier=session.text("SessionIdentifier"))
        assert sorted(disks(client)) == [0]

    def test_an_unknown_portal_and_a_wrong_secret_are_refused(self, make_host: MakeHost) -> None:
        target = IscsiTargetConfig(IQN, chap_username="user", chap_secret="secret-12345")
        client = make_host(service=INITIATOR_RUNS, iscsi_target=(target,))
        portal = static("MSFT_iSCSITargetPortal")
        assert client.refused(portal, "New", TargetPortalAddress="127.0.3.9") == 0xEFFF0003
        client.do(portal, "New", TargetPortalAddress="127.0.3.1")
        login = {"NodeAddress": IQN, "AuthenticationType": "ONEWAYCHAP", "ChapUsername": "user"}
        assert client.refused(static("MSFT_iSCSITarget"), "Connect", **login, ChapSecret="no") == 0xEFFF0009
        client.do(static("MSFT_iSCSITarget"), "Connect", **login, ChapSecret="secret-12345")

    def test_a_second_session_wants_multipathing(self, make_host: MakeHost) -> None:
        client = make_host(service=INITIATOR_RUNS, iscsi_target=(TARGET,), disk=(iscsi_disk(1),))
        log_in(client)
        assert client.refused(static("MSFT_iSCSITarget"), "Connect", NodeAddress=IQN) == 0xEFFF003F
        log_in(client, IsMultipathEnabled=True)
        assert sorted(disks(client)) == [0, 1, 2]
        assert disks(client)[1].get("UniqueId") == disks(client)[2].get("UniqueId")

    def test_persistent_sessions_and_what_was_done_to_their_disks_survive_a_restart(self, make_host: MakeHost) -> None:
        settings = {"service": INITIATOR_RUNS, "iscsi_target": (TARGET,), "disk": (iscsi_disk(1), iscsi_disk(2))}
        client = make_host(**settings)
        log_in(client, IsPersistent=True)
        log_in(client, IsMultipathEnabled=True)
        client.do(disk(client, 1), "Online")
        client.do(disk(client, 1), "Initialize", PartitionStyle=2)
        guid = disks(client)[1].get("Guid")
        client.inside.close()
        client = make_host(**settings)
        assert sorted(disks(client)) == [0, 1, 2]
        assert (disks(client)[1].get("IsOffline"), disks(client)[1].get("Guid")) == (False, guid)
        assert disks(client)[2].get("IsOffline") is True


class TestMultipath:
    def test_without_the_feature_its_classes_are_not_there(self, client: Client) -> None:
        with pytest.raises(SoapFault) as raised:
            client.query("select * from MPIO_DISK_INFO", WMI)
        assert raised.value.provider is not None
        assert raised.value.provider.code == 0x80041010

    def test_a_claimed_device_is_one_disk_with_all_of_its_paths(self, make_host: MakeHost) -> None:
        client = make_host(
            features=MPIO,
            mpio=MpioConfig(claimed=("MSFT2005iSCSIBusType_0x9",)),
            service=INITIATOR_RUNS,
            iscsi_target=(TARGET,),
            disk=(iscsi_disk(1),),
        )
        log_in(client, IsMultipathEnabled=True)
        log_in(client, IsMultipathEnabled=True, TargetPortalAddress="127.0.3.2", TargetPortalPortNumber=3261)
        assert sorted(disks(client)) == [0, 1]
        assert disks(client)[1].text("Path").startswith("\\\\?\\mpio#disk")
        drives = client.one("select * from MPIO_DISK_INFO", WMI).get("DriveInfo")
        assert isinstance(drives, list)
        (drive,) = drives
        assert isinstance(drive, CimInstance)
        assert (drive.get("Name"), drive.get("NumberPaths")) == ("MPIODisk0", 2)

    def test_a_claim_works_from_the_next_start(self, make_host: MakeHost) -> None:
        lun = [DiskConfig(number, bus_type="fc", unique_id="60A98000AB") for number in (1, 2)]
        settings = {"features": MPIO, "disk": tuple(lun)}
        client = make_host(**settings)
        key = {"hDefKey": 2147483650, "sSubKeyName": r"SYSTEM\CurrentControlSet\Control\MPDEV"}
        registry = CimReference("StdRegProv", {}, "root/default")
        claims = {"sValueName": "MPIOSupportedDeviceList", "sValue": ["MSFT2015FCBusType_0x6"]}
        client.do(registry, "SetMultiStringValue", **key, **claims)
        assert sorted(disks(client)) == [0, 1, 2]
        client.inside.close()
        assert sorted(disks(make_host(**settings))) == [0, 1]


class TestFibreChannel:
    def test_a_port_shows_in_both_namespaces(self, make_host: MakeHost) -> None:
        client = make_host(fc_hba=(FcHbaConfig("2100000000000001", "2000000000000001", state="linkdown"),))
        port = client.one("select * from MSFT_InitiatorPort where ConnectionType = 1", STORAGE)
        assert (port.get("PortAddress"), port.get("OperationalStatus")) == ("2100000000000001", [6])
        attributes = client.one("select * from MSFC_FibrePortHBAAttributes", WMI).get("Attributes")
        assert isinstance(attributes, CimInstance)
        assert (attributes.get("PortWWN"), attributes.get("PortState")) == (bytes.fromhex("2100000000000001"), 6)

    def test_a_host_without_adapters_has_none(self, client: Client) -> None:
        assert client.query("select * from MSFC_FCAdapterHBAAttributes", WMI) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"disk": (DiskConfig(1), DiskConfig(1))}, "disks with different numbers"),
        ({"disk": (DiskConfig(1, bus_type="iscsi", target=IQN),)}, "write a target of"),
        ({"volume": (VolumeConfig("E", disk=3),)}, "write a disk of"),
    ],
)
def test_what_hosts_toml_says_must_fit_together(make_host: MakeHost, settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_host(**settings)


def iscsi_disk(number: int) -> DiskConfig:
    return DiskConfig(number, bus_type="iscsi", target=IQN)


def log_in(client: Client, **options: object) -> CimInstance:
    portal = static("MSFT_iSCSITargetPortal")
    client.do(portal, "New", TargetPortalAddress="127.0.3.1")
    outputs = client.do(static("MSFT_iSCSITarget"), "Connect", NodeAddress=IQN, **options)  # type: ignore[arg-type]
    session = outputs["CreatediSCSISession"]
    assert isinstance(session, CimInstance)
    return session
