"""Fragment transfer (MS-WSMV 3.1.4.1.18, notes 64 to 66; DSP0226 7.7 and annex D.1)."""

from __future__ import annotations

import pytest

from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.service import CimService
from tests.simulator.wire.conftest import CREATED, MACHINES, WireHost, machine
from tests.simulator.wire.raw import NS, V2, Answer, RawClient, local_name, selectors

SYSTEM = f"{V2}/Msvm_ComputerSystem"


def part(raw: RawClient, path: str, *, name: str = MACHINES[0], attributes: str = ' s:mustUnderstand="true"') -> Answer:
    return raw.get(SYSTEM, f"<w:FragmentTransfer{attributes}>{path}</w:FragmentTransfer>", Name=name)


@pytest.mark.parametrize("path", ["ElementName", "p:ElementName", "elementname"])
def test_get_gives_the_property_that_the_path_names(raw: RawClient, path: str) -> None:
    answer = part(raw, path)
    fragment = answer.find("s:Body/w:XmlFragment")
    assert fragment is not None
    assert [(each.tag, each.text) for each in fragment] == [(f"{{{SYSTEM}}}ElementName", "vm1")]
    assert answer.text("s:Header/w:FragmentTransfer") == path
    assert answer.text(".//a:Action") == f"{NS['x']}/GetResponse"


def test_one_item_of_an_array(wire: WireHost, raw: RawClient) -> None:
    wire.repository.add(machine("M3", "vm3", OperationalStatus=[2, 32775]))
    fragment = part(raw, "OperationalStatus[2]", name="M3").find(".//w:XmlFragment")
    assert fragment is not None
    assert [each.text for each in fragment] == ["32775"]


def test_bare_text(raw: RawClient) -> None:
    assert part(raw, "ElementName/text()").text(".//w:XmlFragment") == "vm1"


def test_a_date_keeps_its_form(raw: RawClient) -> None:
    fragment = part(raw, "InstallDate", name="HV1").find(".//w:XmlFragment")
    assert fragment is not None
    assert local_name(fragment[0][0]) == "Datetime"
    assert CREATED.year == int((fragment[0][0].text or "")[:4])


@pytest.mark.parametrize("path", ["/ElementName", "Nothing", "ElementName[2]", "*", "", "ElementName/@type"])
def test_what_is_not_supported_can_not_be_processed(raw: RawClient, path: str) -> None:
    assert part(raw, path).fault == ("w:CannotProcessFilter", None, "2150858899")


def test_another_dialect_is_refused(raw: RawClient) -> None:
    answer = part(raw, "ElementName", attributes=' s:mustUnderstand="true" Dialect="urn:x"')
    assert answer.fault[0] == "w:FragmentDialectNotSupported"


def test_the_header_must_be_mandatory(raw: RawClient) -> None:
    assert part(raw, "ElementName", attributes="").fault[0] == "a:InvalidMessageInformationHeader"


def test_other_operations_have_no_fragments(raw: RawClient) -> None:
    header = '<w:FragmentTransfer s:mustUnderstand="true">Name</w:FragmentTransfer>'
    answer = raw.enumerate(SYSTEM, headers=header)
    assert answer.fault == ("w:UnsupportedFeature", "FragmentLevelAccess", "2150858871")


def test_put_changes_the_property_that_the_fragment_holds(
    wire: WireHost, raw: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(_: CimService, reference: object, instance: CimInstance) -> None:
        assert instance.class_name == "Msvm_ComputerSystem"
        wire.repository.change(reference, dict(instance.items()))  # type: ignore[arg-type]

    monkeypatch.setattr(CimService, "put", put)
    header = '<w:FragmentTransfer s:mustUnderstand="true">EnabledState</w:FragmentTransfer>'
    body = f'<w:XmlFragment xmlns:p="{SYSTEM}"><p:EnabledState>3</p:EnabledState></w:XmlFragment>'
    keys = selectors({"CreationClassName": "Msvm_ComputerSystem", "Name": MACHINES[0]})
    answer = raw.request(f"{NS['x']}/Put", SYSTEM, body, selectors=keys, headers=header)
    assert answer.text(".//a:Action") == f"{NS['x']}/PutResponse"
    assert answer.text(f".//w:XmlFragment/{{{SYSTEM}}}EnabledState") == "3"
    assert wire.machine("vm1")["EnabledState"] == 3
