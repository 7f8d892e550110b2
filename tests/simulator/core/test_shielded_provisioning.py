"""root/msps: provisioning files, and machines that are shielded with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compute_hyperv.cim.cimxml import text_to_instance
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.config.hgs import HgsConfig
from hyperv_simulator.shielding.files import ShieldingData, SpecializationData, read
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost

MSPS = "root/msps"
FILES = CimReference("Msps_ProvisioningFileProcessor", {}, MSPS)
SERVICE = CimReference("Msps_ProvisioningService", {}, MSPS)
GUARDED = HgsConfig("hosting_service", "http://hgs.test/KeyProtection", "http://hgs.test/Attestation", "tpm", "passed")
DATA = ShieldingData("fabric", templates=("Windows Server 2022",))
PDK, FSK = r"C:\data.pdk", r"C:\data.fsk"
FILE_NOT_FOUND, INVALID_DATA, NOT_FOUND = 2, 13, 1168

Shield = Callable[..., CimReference]


def make_guarded(make_host: MakeHost, **settings: Any) -> Client:
    given: dict[str, Any] = {"hgs": GUARDED, "features": ("Hyper-V", "HostGuardian", "FabricShieldedTools"), **settings}
    client = make_host(**given)
    local(client, PDK).write_bytes(DATA.to_bytes())
    local(client, FSK).write_bytes(SpecializationData({"@@ComputerName@@": "web"}).to_bytes())
    return client


@pytest.fixture
def client(make_host: MakeHost) -> Client:
    """A guarded host with shielding data and specialization data on its disk."""
    return make_guarded(make_host)


def local(client: Client, path: str) -> Path:
    return client.inside.disks.folder.to_local(path)


def shield(client: Client, data: ShieldingData = DATA, **settings: Any) -> CimReference:
    """A machine that has what the data asks for, turned off."""
    machine = client.define(SecureBootEnabled=True)
    (found,) = client.settings(machine, "Msvm_SecuritySettingData")
    service = client.service_reference("Msvm_SecurityService")

    def text(**values: Any) -> str:
        return settings_text("Msvm_SecuritySettingData", InstanceID=found.text("InstanceID"), **values)

    client.do(service, "SetKeyProtector", SecuritySettingData=text(), KeyProtector=data.key_protector)
    client.do(service, "SetSecurityPolicy", SecuritySettingData=text(), SecurityPolicy=data.policy_data)
    wanted = {"TpmEnabled": True, "EncryptStateAndVmMigrationTraffic": True, "ShieldingRequested": True, **settings}
    client.do(service, "ModifySecuritySettings", SecuritySettingData=text(**wanted))
    return machine


def provision(client: Client, machine: CimReference, **changed: CimValue) -> dict[str, CimValue]:
    given: dict[str, CimValue] = {"PDKPath": PDK, "FSKPath": FSK, "MachineID": machine.key("Name")}
    return client.call(SERVICE, "ProvisionMachine", **{**given, **changed})


def job(client: Client) -> CimInstance:
    return client.one("select * from Msps_ProvisioningJob", MSPS)


@pytest.mark.parametrize("settings", [{}, {"version": "2012r2", "features": ("Hyper-V",)}])
def test_the_namespace_comes_with_a_feature(make_host: MakeHost, settings: dict[str, Any]) -> None:
    client = make_host(**settings)
    with pytest.raises(SoapFault, match="namespace"):
        client.query("select * from Msps_ProvisioningJob", MSPS)


def test_shielding_data_shows_its_clear_parts(client: Client) -> None:
    found = client.do(FILES, "PopulateFromFile", FilePath=PDK)["ProvisioningFile"]
    assert isinstance(found, CimInstance)
    assert found.class_name == "Msps_PDK"
    assert found["KeyProtector"] == DATA.key_protector
    assert found["PolicyData"] == DATA.policy_data
    assert found["RawData"] == local(client, PDK).read_bytes()
    streamed = client.do(FILES, "PopulateFromStream", Data=DATA.to_bytes())["ProvisioningFile"]
    assert streamed == found


def test_specialization_data_is_written_and_read_again(client: Client) -> None:
    pairs = [CimInstance("Msps_FabricData", {"key": "@@Zone@@", "Value": "north"}, MSPS)]
    file = CimInstance("Msps_FSK", {"FabricDataPairs": list(pairs)}, MSPS)

    client.do(FILES, "SerializeToFile", FilePath=r"C:\new.fsk", ProvisioningFile=file)

    assert read(local(client, r"C:\new.fsk").read_bytes()) == SpecializationData({"@@Zone@@": "north"})
    again = client.do(FILES, "PopulateFromFile", FilePath=r"C:\new.fsk")["ProvisioningFile"]
    assert isinstance(again, CimInstance)
    assert again["FabricDataPairs"] == pairs


def test_only_specialization_data_can_be_written(client: Client) -> None:
    file = CimInstance("Msps_PDK", {}, MSPS)
    assert client.refused(FILES, "SerializeToFile", FilePath=r"C:\new.pdk", ProvisioningFile=file) == 87


@pytest.mark.parametrize(
    "content", [b"", b"PDK", b"HYPERV-SIMULATOR PDK 1\n{", b'HYPERV-SIMULATOR PDK 1\n{"policy": "shielded"}\n']
)
def test_what_is_no_provisioning_file_is_refused(client: Client, content: bytes) -> None:
    local(client, PDK).write_bytes(content)
    assert client.refused(FILES, "PopulateFromFile", FilePath=PDK) == INVALID_DATA


def test_a_file_must_be_there(client: Client) -> None:
    assert client.refused(FILES, "PopulateFromFile", FilePath=r"C:\other.pdk") == FILE_NOT_FOUND


def test_a_machine_is_provisioned_with_its_first_start(client: Client) -> None:
    machine = shield(client)

    started = provision(client, machine)["ProvisioningJob"]

    assert isinstance(started, CimInstance)
    assert (started["InstanceID"], started["JobState"], started["JobStatus"]) == (machine.key("Name"), 3, "PendingBoot")
    client.change_state(machine, 2)
    assert (job(client)["JobState"], job(client)["PercentComplete"]) == (7, 100)
    client.change_state(machine, 3)
    client.do(client.management, "DestroySystem", AffectedSystem=machine)
    assert client.query("select * from Msps_ProvisioningJob", MSPS) == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"PDKPath": r"C:\none.pdk"}, FILE_NOT_FOUND),
        ({"FSKPath": r"C:\none.fsk"}, FILE_NOT_FOUND),
        ({"PDKPath": FSK}, INVALID_DATA),
        ({"FSKPath": PDK}, INVALID_DATA),
        ({"MachineID": "00000000-0000-0000-0000-000000000000"}, NOT_FOUND),
    ],
)
def test_files_and_machine_must_be_there(client: Client, changed: dict[str, CimValue], code: int) -> None:
    assert provision(client, shield(client), **changed)["ReturnValue"] == code
    assert client.query("select * from Msps_ProvisioningJob", MSPS) == []


def test_specialization_data_is_optional(client: Client) -> None:
    assert provision(client, shield(client), FSKPath=None)["ReturnValue"] == 0


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda client: client.define(), "no virtual TPM", id="no TPM"),
        pytest.param(lambda client: shield(client, ShieldingData("other")), "not that of the", id="another fabric's"),
    ],
)
def test_a_machine_that_is_not_prepared_fails_in_its_job(client: Client, make: Any, why: str) -> None:
    outputs = provision(client, make(client))

    failed = outputs["ProvisioningJob"]
    assert isinstance(failed, CimInstance)
    assert (outputs["ReturnValue"], failed["JobState"], failed["JobStatus"]) == (0, 10, "Failed")
    assert why in failed.text("ErrorDescription")
    reference = CimReference("Msps_ProvisioningJob", {"InstanceID": failed.text("InstanceID")}, MSPS)
    error = client.do(reference, "GetError")["Error"]
    assert isinstance(error, CimInstance)
    assert error["Message"] == failed["ErrorDescription"]


def test_a_running_machine_is_not_provisioned(client: Client) -> None:
    machine = shield(client)
    client.change_state(machine, 2)
    failed = provision(client, machine)["ProvisioningJob"]
    assert isinstance(failed, CimInstance)
    assert "not turned off" in failed.text("ErrorDescription")


@pytest.mark.parametrize("shielded", [True, False])
def test_a_host_that_is_not_guarded_gets_no_keys(make_host: MakeHost, shielded: bool) -> None:
    client = make_guarded(make_host, hgs=HgsConfig())
    machine = shield(client, ShieldingRequested=shielded)

    failed = client.failed(machine, "RequestStateChange", RequestedState=2)

    assert "could not be unwrapped" in failed.text("ErrorDescription")
    assert client.state(machine) == 3


def test_a_shielded_machine_keeps_its_host_out(client: Client) -> None:
    machine = shield(client)
    (port, _) = client.settings(machine, "Msvm_SerialPortSettingData")
    text = settings_text("Msvm_SerialPortSettingData", InstanceID=port.text("InstanceID"), Connection=[r"\\.\pipe\com"])
    client.do(client.management, "ModifyResourceSettings", ResourceSettings=[text])
    client.change_state(machine, 2)

    exchange = client.one("select * from Msvm_KvpExchangeComponent")

    assert (exchange["OperationalStatus"], exchange.texts("GuestIntrinsicExchangeItems")) == ([12], [])
    assert client.inside.machines.of(machine).reader.serial_pipes() == ()


@pytest.mark.parametrize(("version", "code"), [("2016", 32775), ("2019", 0)])
def test_the_keyboard_of_a_shielded_machine_came_with_windows_server_2019(
    make_host: MakeHost, version: str, code: int
) -> None:
    client = make_guarded(make_host, version=version)
    client.change_state(shield(client), 2)
    keyboard = client.service.reference_of(client.one("select * from Msvm_Keyboard"))

    assert client.call(keyboard, "TypeCtrlAltDel")["ReturnValue"] == code


def test_another_machine_still_tells_its_host_its_name(client: Client) -> None:
    client.change_state(client.define(), 2)
    items = client.one("select * from Msvm_KvpExchangeComponent").texts("GuestIntrinsicExchangeItems")
    assert "OSName" in {text_to_instance(item).text("Name") for item in items}
