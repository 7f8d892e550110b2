"""Classes as CIM-XML (MS-WSMV 3.1.4.1.38; the request as Microsoft's client sends it: OMI, GetClassRequest.xml)."""

from __future__ import annotations

from lxml import etree

from tests.simulator.wire.raw import NS, V2, Answer, RawClient, selectors

URI = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*"


def described(raw: RawClient, class_name: str, namespace: str = "root/virtualization/v2", **options: bool) -> Answer:
    set_ = "".join(
        f'<w:Option Name="{name}" Type="xs:boolean">{str(value).lower()}</w:Option>' for name, value in options.items()
    )
    keys = selectors({"__cimnamespace": namespace, "ClassName": class_name})
    header = f"<w:OptionSet>{set_}</w:OptionSet>" if set_ else ""
    return raw.request(f"{NS['x']}/Get", URI, selectors=keys, headers=header)


def cls(answer: Answer) -> etree._Element:
    found = answer.find("s:Body/CLASS")
    assert found is not None
    return found


def test_get_gives_the_class_with_its_own_members(raw: RawClient) -> None:
    answer = described(raw, "Msvm_VirtualSystemManagementService")
    found = cls(answer)
    assert answer.text(".//a:Action") == f"{NS['x']}/GetResponse"
    assert found.get("NAME") == "Msvm_VirtualSystemManagementService"
    assert found.get("SUPERCLASS") == "CIM_VirtualSystemManagementService"
    assert found.find("METHOD[@NAME='AddBootSourceSettings']") is not None
    assert found.find("PROPERTY[@NAME='Caption']") is None
    assert found.find(".//QUALIFIER") is None
    parameters = [each.get("NAME") for each in found.find("METHOD[@NAME='AddBootSourceSettings']") or ()]
    assert parameters[:2] == ["AffectedConfiguration", "BootSourceSettings"]


def test_inherited_members_come_when_asked_for(raw: RawClient) -> None:
    found = cls(described(raw, "Msvm_ComputerSystem", IncludeInheritedElements=True, IncludeClassOrigin=True))
    caption = found.find("PROPERTY[@NAME='Caption']")
    assert caption is not None
    assert dict(caption.attrib) == {
        "NAME": "Caption",
        "TYPE": "string",
        "CLASSORIGIN": "CIM_ManagedElement",
        "PROPAGATED": "true",
    }
    assert found.find("PROPERTY.ARRAY[@NAME='OperationalStatus']") is not None


def test_qualifiers_come_when_asked_for(raw: RawClient) -> None:
    found = cls(described(raw, "Msvm_ComputerSystem", IncludeInheritedElements=True, IncludeQualifiers=True))
    name = found.find("PROPERTY[@NAME='Name']")
    assert name is not None
    assert name.findtext("QUALIFIER[@NAME='key']/VALUE") == "true"
    job = found.find("METHOD[@NAME='RequestStateChange']/PARAMETER.REFERENCE[@NAME='Job']")
    assert job is not None
    assert job.findtext("QUALIFIER[@NAME='out']/VALUE") == "true"
    assert job.find("QUALIFIER[@NAME='in']") is None


def test_the_line_of_ancestors_comes_when_asked_for(raw: RawClient) -> None:
    found = cls(described(raw, "Msvm_ComputerSystem", IncludeInheritanceHierarchy=True))
    assert (found.get("DERIVATION") or "").startswith("CIM_ComputerSystem,")


def test_what_this_windows_lacks_is_not_found(raw: RawClient) -> None:
    assert described(raw, "Msvm_Nothing").fault[:2] == ("a:DestinationUnreachable", "InvalidResourceURI")
    assert described(raw, "Win32_Process", "root/nowhere").fault[0] == "a:DestinationUnreachable"


def test_other_operations_are_refused(raw: RawClient) -> None:
    """MS-WSMV 3.1.4.1.38: never WS-CIM; Enumerate for subclasses is not simulated."""
    assert raw.enumerate(URI).fault[0] == "a:ActionNotSupported"
    assert raw.get("http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/*", __cimnamespace=V2).status == 500
