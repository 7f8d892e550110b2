"""The registry over CIM: StdRegProv's methods and codes, and that what stands there is what the host does."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.values import CimReference, CimValue
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.operating_system import AccountConfig, RegistryConfig
from hyperv_simulator.service import Caller
from tests.simulator.core.client import Client
from tests.simulator.core.conftest import MakeHost

PROVIDER = CimReference("StdRegProv", {}, "root/default")
LOCAL_MACHINE = 0x80000002
TIME = r"SYSTEM\CurrentControlSet\Services\W32Time\Parameters"
NO_VALUE, NO_KEY, DENIED, NO_HIVE, WRONG_TYPE = 1, 2, 5, 6, 0x80041005


def call(client: Client, method: str, key: str, **parameters: CimValue) -> dict[str, CimValue]:
    return client.call(PROVIDER, method, hDefKey=LOCAL_MACHINE, sSubKeyName=key, **parameters)


def code(client: Client, method: str, key: str, **parameters: CimValue) -> CimValue:
    return call(client, method, key, **parameters)["ReturnValue"]


@pytest.mark.parametrize(
    ("kind", "parameter", "value", "number"),
    [
        ("DWORD", "uValue", 0xFFFFFFFF, 4),
        ("QWORD", "uValue", 2**63, 11),
        ("String", "sValue", "text", 1),
        ("MultiString", "sValue", ["a", "b c"], 7),
        ("Binary", "uValue", b"\x00\xff", 3),
    ],
)
def test_a_value_is_read_as_it_was_written(
    client: Client, kind: str, parameter: str, value: CimValue, number: int
) -> None:
    key = r"SOFTWARE\Contoso"
    assert code(client, f"Set{kind}Value", key, sValueName="X", **{parameter: value}) == NO_KEY
    assert code(client, "CreateKey", key) == 0
    assert code(client, f"Set{kind}Value", key, sValueName="X", **{parameter: value}) == 0
    assert call(client, f"Get{kind}Value", key.upper(), sValueName="x")[parameter] == value
    listed = call(client, "EnumValues", key)
    assert (listed["sNames"], listed["Types"]) == (["X"], [number])


def test_an_expanded_text_is_read_with_its_variables_replaced(client: Client) -> None:
    outputs = call(client, "GetExpandedStringValue", TIME, sValueName="ServiceDll")
    assert outputs["sValue"] == r"C:\Windows\system32\w32time.dll"


def test_what_is_missing_or_of_another_type_has_its_code(client: Client) -> None:
    assert code(client, "GetStringValue", TIME, sValueName="Nothing") == NO_VALUE
    assert code(client, "GetStringValue", r"SOFTWARE\Nothing", sValueName="X") == NO_KEY
    assert code(client, "GetDWORDValue", TIME, sValueName="Type") == WRONG_TYPE
    assert code(client, "EnumKey", r"SECURITY\Policy") == DENIED
    outputs = client.call(PROVIDER, "EnumKey", hDefKey=7, sSubKeyName="X")
    assert outputs["ReturnValue"] == NO_HIVE


def test_keys_are_made_with_those_above_and_deleted_without_those_below(client: Client) -> None:
    assert code(client, "CreateKey", r"SOFTWARE\A\B\C") == 0
    assert call(client, "EnumKey", r"SOFTWARE\A")["sNames"] == ["B"]
    assert code(client, "DeleteKey", r"SOFTWARE\A") == DENIED
    assert code(client, "DeleteKey", r"SOFTWARE\A\B\C") == 0
    assert call(client, "EnumKey", r"SOFTWARE\A\B") == {"ReturnValue": 0, "sNames": None}
    assert code(client, "DeleteKey", r"SOFTWARE\A\B\C") == NO_KEY


def test_the_provider_stands_in_cimv2_too(client: Client) -> None:
    there = CimReference("StdRegProv", {}, "root/cimv2")
    outputs = client.call(there, "GetStringValue", sSubKeyName=TIME, sValueName="Type")
    assert outputs["sValue"] == "NTP"


def test_changes_outlive_a_restart_and_defaults_follow_the_file(make_host: MakeHost) -> None:
    client = make_host()
    assert code(client, "CreateKey", r"SOFTWARE\Contoso") == 0
    assert code(client, "SetDWORDValue", r"SOFTWARE\Contoso", sValueName="N", uValue=3) == 0
    assert code(client, "DeleteValue", TIME, sValueName="Type") == 0
    assert code(client, "DeleteKey", r"SYSTEM\CurrentControlSet\Services\W32Time\TimeProviders\NtpServer") == 0
    client.inside.close()
    client = make_host(edition="standard")
    assert call(client, "GetDWORDValue", r"SOFTWARE\Contoso", sValueName="N")["uValue"] == 3
    assert code(client, "GetStringValue", TIME, sValueName="Type") == NO_VALUE
    providers = call(client, "EnumKey", r"SYSTEM\CurrentControlSet\Services\W32Time\TimeProviders")["sNames"]
    assert providers == ["NtpClient", "VMICTimeProvider"]
    edition = call(client, "GetStringValue", r"SOFTWARE\Microsoft\Windows NT\CurrentVersion", sValueName="EditionID")
    assert edition["sValue"] == "ServerStandard"


def test_a_start_mode_is_the_same_in_the_registry_and_as_an_instance(client: Client) -> None:
    key = r"SYSTEM\CurrentControlSet\Services\MSiSCSI"
    assert call(client, "GetDWORDValue", key, sValueName="Start")["uValue"] == 3
    service = CimReference("Win32_Service", {"Name": "MSiSCSI"}, "root/cimv2")
    client.do(service, "ChangeStartMode", StartMode="Automatic")
    assert call(client, "GetDWORDValue", key, sValueName="Start")["uValue"] == 2
    assert code(client, "SetDWORDValue", key, sValueName="Start", uValue=4) == 0
    assert client.service.get(service).get("StartMode") == "Disabled"


def test_hyper_vs_settings_are_the_same_in_the_registry_and_as_an_instance(client: Client) -> None:
    # real-instances 5.6
    key = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Virtualization"
    settings = client.one("select * from Msvm_VirtualSystemManagementServiceSettingData")
    lowest = call(client, "GetBinaryValue", key, sValueName="MinimumMacAddress")["uValue"]
    assert lowest == bytes.fromhex(settings.text("MinimumMacAddress"))
    assert code(client, "SetStringValue", key, sValueName="DefaultVirtualHardDiskPath", sValue="C:\\disks") == 0
    settings = client.one("select * from Msvm_VirtualSystemManagementServiceSettingData")
    assert settings.get("DefaultVirtualHardDiskPath") == "C:\\disks"


def test_the_time_servers_of_the_registry_count_when_the_service_starts(client: Client) -> None:
    assert code(client, "SetStringValue", TIME, sValueName="NtpServer", sValue="ntp.test,0x8") == 0
    shell = client.inside.system.shell
    shell.run("net stop w32time && net start w32time", "Administrator")
    assert shell.run("w32tm /query /source", "Administrator").stdout == "ntp.test,0x8 \r\n"


def test_only_administrators_write(make_host: MakeHost) -> None:
    client = make_host(account=(AccountConfig("reader", "x"),))
    reader = Caller("HV1\\reader")
    read = {"hDefKey": LOCAL_MACHINE, "sSubKeyName": TIME, "sValueName": "Type"}
    assert client.service.invoke(PROVIDER, "GetStringValue", read, reader)["sValue"] == "NTP"
    assert (
        client.service.invoke(PROVIDER, "SetStringValue", {**read, "sValue": "NoSync"}, reader)["ReturnValue"] == DENIED
    )
    checked = client.service.invoke(PROVIDER, "CheckAccess", {"sSubKeyName": TIME, "uRequired": 2}, reader)
    assert (checked["ReturnValue"], checked["bGranted"]) == (DENIED, False)


def test_the_file_sets_values(make_host: MakeHost) -> None:
    key = r"HKLM\SOFTWARE\Contoso"
    values = (
        RegistryConfig(key, "N", "REG_DWORD", "0x10"),
        RegistryConfig(key, "B", "REG_BINARY", "00 ff"),
        RegistryConfig(key, "M", "REG_MULTI_SZ", values=("a", "b")),
    )
    client = make_host(registry=values)
    short = r"SOFTWARE\Contoso"
    assert call(client, "GetDWORDValue", short, sValueName="N")["uValue"] == 16
    assert call(client, "GetBinaryValue", short, sValueName="B")["uValue"] == b"\x00\xff"
    assert call(client, "GetMultiStringValue", short, sValueName="M")["sValue"] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"key": r"SOFTWARE\X"}, "write a hive"),
        ({"key": r"HKLM\X", "type": "REG_DWORD", "value": "many"}, "write a number"),
        ({"key": r"HKLM\X", "type": "REG_DWORD", "value": "0x100000000"}, "fits into"),
        ({"key": r"HKLM\X", "type": "REG_BINARY", "value": "xyz"}, "hexadecimal"),
        ({"key": r"HKLM\X", "values": ("a",)}, "REG_MULTI_SZ"),
    ],
)
def test_a_wrong_value_in_the_file_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RegistryConfig(**values)  # type: ignore[arg-type]  # as the file has it


class TestRegCommand:
    def test_a_value_is_added_read_and_deleted(self, client: Client) -> None:
        run = client.inside.system.shell.run
        assert run(r"reg add HKLM\SOFTWARE\X /v N /t REG_DWORD /d 5 /f", "Administrator").exit_code == 0
        assert "    N    REG_DWORD    0x5\r\n" in run(r"reg query HKLM\SOFTWARE\X /v N", "Administrator").stdout
        assert call(client, "GetDWORDValue", r"SOFTWARE\X", sValueName="N")["uValue"] == 5
        assert run(r"reg delete HKLM\SOFTWARE\X /f", "Administrator").exit_code == 0
        assert run(r"reg query HKLM\SOFTWARE\X", "Administrator").exit_code == 1
