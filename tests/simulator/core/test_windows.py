"""Windows around Hyper-V: services, features, restarts, time, accounts, and what it tells of itself."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.operating_system import AccountConfig, HardwareConfig, ServiceConfig
from hyperv_simulator.operating_system.clock import HostClock
from hyperv_simulator.operating_system.shell.context import Output
from hyperv_simulator.repository import wmi_faults
from hyperv_simulator.service import Caller
from tests.simulator.core.client import Client
from tests.simulator.core.conftest import MakeHost

CIMV2 = "root/cimv2"
SERVER_MANAGER = "root/microsoft/windows/servermanager"
AVAILABLE, INSTALLED, UNINSTALL_PENDING, INSTALL_PENDING = range(4)
ADMINISTRATOR = "HV1\\Administrator"


def service(name: str) -> CimReference:
    return CimReference("Win32_Service", {"Name": name}, CIMV2)


def state(client: Client, name: str) -> CimValue:
    return client.service.get(service(name)).get("State")


def run(client: Client, line: str, user: str = ADMINISTRATOR) -> Output:
    return client.inside.system.shell.run(line, user)


def windows(client: Client) -> CimInstance:
    return client.one("select * from Win32_OperatingSystem", CIMV2)


def restarted(client: Client, make_host: MakeHost, **settings: Any) -> Client:
    client.inside.go_down()
    return make_host(**settings)


class TestServices:
    def test_a_service_is_started_with_what_it_needs(self, make_host: MakeHost) -> None:
        client = make_host(domain="hv.test", service=(ServiceConfig("LanmanWorkstation", running=False),))
        assert client.call(service("Netlogon"), "StopService")["ReturnValue"] == 0
        assert client.call(service("Netlogon"), "StartService")["ReturnValue"] == 0
        assert (state(client, "Netlogon"), state(client, "LanmanWorkstation")) == ("Running", "Running")

    def test_a_service_that_others_need_is_not_stopped_under_them(self, client: Client) -> None:
        assert client.call(service("BFE"), "StopService")["ReturnValue"] == 3
        client.do(service("mpssvc"), "StopService")
        client.do(service("BFE"), "StopService")
        assert state(client, "BFE") == "Stopped"

    @pytest.mark.parametrize(
        ("name", "method", "code"),
        [
            ("vmms", "StartService", 10),
            ("MSiSCSI", "StopService", 5),
            ("WinRM", "StopService", 5),
            ("vmms", "PauseService", 4),
        ],
    )
    def test_what_can_not_be_is_refused(self, client: Client, name: str, method: str, code: int) -> None:
        assert client.call(service(name), method)["ReturnValue"] == code

    def test_a_disabled_service_does_not_start(self, client: Client) -> None:
        client.do(service("MSiSCSI"), "ChangeStartMode", StartMode="Disabled")
        assert client.call(service("MSiSCSI"), "StartService")["ReturnValue"] == 14

    def test_start_modes_outlive_a_restart_and_decide_what_runs(self, client: Client, make_host: MakeHost) -> None:
        client.do(service("MSiSCSI"), "ChangeStartMode", StartMode="Automatic")
        client.do(service("W32Time"), "ChangeStartMode", StartMode="Disabled")
        client = restarted(client, make_host)
        assert (state(client, "MSiSCSI"), state(client, "W32Time")) == ("Running", "Stopped")

    def test_a_service_gets_a_domain_account(self, client: Client) -> None:
        # hyperv-ops 6: what is left out stays
        outputs = client.call(service("vds"), "Change", StartName="HV\\nova", StartPassword="secret")
        changed = client.service.get(service("vds"))
        assert (outputs["ReturnValue"], changed.get("StartName"), changed.get("DisplayName")) == (
            0,
            "HV\\nova",
            "Virtual Disk",
        )
        assert client.call(service("vds"), "Change", StartName="nobody")["ReturnValue"] == 22

    def test_a_service_is_created_and_deleted(self, client: Client) -> None:
        created = CimReference("Win32_Service", {}, CIMV2)
        values: dict[str, CimValue] = {"Name": "openstack", "DisplayName": "Agent", "PathName": "C:\\agent.exe"}
        assert client.call(created, "Create", **values, StartMode="Automatic")["ReturnValue"] == 0
        assert client.call(created, "Create", **values)["ReturnValue"] == 23
        client.do(service("openstack"), "StartService")
        client.do(service("openstack"), "Delete")
        assert client.query("select * from Win32_Service where Name = 'openstack'", CIMV2) == []

    def test_dependencies_are_associations(self, client: Client) -> None:
        text = "ASSOCIATORS OF {Win32_Service.Name='vmms'} WHERE AssocClass=Win32_DependentService Role=Dependent"
        assert {item.get("Name") for item in client.query(text, CIMV2)} == {"RpcSs", "Winmgmt"}

    def test_while_vmms_is_stopped_hyper_v_is_silent_and_guests_go_on(
        self, client: Client, machine: CimReference
    ) -> None:
        client.change_state(machine, 2)
        client.do(service("vmms"), "StopService")
        assert client.query("select * from Msvm_ComputerSystem") == []
        with pytest.raises(SoapFault) as excinfo:
            client.service.get(machine)
        assert excinfo.value.innermost_code == wmi_faults.WBEM_E_NOT_FOUND
        client.do(service("vmms"), "StartService")
        assert client.state(machine) == 2


def guid() -> CimInstance:
    number = uuid.uuid4().int
    halves = {"HighHalf": number >> 64, "LowHalf": number & (2**64 - 1)}
    return CimInstance("MSFT_ServerManagerRequestGuid", halves, SERVER_MANAGER)


def alter(client: Client, method: str, descriptor: str) -> CimInstance:
    """Installs or removes a feature; the request's state when it is complete."""
    tasks = CimReference("MSFT_ServerManagerDeploymentTasks", {}, SERVER_MANAGER)
    request = guid()
    descriptors = [CimInstance(f"ServerComponent_{descriptor}", {}, SERVER_MANAGER)]
    outputs = client.call(tasks, method, RequestGuid=request, ServerComponentDescriptors=descriptors)
    assert outputs["ReturnValue"] == 0
    outputs = client.call(
        tasks, "GetAlterationRequestState", RequestGuid=request, KeepAlterationStateOnRestartRequired=True
    )
    found = outputs["AlterationState"]
    assert isinstance(found, CimInstance)
    return found


def installed(client: Client, name: str) -> int:
    tasks = CimReference("MSFT_ServerManagerDeploymentTasks", {}, SERVER_MANAGER)
    components = client.call(tasks, "GetServerComponentsAsync", RequestGuid=guid())["ServerComponents"]
    assert isinstance(components, list)
    found = {item.text("UniqueName"): item for item in components if isinstance(item, CimInstance)}
    return found[name].integer("Installed")


class TestFeatures:
    def test_mpio_is_there_at_once_with_its_driver_and_its_registry_keys(self, client: Client) -> None:
        assert installed(client, "Multipath-IO") == AVAILABLE
        done = alter(client, "AddServerComponentAsync", "Multipath_IO")
        assert (done.get("RequestState"), done.get("RestartRequired")) == (1, False)
        assert installed(client, "Multipath-IO") == INSTALLED
        assert client.one("select * from Win32_SystemDriver where Name = 'mpio'", CIMV2).get("State") == "Running"
        assert client.query("select * from Win32_ServerFeature where ID = 57", CIMV2)
        optional = client.one("select * from Win32_OptionalFeature where Name = 'MultipathIo'", CIMV2)
        assert optional.get("InstallState") == 1

    def test_hyper_v_is_there_after_a_restart(self, make_host: MakeHost) -> None:
        client = make_host(features=())
        with pytest.raises(SoapFault) as excinfo:
            client.query("select * from Msvm_ComputerSystem")
        assert excinfo.value.innermost_code == wmi_faults.WBEM_E_INVALID_NAMESPACE
        assert client.query("select * from Win32_Service where Name = 'vmms'", CIMV2) == []
        assert client.one("select * from Win32_ComputerSystem", CIMV2).get("HypervisorPresent") is False
        done = alter(client, "AddServerComponentAsync", "HyperV")
        assert (done.get("RequestState"), done.get("RestartRequired")) == (1, True)
        assert installed(client, "Hyper-V") == INSTALL_PENDING
        pending = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending"
        assert client.inside.system.registry.has_key(pending)
        client = restarted(client, make_host, features=())
        assert installed(client, "Hyper-V") == INSTALLED
        assert not client.inside.system.registry.has_key(pending)
        assert state(client, "vmms") == "Running"
        assert client.one("select * from Win32_ComputerSystem", CIMV2).get("HypervisorPresent") is True
        assert client.query("select * from Msvm_VirtualSystemManagementService")

    def test_hyper_v_goes_with_a_restart(self, client: Client, make_host: MakeHost) -> None:
        alter(client, "RemoveServerComponentAsync", "HyperV")
        assert installed(client, "Hyper-V") == UNINSTALL_PENDING
        assert state(client, "vmms") == "Running"
        client = restarted(client, make_host)
        assert client.query("select * from Win32_Service where Name = 'vmms'", CIMV2) == []

    def test_a_machine_that_can_not_run_it_does_not_get_hyper_v(self, make_host: MakeHost) -> None:
        client = make_host(features=(), hardware=HardwareConfig(virtualization_enabled=False))
        failed = alter(client, "AddServerComponentAsync", "HyperV")
        error = failed.get("Error")
        assert failed.get("RequestState") == 2
        assert isinstance(error, CimInstance)
        assert error.text("ErrorMessage").endswith("because virtualization support is not enabled in the BIOS.")
        assert installed(client, "Hyper-V") == AVAILABLE

    def test_an_unknown_feature_in_the_file_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"features is .*'Hyper-W'.*write some of .*Hyper-V"):
            HostConfig(features=("Hyper-W",))


class TestRestarts:
    def test_windows_asks_for_a_restart_and_a_shutdown(self, client: Client) -> None:
        asked: list[str] = []
        client.inside.system.power.listener = asked.append
        target = CimReference("Win32_OperatingSystem", {}, CIMV2)
        client.do(target, "Reboot")
        client.do(target, "Win32Shutdown", Flags=6)
        client.do(target, "Win32Shutdown", Flags=1)
        assert client.call(target, "Win32Shutdown", Flags=64)["ReturnValue"] == 87
        run(client, "shutdown /r /t 0")
        assert asked == ["restart", "restart", "shut down", "restart"]

    @pytest.mark.parametrize(
        ("action", "start", "after"), [(3, 3, 2), (3, 2, 6), (2, 3, 2), (2, 2, 3), (4, 3, 2), (4, 4, 2)]
    )
    def test_machines_end_and_come_back_as_they_are_set(
        self, make_host: MakeHost, action: int, start: int, after: int
    ) -> None:
        client = make_host()
        settings = {"AutomaticShutdownAction": action, "AutomaticStartupAction": start}
        machine = client.define(**settings)
        client.change_state(machine, 2)
        client = restarted(client, make_host)
        found = client.inside.machines.find(machine.key("Name"))
        assert found is not None
        for job in client.query("select * from Msvm_ConcreteJob"):
            client.ended_job({"ReturnValue": 4096, "Job": client.service.reference_of(job)})
        assert client.state(machine) == after

    def test_an_update_that_waits_is_done_after_a_restart(self, make_host: MakeHost) -> None:
        key = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired"
        client = make_host(reboot_pending=True)
        assert client.inside.system.registry.has_key(key)
        client = restarted(client, make_host, reboot_pending=True)
        assert not client.inside.system.registry.has_key(key)


class TestTime:
    def test_a_skewed_clock_shows_everywhere(self, make_host: MakeHost) -> None:
        client = make_host(clock_offset_s=7200.0)
        true = dt.datetime.now(dt.UTC)
        local = windows(client)["LocalDateTime"]
        assert isinstance(local, dt.datetime)
        assert abs((local - true).total_seconds() - 7200) < 60
        utc = client.one("select * from Win32_UTCTime", CIMV2)
        assert utc.integer("Hour") == local.hour
        chart = run(client, "w32tm /stripchart /computer:time.windows.com /samples:1 /dataonly").stdout
        assert ", -7200.0" in chart
        client.inside.system.clock.jump(-7200)
        assert ", -0000.0" in run(client, "w32tm /stripchart /computer:x /dataonly").stdout.replace("+", "-").replace(
            "-00.", "-0000."
        )

    def test_a_clock_drifts_and_goes_on_drifting_when_it_was_set_right(self) -> None:
        true = [1000.0]
        clock = HostClock(offset_s=5.0, drift_ppm=1e6, true_time=lambda: true[0])
        true[0] += 10
        assert clock.offset_s == pytest.approx(15)
        clock.synchronize()
        true[0] += 2
        assert (clock.offset_s, clock.time()) == (pytest.approx(2), pytest.approx(1014))

    def test_resync_sets_the_clock_right(self, make_host: MakeHost) -> None:
        client = make_host(clock_offset_s=-90.0)
        assert run(client, "w32tm /resync").stdout.endswith("The command completed successfully.\r\n")
        assert abs(client.inside.system.clock.offset_s) < 1

    def test_a_clock_too_far_off_is_left(self, make_host: MakeHost) -> None:
        client = make_host(clock_offset_s=200_000.0)
        assert "required time change was too big" in run(client, "w32tm /resync").stdout

    def test_without_an_answer_the_source_is_the_computers_own_clock(self, make_host: MakeHost) -> None:
        client = make_host(unreachable_time_servers=("*",))
        assert run(client, "w32tm /query /source").stdout == "Local CMOS Clock \r\n"
        assert "Leap Indicator: 3(not synchronized)" in run(client, "w32tm /query /status").stdout
        assert "no time data was available" in run(client, "w32tm /resync").stdout

    def test_the_first_server_that_answers_is_the_source(self, make_host: MakeHost) -> None:
        client = make_host(unreachable_time_servers=("time.windows.com",), clock_offset_s=30.0)
        assert run(client, "w32tm /query /source").stdout == "Local CMOS Clock \r\n"
        run(client, 'w32tm /config /manualpeerlist:"time.windows.com,0x8 ntp.test,0x8" /syncfromflags:manual /update')
        assert run(client, "w32tm /query /source").stdout == "ntp.test,0x8 \r\n"
        assert abs(client.inside.system.clock.offset_s) < 1

    def test_the_documented_commands_set_the_time_servers(self, client: Client) -> None:
        # prerequisites: NTP configuration
        assert run(client, "net stop w32time").exit_code == 0
        line = "w32tm /config /manualpeerlist:pool.ntp.org,0x8 /syncfromflags:MANUAL"
        assert run(client, line).stdout == "The command completed successfully.\r\n"
        assert run(client, "net start w32time").stdout.startswith("The Windows Time service is starting.")
        assert run(client, "w32tm /query /source").stdout == "pool.ntp.org,0x8 \r\n"
        parameters = r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time\Parameters"
        assert client.inside.system.registry.text(parameters, "NtpServer") == "pool.ntp.org,0x8"
        assert "Peer: pool.ntp.org,0x8" in run(client, "w32tm /query /peers").stdout
        assert "NtpServer: pool.ntp.org,0x8 (Local)" in run(client, "w32tm /query /configuration").stdout

    def test_a_member_of_a_domain_has_the_time_from_it(self, make_host: MakeHost) -> None:
        client = make_host(domain="hv.test")
        assert run(client, "w32tm /query /source").stdout == "dc.hv.test \r\n"


class TestEditions:
    @pytest.mark.parametrize(
        ("settings", "caption", "sku", "kind"),
        [
            ({"version": "2019", "edition": "standard"}, "Microsoft Windows Server 2019 Standard", 7, "Server"),
            (
                {"version": "2012r2", "edition": "datacenter-core"},
                "Microsoft Windows Server 2012 R2 Datacenter",
                12,
                "Server Core",
            ),
            ({"version": "2019", "edition": "hyperv"}, "Microsoft Hyper-V Server 2019", 42, "Server Core"),
            (
                {"version": "2025", "edition": "azure"},
                "Microsoft Windows Server 2025 Datacenter Azure Edition",
                407,
                "Server",
            ),
        ],
    )
    def test_an_edition_has_its_names(
        self, make_host: MakeHost, settings: dict[str, Any], caption: str, sku: int, kind: str
    ) -> None:
        client = make_host(**settings)
        found = windows(client)
        assert (found.get("Caption"), found.get("OperatingSystemSKU")) == (caption, sku)
        key = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
        registry = client.inside.system.registry
        assert registry.text(key, "InstallationType") == kind
        assert f"Microsoft {registry.text(key, 'ProductName')}" == caption

    def test_hyper_v_server_ended_with_2019(self) -> None:
        with pytest.raises(ConfigError, match="edition is 'hyperv'"):
            HostConfig(version="2022", edition="hyperv")


class TestMachineUnderWindows:
    def test_without_the_hypervisor_the_processor_tells_what_it_can(self, make_host: MakeHost) -> None:
        # real-instances 4.2
        client = make_host(features=(), hardware=HardwareConfig(slat=False))
        (processor,) = client.query("select * from Win32_Processor", CIMV2)
        assert processor.get("SecondLevelAddressTranslationExtensions") is False
        assert processor.get("VMMonitorModeExtensions") is True
        text = run(client, "systeminfo").stdout
        assert "Hyper-V Requirements:      VM Monitor Mode Extensions: Yes\r\n" in text
        assert "Second Level Address Translation: No\r\n" in text

    def test_with_the_hypervisor_that_is_hidden(self, client: Client) -> None:
        (processor,) = client.query("select * from Win32_Processor", CIMV2)
        assert processor.get("VirtualizationFirmwareEnabled") is False
        assert "A hypervisor has been detected." in run(client, "systeminfo").stdout

    def test_the_hypervisor_can_be_left_out_at_the_next_start(self, client: Client, make_host: MakeHost) -> None:
        run(client, "bcdedit /set hypervisorlaunchtype off")
        assert client.one("select * from Win32_ComputerSystem", CIMV2).get("HypervisorPresent") is True
        client = restarted(client, make_host)
        assert client.one("select * from Win32_ComputerSystem", CIMV2).get("HypervisorPresent") is False
        job = client.failed(client.define(), "RequestStateChange", RequestedState=2)
        assert "could not be started because the hypervisor is not running." in job.text("ErrorDescription")

    def test_a_member_of_a_domain_says_so(self, make_host: MakeHost) -> None:
        system = make_host(domain="hv.test").one("select * from Win32_ComputerSystem", CIMV2)
        assert (system.get("Domain"), system.get("PartOfDomain"), system.get("DomainRole")) == ("hv.test", True, 3)

    def test_memory_modules_make_up_the_memory(self, make_host: MakeHost) -> None:
        client = make_host(memory_mb=81920)
        modules = client.query("select * from Win32_PhysicalMemory", CIMV2)
        assert sum(module.integer("Capacity") for module in modules) == 81920 << 20

    @pytest.mark.parametrize(
        "class_name",
        ["Win32_ComputerSystemProduct", "Win32_BIOS", "Win32_BaseBoard", "Win32_SystemEnclosure", "Win32_TimeZone"],
    )
    def test_what_there_is_one_of(self, client: Client, class_name: str) -> None:
        assert len(client.service.enumerate(CIMV2, class_name)) == 1

    @pytest.mark.parametrize("class_name", ["Win32_NTLogEvent", "Win32_Printer", "Win32_TapeDrive"])
    def test_what_a_server_may_lack_is_empty(self, client: Client, class_name: str) -> None:
        assert client.service.enumerate(CIMV2, class_name) == []

    def test_counters_name_every_processor(self, make_host: MakeHost) -> None:
        client = make_host(cores=2, threads=4)
        name = "HvStats_HyperVHypervisorLogicalProcessor"
        rows = client.query(f"select * from Win32_PerfFormattedData_{name}", CIMV2)
        assert [row.get("Name") for row in rows] == ["_Total", *(f"Hv LP {n}" for n in range(4))]
        assert all(row.integer("PercentTotalRunTime") + row.integer("PercentIdleTime") == 100 for row in rows)
        raw = client.query(f"select * from Win32_PerfRawData_{name}", CIMV2)[0]
        assert raw.integer("PercentTotalRunTime_Base") == raw.integer("Timestamp_Sys100NS") > 0

    def test_partitions_lie_between_disks_and_volumes(self, client: Client) -> None:
        text = "ASSOCIATORS OF {Win32_LogicalDisk.DeviceID='C:'} WHERE AssocClass=Win32_LogicalDiskToPartition"
        (partition,) = client.query(text, CIMV2)
        assert partition.get("DeviceID") == "Disk #0, Partition #1"
        text = f"ASSOCIATORS OF {{Win32_DiskPartition.DeviceID='{partition.get('DeviceID')}'}}"
        found = {item.class_name: item for item in client.query(text, CIMV2)}
        assert found["Win32_DiskDrive"].get("Index") == 0
        assert found["Win32_LogicalDisk"].get("DeviceID") == "C:"

    def test_an_adapter_leads_to_its_configuration(self, client: Client) -> None:
        (configuration,) = client.query("select * from Win32_NetworkAdapterConfiguration where IPEnabled = true", CIMV2)
        text = f"ASSOCIATORS OF {{Win32_NetworkAdapterConfiguration.Index={configuration.get('Index')}}}"
        (adapter,) = client.query(text, CIMV2)
        assert (adapter.class_name, adapter.get("Index")) == ("Win32_NetworkAdapter", configuration.get("Index"))

    def test_services_belong_to_the_computer(self, client: Client) -> None:
        links = client.service.enumerate(CIMV2, "Win32_SystemServices")
        assert len(links) == len(client.service.enumerate(CIMV2, "Win32_Service"))

    def test_a_running_machine_has_a_worker_process(self, client: Client, machine: CimReference) -> None:
        client.change_state(machine, 2)
        (worker,) = client.query("select * from Win32_Process where Name = 'vmwp.exe'", CIMV2)
        assert machine.key("Name") in worker.text("CommandLine")
        assert windows(client).get("NumberOfProcesses") == len(client.service.enumerate(CIMV2, "Win32_Process"))

    def test_files_are_those_of_the_disk_behind(self, client: Client) -> None:
        path = client.create_disk("C:\\Data.vhdx")
        name = path.lower().replace("\\", "\\\\")
        file = client.one(f"select * from CIM_DataFile where Name = '{name}'", CIMV2)
        assert (file.get("Drive"), file.get("Path"), file.get("Extension")) == ("c:", "\\", "vhdx")
        reference = client.service.reference_of(file)
        client.do(reference, "Copy", FileName="C:\\Copy.vhdx")
        assert client.call(reference, "Copy", FileName="C:\\Copy.vhdx")["ReturnValue"] == 10
        client.do(reference, "Delete")
        assert client.query(f"select * from CIM_DataFile where Name = '{name}'", CIMV2) == []


class TestAccounts:
    @pytest.fixture
    def limited(self, make_host: MakeHost) -> Client:
        accounts = (
            AccountConfig("reader", "x", ("Remote Management Users",)),
            AccountConfig("operator", "x", ("Remote Management Users", "Hyper-V Administrators")),
            AccountConfig("stranger", "x", ("Users",)),
        )
        return make_host(account=accounts)

    @pytest.mark.parametrize(
        ("user", "namespace", "class_name", "changes", "allowed"),
        [
            ("Administrator", "root/virtualization/v2", "Msvm_ComputerSystem", True, True),
            ("nova@HV.TEST", "root/virtualization/v2", "Msvm_ComputerSystem", True, True),
            ("reader", CIMV2, "Win32_OperatingSystem", False, True),
            ("reader", CIMV2, "Win32_OperatingSystem", True, False),
            ("reader", CIMV2, "Win32_Service", False, False),
            ("reader", "root/virtualization/v2", "Msvm_ComputerSystem", False, False),
            ("operator", "root/virtualization/v2", "Msvm_ComputerSystem", True, True),
            ("operator", "root/microsoft/windows/storage", "MSFT_Disk", False, False),
            ("reader", "root/default", "StdRegProv", True, True),
            ("stranger", CIMV2, "Win32_OperatingSystem", False, False),
        ],
    )
    def test_groups_decide_what_is_allowed(
        self, limited: Client, user: str, namespace: str, class_name: str, changes: bool, allowed: bool
    ) -> None:
        accounts = limited.inside.system.accounts
        if allowed:
            accounts.admit_to(user, namespace, class_name, changes=changes)
        else:
            with pytest.raises(SoapFault) as excinfo:
                accounts.admit_to(user, namespace, class_name, changes=changes)
            assert excinfo.value.subcode == "w:AccessDenied"

    def test_who_is_no_administrator_changes_no_service(self, limited: Client) -> None:
        outputs = limited.service.invoke(service("vmms"), "StopService", {}, Caller("HV1\\operator"))
        assert outputs["ReturnValue"] == 2

    def test_members_of_a_group_are_associations(self, limited: Client) -> None:
        text = (
            "ASSOCIATORS OF {Win32_Group.Domain='HV1',Name='Remote Management Users'} WHERE AssocClass=Win32_GroupUser"
        )
        assert {item.get("Name") for item in limited.query(text, CIMV2)} == {"reader", "operator"}
