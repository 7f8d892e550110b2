"""WinRS: shells and commands, by pywinrm and pypsrp as their users write it, and by raw requests where they look away.

MS-WSMV 3.1.4.5.2 (Create), 3.1.4.11 to 3.1.4.14 (Command, Signal, Send, Receive); 2.2.4.42 and the WinRM documentation
for the quotas.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import winrm
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.quotas import Quotas
from tests.simulated import Simulate
from tests.simulator.wire.raw import NS, Answer, RawClient

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
CMD = f"{SHELL}/cmd"
RSP = f'xmlns:rsp="{SHELL}"'


@pytest.fixture
def host(simulate: Simulate) -> SimulatedHost:
    quotas = Quotas(max_shells_per_user=2, max_processes_per_shell=2, max_concurrent_operations_per_user=3)
    return simulate(name="HV1", memory_mb=32768, allow_basic=True, allow_unencrypted=True, quotas=quotas)


@pytest.fixture
def raw(host: SimulatedHost) -> Iterator[RawClient]:
    client = RawClient(host.config)
    yield client
    client.close()


@pytest.fixture
def pywinrm(host: SimulatedHost) -> winrm.Session:
    url = f"http://{host.config.address}:5985/wsman"
    return winrm.Session(url, auth=(host.config.username, host.config.password), transport="ntlm")


@pytest.fixture
def pypsrp_client(host: SimulatedHost) -> Iterator[WSMan]:
    client = WSMan(
        host.config.address,
        ssl=False,
        auth="negotiate",
        username=host.config.username,
        password=host.config.password,
        reconnection_retries=0,
    )
    yield client
    client.transport.close()


def opened(raw: RawClient, content: str = "", headers: str = "", attributes: str = "") -> Answer:
    body = f"<rsp:Shell {RSP}{attributes}>{content}</rsp:Shell>"
    return raw.request(f"{NS['x']}/Create", CMD, body, headers=headers)


def in_shell(raw: RawClient, action: str, body: str, shell: str | None) -> Answer:
    keys = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
    return raw.request(action, CMD, body, selectors=keys)


def shell_of(answer: Answer) -> str | None:
    return answer.text(".//x:ResourceCreated//w:Selector")


def started(raw: RawClient, shell: str | None, line: str = "hostname") -> Answer:
    body = f"<rsp:CommandLine {RSP}><rsp:Command>{line}</rsp:Command></rsp:CommandLine>"
    return in_shell(raw, f"{SHELL}/Command", body, shell)


class TestPywinrm:
    def test_hostname(self, pywinrm: winrm.Session) -> None:
        result = pywinrm.run_cmd("hostname")
        assert (result.std_out, result.std_err, result.status_code) == (b"HV1\r\n", b"", 0)

    def test_systeminfo_tells_what_the_instances_tell(self, pywinrm: winrm.Session) -> None:
        text = pywinrm.run_cmd("systeminfo").std_out.decode()
        facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith(" "))
        assert facts["Host Name"].strip() == "HV1"
        assert facts["OS Name"].strip() == "Microsoft Windows Server 2022 Datacenter"
        assert facts["OS Version"].strip() == "10.0.20348 N/A Build 20348"
        assert facts["Total Physical Memory"].strip() == "32,768 MB"
        assert facts["Processor(s)"].strip() == "1 Processor(s) Installed."

    def test_ipconfig_tells_the_hosts_address(self, host: SimulatedHost, pywinrm: winrm.Session) -> None:
        text = pywinrm.run_cmd("ipconfig", ["/all"]).std_out.decode()
        assert f"   IPv4 Address. . . . . . . . . . . : {host.config.address}\r\n" in text
        assert "   Host Name . . . . . . . . . . . . : HV1\r\n" in text
        assert "Ethernet adapter " in text

    def test_w32tm_tells_whether_the_service_runs(self, host: SimulatedHost, pywinrm: winrm.Session) -> None:
        running = pywinrm.run_cmd("w32tm", ["/query", "/status"])
        assert running.status_code == 0
        assert b"Leap Indicator: 0(no warning)\r\nStratum: " in running.std_out
        repository = host.inside.repository
        (service,) = [s for s in repository.instances("Win32_Service", "root/cimv2") if s.text("Name") == "W32Time"]
        repository.change(repository.reference_of(service), {"State": "Stopped"})
        stopped = pywinrm.run_cmd("w32tm", ["/query", "/status"])
        assert b"The service has not been started. (0x80070426)" in stopped.std_out
        assert stopped.status_code == -2147023834

    def test_any_other_command_exits_1_as_cmd_does(self, pywinrm: winrm.Session) -> None:
        result = pywinrm.run_cmd("format", ["c:"])
        assert (result.std_out, result.status_code) == (b"", 1)
        assert result.std_err == (
            b"'format' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
        )

    @pytest.mark.parametrize("line", ["HOSTNAME.EXE", r"C:\Windows\System32\hostname.exe", 'cmd /c "hostname"'])
    def test_a_command_may_be_named_as_cmd_takes_it(self, pywinrm: winrm.Session, line: str) -> None:
        assert pywinrm.run_cmd(line).std_out == b"HV1\r\n"

    def test_the_code_page_decides_how_text_is_encoded(self, pywinrm: winrm.Session) -> None:
        protocol = pywinrm.protocol
        for code_page, expected in ((65001, "'ä'".encode()), (437, "'ä'".encode("cp437"))):
            shell = protocol.open_shell(codepage=code_page)
            _, error, _ = protocol.get_command_output(shell, protocol.run_command(shell, "ä"))
            assert error.startswith(expected)
            protocol.close_shell(shell)


class TestPypsrp:
    @pytest.mark.parametrize("signal", [SignalCode.TERMINATE, SignalCode.CTRL_C, SignalCode.CTRL_BREAK])
    def test_a_process_in_a_shell(self, pypsrp_client: WSMan, signal: str) -> None:
        with WinRS(pypsrp_client, environment={"LANG": "en"}, working_directory="C:\\") as shell:
            assert shell.owner == "HV1\\Administrator"
            process = Process(shell, "hostname")
            process.invoke()
            process.signal(signal)
            assert (process.rc, process.stdout, process.stderr) == (0, b"HV1\r\n", b"")

    def test_what_is_sent_to_a_command_is_taken(self, pypsrp_client: WSMan) -> None:
        with WinRS(pypsrp_client) as shell:
            process = Process(shell, "ipconfig")
            process.begin_invoke()
            process.send(b"y\r\n")
            process.end_invoke()
            assert process.rc == 0

    def test_the_client_may_choose_the_shells_identifier(self, pypsrp_client: WSMan) -> None:
        chosen = "11111111-2222-4333-8444-555555555555"
        with WinRS(pypsrp_client, id=chosen, idle_time_out=42, name="mine") as shell:
            assert shell.id == chosen
            described = shell._get_shell()
            assert (described["Name"], described["IdleTimeOut"]) == ("mine", "PT42.000S")


class TestShells:
    def test_a_shell_is_created_with_its_reference_and_description(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.5.2."""
        answer = opened(raw, "<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout</rsp:OutputStreams>")
        assert answer.text(".//a:Action") == f"{NS['x']}/CreateResponse"
        assert answer.text(".//x:ResourceCreated//w:ResourceURI") == CMD
        assert answer.text(f".//{{{SHELL}}}ShellId") == shell_of(answer)
        assert answer.text(f".//{{{SHELL}}}OutputStreams") == "stdout"
        assert answer.text(f".//{{{SHELL}}}IdleTimeOut") == "PT180.000S"

    def test_shells_of_a_user_are_limited(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.5.2.1."""
        shells = [opened(raw) for _ in range(2)]
        refused = opened(raw)
        assert refused.fault == ("w:QuotaLimit", None, "2150859173")
        assert "maximum number of concurrent shells for this user" in (refused.text(".//s:Text") or "")
        assert in_shell(raw, f"{NS['x']}/Delete", "", shell_of(shells[0])).status == 200
        assert opened(raw).status == 200

    def test_commands_of_a_shell_and_of_a_user_are_limited(self, raw: RawClient) -> None:
        """MaxProcessesPerShell, here 2; MaxConcurrentOperationsPerUser, here 3 (MS-WSMV 3.1.4.11)."""
        first, second = shell_of(opened(raw)), shell_of(opened(raw))
        assert [started(raw, first).status for _ in range(2)] == [200, 200]
        assert started(raw, first).fault == ("w:QuotaLimit", None, "2150859241")
        assert started(raw, second).status == 200
        assert started(raw, second).fault == ("w:QuotaLimit", None, "2150859174")

    def test_a_shell_nobody_uses_is_gone(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.31.5; the fault as clients of real hosts know it."""
        shell = shell_of(opened(raw, "<rsp:IdleTimeOut>PT0.200S</rsp:IdleTimeOut>"))
        assert started(raw, shell).status == 200
        time.sleep(0.3)
        gone = started(raw, shell)
        assert gone.fault[0] == "w:InvalidSelectors"
        assert gone.fault[2] == "2150858843"
        assert "the shell was not found on the server" in (gone.text(".//s:Text") or "")

    def test_a_lifetime_ends_a_shell(self, raw: RawClient) -> None:
        shell = shell_of(opened(raw, "<rsp:Lifetime>PT0.200S</rsp:Lifetime>"))
        time.sleep(0.3)
        assert started(raw, shell).fault[0] == "w:InvalidSelectors"

    def test_both_streams_end_and_the_state_is_done(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.14, note 122."""
        shell = shell_of(opened(raw))
        command = started(raw, shell).text(f".//{{{SHELL}}}CommandId")
        desired = f'<rsp:DesiredStream CommandId="{command}">stdout stderr</rsp:DesiredStream>'
        body = f"<rsp:Receive {RSP}>{desired}</rsp:Receive>"
        answer = in_shell(raw, f"{SHELL}/Receive", body, shell)
        ends = [each.get("Name") for each in answer.all(f".//{{{SHELL}}}Stream") if each.get("End") == "true"]
        assert ends == ["stdout", "stderr"]
        state = answer.find(f".//{{{SHELL}}}CommandState")
        assert state is not None
        assert state.get("State") == f"{SHELL}/CommandState/Done"

    @pytest.mark.parametrize(
        ("content", "headers", "attributes", "code"),
        [
            ("", "", ' ShellId="nonsense"', "2150859221"),
            ("", '<w:OptionSet><w:Option Name="WINRS_CODEPAGE">99</w:Option></w:OptionSet>', "", "2150859072"),
            ("<rsp:Lifetime>soon</rsp:Lifetime>", "", "", "2150858817"),
        ],
    )
    def test_a_shell_that_can_not_be_is_refused(
        self, raw: RawClient, content: str, headers: str, attributes: str, code: str
    ) -> None:
        assert opened(raw, content, headers, attributes).fault[2] == code

    def test_other_resources_and_actions_of_shells_are_refused(self, raw: RawClient) -> None:
        """A custom shell that is not configured; Get goes to the URI of all shells (MS-WSMV note 103)."""
        custom = raw.request(f"{NS['x']}/Create", f"{SHELL}/Custom", f"<rsp:Shell {RSP}/>")
        assert custom.fault[:2] == ("a:DestinationUnreachable", "InvalidResourceURI")
        assert raw.request(f"{NS['x']}/Get", CMD).fault[0] == "a:ActionNotSupported"
        assert raw.request(f"{SHELL}/Disconnect", CMD).fault[0] == "a:ActionNotSupported"
        assert raw.request(f"{SHELL}/Command", CMD, f"<rsp:Send {RSP}/>").fault[0] == "w:SchemaValidationError"
