"""Clients that others wrote for real Windows hosts: pypsrp's WSMan class, and pywinrm."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from lxml import etree
from pypsrp.exceptions import WSManFaultError
from pypsrp.wsman import NAMESPACES, SelectorSet, WSMan, WSManAction
from winrm import Protocol
from winrm.exceptions import WSManFaultError as PywinrmFault

from tests.simulator.wire.conftest import MACHINES, SERVICE, WireHost
from tests.simulator.wire.raw import V2, envelope, selectors

SYSTEM = f"{V2}/Msvm_ComputerSystem"
NAMESPACES.setdefault("wsen", "http://schemas.xmlsoap.org/ws/2004/09/enumeration")


@pytest.fixture(params=["http, sealed", "https"])
def pypsrp_client(wire: WireHost, request: pytest.FixtureRequest) -> Iterator[WSMan]:
    ssl = request.param == "https"
    client = WSMan(
        wire.config.address,
        ssl=ssl,
        auth="negotiate",
        username=wire.config.username,
        password=wire.config.password,
        cert_validation=str(wire.ca_file) if ssl else True,
        reconnection_retries=0,
    )
    yield client
    client.transport.close()


def machine_selectors() -> SelectorSet:
    chosen = SelectorSet()
    chosen.add_option("CreationClassName", "Msvm_ComputerSystem")
    chosen.add_option("Name", MACHINES[0])
    return chosen


class TestPypsrp:
    def test_get(self, pypsrp_client: WSMan) -> None:
        body = pypsrp_client.get(SYSTEM, selector_set=machine_selectors())
        assert body[0].findtext(f"{{{SYSTEM}}}ElementName") == "vm1"

    def test_invoke(self, wire: WireHost, pypsrp_client: WSMan) -> None:
        service = f"{V2}/{SERVICE}"
        inputs = ET.Element(f"{{{service}}}DefineSystem_INPUT")
        ET.SubElement(inputs, f"{{{service}}}SystemSettings").text = "<INSTANCE CLASSNAME='ä'/>"
        chosen = SelectorSet()
        chosen.add_option("CreationClassName", SERVICE)
        answer = pypsrp_client.invoke(f"{service}/DefineSystem", service, inputs, selector_set=chosen)
        assert answer.findtext(f".//{{{service}}}ReturnValue") == "0"
        assert wire.recorder.calls[0].text("SystemSettings") == "<INSTANCE CLASSNAME='ä'/>"
        assert wire.recorder.calls[0].caller.user == "HV1\\Administrator"

    def test_enumerate_and_pull_to_the_end(self, pypsrp_client: WSMan) -> None:
        n, w = "{http://schemas.xmlsoap.org/ws/2004/09/enumeration}", f"{{{NAMESPACES['wsman']}}}"
        start = ET.Element(f"{n}Enumerate")
        ET.SubElement(start, f"{w}OptimizeEnumeration")
        ET.SubElement(start, f"{w}MaxElements").text = "2"
        wql = ET.SubElement(start, f"{w}Filter", {"Dialect": "http://schemas.microsoft.com/wbem/wsman/1/WQL"})
        wql.text = "SELECT * FROM Msvm_ComputerSystem"
        body = pypsrp_client.enumerate(f"{V2}/*", start)
        found = [item.findtext("{*}Name") for item in body.iterfind(f".//{w}Items/*")]
        while (context := body.findtext(f".//{n}EnumerationContext")) is not None:
            more = ET.Element(f"{n}Pull")
            ET.SubElement(more, f"{n}EnumerationContext").text = context
            body = pypsrp_client.pull(f"{V2}/*", more)
            found += [item.findtext("{*}Name") for item in body.iterfind(f".//{n}Items/*")]
        assert found == ["HV1", *MACHINES]

    def test_a_fault_is_read_with_its_code_machine_and_provider(self, pypsrp_client: WSMan) -> None:
        with pytest.raises(WSManFaultError) as caught:
            pypsrp_client.get(f"{V2}/Msvm_ConcreteJob", selector_set=machine_selectors())
        fault = caught.value
        assert (fault.code, fault.machine) == (2150858843, "HV1")
        assert fault.provider == "WMI Provider"
        assert "invalid selectors" in str(fault)

    def test_many_requests_on_one_connection(self, pypsrp_client: WSMan) -> None:
        for _ in range(50):
            pypsrp_client.get(SYSTEM, selector_set=machine_selectors())

    def test_an_unknown_action_is_a_fault(self, pypsrp_client: WSMan) -> None:
        with pytest.raises(WSManFaultError):
            pypsrp_client.invoke(WSManAction.COMMAND, SYSTEM, None)


class TestPywinrm:
    @pytest.fixture(params=["ntlm", "basic"])
    def client(self, wire: WireHost, request: pytest.FixtureRequest) -> Iterator[Protocol]:
        client = Protocol(
            f"http://{wire.config.address}:5985/wsman",
            transport=request.param,
            username=wire.config.username,
            password=wire.config.password,
        )
        yield client
        client.transport.close_session()

    def test_a_raw_request(self, client: Protocol) -> None:
        message = envelope(
            "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", SYSTEM, selectors=selectors({"Name": "HV1"})
        )
        assert etree.fromstring(client.send_message(message)).findtext(".//{*}ElementName") == "HV1"

    def test_a_shell_that_does_not_exist_is_a_fault_that_it_understands(self, client: Protocol) -> None:
        with pytest.raises(PywinrmFault) as caught:
            client.run_command("11111111-2222-4333-8444-555555555555", "hostname")
        assert (caught.value.fault_subcode, caught.value.wsman_fault_code) == ("w:InvalidSelectors", 2150858843)
