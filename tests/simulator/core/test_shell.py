"""Command lines: what is typed and what is printed; what they change is looked at elsewhere, too."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.values import CimReference
from hyperv_simulator.config.operating_system import AccountConfig
from hyperv_simulator.operating_system.shell.context import Output
from tests.simulator.core.client import Client
from tests.simulator.core.conftest import MakeHost

CIMV2 = "root/cimv2"


def run(client: Client, line: str, user: str = "HV1\\Administrator") -> Output:
    return client.inside.system.shell.run(line, user)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("hostname & hostname", 0),
        ("powershell Get-Service && hostname", 1),
        ("powershell Get-Service & hostname", 0),
        ('cmd /c "net stop w32time"', 0),
        ("net stop nonsense", 2),
        ("net stop bfe", 2),
        ("net start vmms", 2),
        ("sc query nonsense", 1060),
        ("sc start vmms", 1056),
        ("sc stop msiscsi", 1062),
        ("w32tm /monitor", 1),
        ("reg query HKXX\\A", 1),
        ("dism /online /enable-feature /featurename:Nonsense", -2146498548),
    ],
)
def test_exit_codes(client: Client, line: str, code: int) -> None:
    assert run(client, line).exit_code == code


def test_net_stops_what_depends_where_it_is_told_to(client: Client) -> None:
    printed = run(client, "net stop bfe /y").stdout
    assert "The Windows Defender Firewall service was stopped successfully." in printed
    assert "The Base Filtering Engine service was stopped successfully." in printed


def test_sc_gives_a_service_its_account(client: Client) -> None:
    # prerequisites: live migration
    line = 'sc.exe config vds obj="HV\\nova" password="secret" start= auto'
    assert run(client, line).stdout == "[SC] ChangeServiceConfig SUCCESS\r\n"
    service = client.one("select * from Win32_Service where Name = 'vds'", CIMV2)
    assert (service.get("StartName"), service.get("StartMode")) == ("HV\\nova", "Auto")
    assert "START_TYPE         : 2   AUTO_START" in run(client, "sc qc vds").stdout


def test_sc_tells_the_state(client: Client) -> None:
    assert "        STATE              : 4  RUNNING " in run(client, "sc query vmms").stdout


def test_dism_turns_multipath_on(client: Client) -> None:
    # prerequisites: Multipath IO, the command that Enable-WindowsOptionalFeature stands for
    assert run(client, "dism /online /enable-feature /featurename:MultipathIo").exit_code == 0
    info = run(client, "dism /online /get-featureinfo /featurename:MultipathIo").stdout
    assert "State : Enabled" in info
    assert run(client, "sc query mpio").exit_code == 0


def test_dism_says_that_hyper_v_wants_a_restart(make_host: MakeHost) -> None:
    client = make_host(features=())
    assert run(client, "dism /online /enable-feature /featurename:Microsoft-Hyper-V /all /norestart").exit_code == 3010


def test_mpclaim_claims_devices_in_the_registry(make_host: MakeHost) -> None:
    client = make_host(features=("Multipath-IO",))
    line = 'mpclaim -n -i -d "MSFT2005iSCSIBusType_0x9"'
    assert run(client, line).stdout == "Success, reboot required.\r\n"
    claimed = client.inside.system.registry.texts(
        r"HKLM\SYSTEM\CurrentControlSet\Control\MPDEV", "MPIOSupportedDeviceList"
    )
    assert "MSFT2005iSCSIBusType_0x9" in claimed
    assert '"MSFT2005iSCSIBusType_0x9"' in run(client, "mpclaim -h").stdout


def test_without_the_feature_there_is_no_mpclaim(client: Client) -> None:
    assert run(client, "mpclaim -h").exit_code == 1


def test_bcdedit_changes_the_boot_entry(client: Client) -> None:
    assert "hypervisorlaunchtype    Auto\r\n" in run(client, "bcdedit /enum {current}").stdout
    assert run(client, "bcdedit /set {current} hypervisorlaunchtype Off").exit_code == 0
    assert "hypervisorlaunchtype    Off\r\n" in run(client, "bcdedit").stdout
    assert run(client, "bcdedit /deletevalue hypervisorlaunchtype").exit_code == 0
    assert "hypervisorlaunchtype    Auto\r\n" in run(client, "bcdedit").stdout


@pytest.mark.parametrize(
    "line",
    ["net stop w32time", "sc stop w32time", "w32tm /config /update", "bcdedit", "shutdown /r", "reg add HKLM\\X"],
)
def test_who_is_no_administrator_changes_nothing(make_host: MakeHost, line: str) -> None:
    client = make_host(account=(AccountConfig("reader", "x"),))
    assert run(client, line, "HV1\\reader").exit_code != 0
    assert client.inside.system.services.runs("W32Time")


def test_a_process_runs_a_command_line(client: Client) -> None:
    target = CimReference("Win32_Process", {}, CIMV2)
    outputs = client.do(target, "Create", CommandLine="cmd /c net stop w32time")
    assert isinstance(outputs["ProcessId"], int)
    assert not client.inside.system.services.runs("W32Time")
    assert client.call(target, "Create", CommandLine="nonsense.exe")["ReturnValue"] == 9


def test_folders_are_made_on_the_hosts_disk(client: Client) -> None:
    folder = client.inside.disks.folder
    assert run(client, r'mkdir "C:\OpenStack\My Instances"').exit_code == 0
    assert folder.to_local(r"c:\openstack\my instances").is_dir()
    assert run(client, r"md C:\OpenStack").exit_code == 1
    assert run(client, r"rmdir C:\OpenStack").exit_code == 145
    assert run(client, r"cmd /c rd /s /q C:\OpenStack").exit_code == 0
    assert not folder.exists(r"C:\OpenStack")
    assert run(client, r"mkdir Z:\X").exit_code == 1


def test_whoami_and_ver(client: Client) -> None:
    assert run(client, "whoami").stdout == "hv1\\administrator\r\n"
    assert run(client, "ver").stdout == "\r\nMicrosoft Windows [Version 10.0.20348.1]\r\n"
