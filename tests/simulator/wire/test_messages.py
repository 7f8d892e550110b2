"""What frames every message: envelope, headers, addressing, properties, who is there.

The client owes nothing to our codec (``raw``). Each test cites the statement of the facts (wsman-cim, real-instances 6)
that it is about.
"""

from __future__ import annotations

import pytest
import requests
from lxml import etree

from tests.simulator.wire.conftest import MACHINES, SERVICE, WireHost, machine
from tests.simulator.wire.raw import NS, V2, WMI, XSI_NIL, XSI_TYPE, RawClient, envelope, local_name

SYSTEM = f"{V2}/Msvm_ComputerSystem"
ALL = "select * from Msvm_ComputerSystem"
GET = f"{NS['x']}/Get"


class TestEnvelope:
    """wsman-cim 1; real-instances 6, 1."""

    def test_the_header_is_action_message_id_to_and_relates_to(self, raw: RawClient) -> None:
        answer = raw.get(SYSTEM, Name=MACHINES[0])
        header = answer.find("s:Header")
        assert header is not None
        assert [local_name(child) for child in header] == ["Action", "MessageID", "To", "RelatesTo"]
        assert answer.text(".//a:Action") == f"{GET}Response"
        assert answer.text(".//a:To") == f"{NS['a']}/role/anonymous"
        assert answer.text(".//a:RelatesTo") == "uuid:11111111-2222-3333-4444-555555555555"
        message_id = answer.text(".//a:MessageID") or ""
        assert message_id.startswith("uuid:")
        assert message_id[5:] == message_id[5:].upper()

    def test_the_envelope_names_the_language(self, raw: RawClient) -> None:
        assert raw.get(SYSTEM, Name=MACHINES[0]).root.get("{http://www.w3.org/XML/1998/namespace}lang") == "en-US"

    @pytest.mark.parametrize("message_id", ["4711", "uuid:aaaaaaaa-0000-0000-0000-000000000000", "x" * 2048])
    def test_a_message_id_may_be_any_text(self, raw: RawClient, message_id: str) -> None:
        """MS-WSMV note 47."""
        text = envelope(
            GET, SYSTEM, selectors='<w:SelectorSet><w:Selector Name="Name">HV1</w:Selector></w:SelectorSet>'
        )
        answer = raw.send(text.replace("uuid:11111111-2222-3333-4444-555555555555", message_id))
        assert answer.text(".//a:RelatesTo") == message_id

    def test_prefixes_are_the_clients_own_business(self, raw: RawClient) -> None:
        """A parser must not rely on prefixes."""
        text = envelope(
            GET, SYSTEM, selectors='<w:SelectorSet><w:Selector Name="Name">HV1</w:Selector></w:SelectorSet>'
        )
        for ours, theirs in (("s", "env"), ("a", "wsa"), ("w", "wsman")):
            text = text.replace(f"<{ours}:", f"<{theirs}:").replace(f"</{ours}:", f"</{theirs}:")
            text = text.replace(f"xmlns:{ours}=", f"xmlns:{theirs}=").replace(f" {ours}:must", f" {theirs}:must")
        assert raw.send(text).status == 200

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_a_request_may_come_in_utf_8_or_utf_16(self, raw: RawClient, encoding: str) -> None:
        text = envelope(
            GET, SYSTEM, selectors='<w:SelectorSet><w:Selector Name="Name">HV1</w:Selector></w:SelectorSet>'
        )
        assert raw.send(text.replace("UTF-8", encoding).encode(encoding)).status == 200

    def test_max_envelope_size_below_8192_is_an_encoding_limit_fault(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.7."""
        answer = raw.get(SYSTEM, "<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>", Name="HV1")
        assert answer.fault == ("w:EncodingLimit", "MinimumEnvelopeLimit", "2150858878")
        assert raw.get(SYSTEM, "<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>", Name="HV1").status == 200

    def test_an_answer_over_max_envelope_size_is_an_encoding_limit_fault(self, wire: WireHost, raw: RawClient) -> None:
        wire.repository.add(machine("BIG", "x" * 9000))
        answer = raw.get(SYSTEM, "<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>", Name="BIG")
        assert answer.fault == ("w:EncodingLimit", "MaxEnvelopeSizeExceeded", "2150858824")

    @pytest.mark.parametrize("name", ["w:Locale", "p:DataLocale"])
    def test_a_locale_that_must_be_understood_is_an_unsupported_feature(self, raw: RawClient, name: str) -> None:
        """MS-WSMV 3.1.4.1.8 and 9."""
        microsoft = 'xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"'
        for flag, status in (("true", 500), ("false", 200)):
            header = f'<{name} {microsoft} xml:lang="de-DE" s:mustUnderstand="{flag}"/>'
            answer = raw.get(SYSTEM, header, Name="HV1")
            assert answer.status == status
        header = f'<{name} {microsoft} xml:lang="de-DE" s:mustUnderstand="true"/>'
        assert raw.get(SYSTEM, header, Name="HV1").fault[:2] == ("w:UnsupportedFeature", "Locale")

    def test_an_unknown_header_that_must_be_understood_is_a_must_understand_fault(self, raw: RawClient) -> None:
        answer = raw.get(SYSTEM, '<z:New xmlns:z="urn:z" s:mustUnderstand="true"/>', Name="HV1")
        assert answer.text(".//s:Code/s:Value") == "s:MustUnderstand"
        assert raw.get(SYSTEM, '<z:New xmlns:z="urn:z"/>', Name="HV1").status == 200

    def test_options_are_accepted(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.10, note 52: WMI does not fail unknown options."""
        header = '<w:OptionSet><w:Option Name="wmi:__X" MustComply="true">1</w:Option></w:OptionSet>'
        assert raw.get(SYSTEM, header, Name="HV1").status == 200

    @pytest.mark.parametrize(
        "message",
        ["", "no xml", "<a/>", "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'/>", "<a>&unknown;</a>"],
    )
    def test_what_is_no_soap_is_400_and_the_connection_goes_on(self, raw: RawClient, message: str) -> None:
        answer = raw.post(message.encode() or b" ")
        assert answer.status_code == 400
        assert raw.get(SYSTEM, Name="HV1").status == 200

    def test_entities_are_not_expanded(self, raw: RawClient) -> None:
        bomb = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">]>' + envelope(GET, SYSTEM).partition("?>")[2]
        assert raw.post(bomb.encode()).status_code == 400


class TestAddressing:
    """wsman-cim 2 and 5."""

    def test_get_by_all_keys(self, raw: RawClient) -> None:
        answer = raw.get(SYSTEM, CreationClassName="Msvm_ComputerSystem", Name=MACHINES[0])
        body = answer.find("s:Body")
        assert body is not None
        assert body[0].findtext("{*}ElementName") == "vm1"

    def test_selectors_ignore_letter_case_in_names_and_values(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.2."""
        answer = raw.get(SYSTEM, creationclassname="MSVM_COMPUTERSYSTEM", NAME=MACHINES[0].lower())
        assert answer.status == 200

    def test_the_uri_ignores_letter_case(self, raw: RawClient) -> None:
        assert raw.get(SYSTEM.replace("Msvm_ComputerSystem", "msvm_computersystem"), Name="HV1").status == 200

    def test_a_subset_of_keys_is_enough_if_it_names_one_instance(self, raw: RawClient) -> None:
        """wsman-cim 6: libvirt passes only CreationClassName when it addresses a service."""
        assert raw.get(f"{V2}/{SERVICE}", CreationClassName=SERVICE).status == 200

    def test_an_ambiguous_subset_is_an_invalid_selectors_fault(self, raw: RawClient) -> None:
        answer = raw.get(SYSTEM, CreationClassName="Msvm_ComputerSystem")
        assert answer.fault == ("w:InvalidSelectors", "AmbiguousSelectors", "2150858846")

    def test_no_selectors_and_several_instances_is_an_invalid_selectors_fault(self, raw: RawClient) -> None:
        answer = raw.get(SYSTEM)
        assert answer.fault[:2] == ("w:InvalidSelectors", "InsufficientSelectors")

    def test_a_selector_that_is_no_key_is_an_invalid_selectors_fault(self, raw: RawClient) -> None:
        answer = raw.get(SYSTEM, Caption="x")
        assert answer.fault == ("w:InvalidSelectors", "UnexpectedSelectors", "2150858843")

    def test_a_selector_that_comes_twice_is_an_invalid_selectors_fault(self, raw: RawClient) -> None:
        twice = "".join(f'<w:Selector Name="{name}">HV1</w:Selector>' for name in ("Name", "name"))
        answer = raw.request(GET, SYSTEM, selectors=f"<w:SelectorSet>{twice}</w:SelectorSet>")
        assert answer.fault[:2] == ("w:InvalidSelectors", "DuplicateSelectors")

    def test_no_such_instance_is_destination_unreachable(self, raw: RawClient) -> None:
        answer = raw.get(f"{V2}/Msvm_ConcreteJob", InstanceID="gone")
        assert answer.fault[0] == "a:DestinationUnreachable"
        assert answer.status == 500

    @pytest.mark.parametrize(
        "uri",
        [
            f"{V2}/Msvm_Nothing",
            f"{WMI}root/nowhere/Msvm_ComputerSystem",
            "http://schemas.microsoft.com/wbem/wsman/1/config/service",
            "urn:x",
        ],
    )
    def test_an_unknown_class_namespace_or_resource_is_destination_unreachable(self, raw: RawClient, uri: str) -> None:
        answer = raw.get(uri, Name="x")
        assert answer.fault[:2] == ("a:DestinationUnreachable", "InvalidResourceURI")

    def test_cimnamespace_may_repeat_the_namespace_of_the_uri(self, raw: RawClient) -> None:
        """MS-WSMV notes 45 and 46; WSMERR 2150859067."""
        assert raw.get(SYSTEM, Name="HV1", __cimnamespace="root\\virtualization\\v2").status == 200
        assert raw.get(SYSTEM, Name="HV1", __cimnamespace="root/virtualization/v2").status == 200
        contradicting = raw.get(SYSTEM, Name="HV1", __cimnamespace="root/cimv2")
        assert contradicting.fault == ("w:InternalError", None, "2150859067")

    def test_the_dmtf_uri_takes_its_namespace_from_cimnamespace(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.1."""
        uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ComputerSystem"
        for namespace in ("root/virtualization/v2", "root\\virtualization\\v2"):
            assert raw.get(uri, Name="HV1", __cimnamespace=namespace).status == 200

    def test_the_dmtf_uri_without_cimnamespace_means_root_hardware(self, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.1; a Hyper-V host without a BMC has nothing there."""
        uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ComputerSystem"
        assert raw.get(uri, Name="HV1").fault[0] == "a:DestinationUnreachable"

    def test_an_unknown_action_is_not_supported(self, raw: RawClient) -> None:
        answer = raw.request(f"{NS['e']}/GetStatus", SYSTEM)
        assert answer.fault == ("a:ActionNotSupported", None, "2150858771")

    def test_an_action_of_another_class_than_the_uri_is_a_mismatch(self, raw: RawClient) -> None:
        answer = raw.request(f"{V2}/Msvm_Other/RequestStateChange", SYSTEM)
        assert answer.fault == ("a:ActionNotSupported", "ActionMismatch", "2150858801")

    def test_the_fault_names_the_machine(self, raw: RawClient) -> None:
        fault = raw.get(SYSTEM, Caption="x").find(".//f:WSManFault")
        assert fault is not None
        assert fault.get("Machine") == "HV1"


class TestProperties:
    """wsman-cim 4; real-instances 6, 3 to 6."""

    @pytest.fixture
    def instance(self, raw: RawClient) -> etree._Element:
        body = raw.get(SYSTEM, Name="HV1").find("s:Body")
        assert body is not None
        return body[0]

    def test_the_element_is_the_class_in_the_namespace_of_its_uri(self, instance: etree._Element) -> None:
        assert instance.tag == f"{{{SYSTEM}}}Msvm_ComputerSystem"
        assert instance.get(XSI_TYPE) == "p:Msvm_ComputerSystem_Type"
        assert instance.nsmap["p"] == SYSTEM

    def test_properties_are_in_alphabetical_order(self, instance: etree._Element) -> None:
        order = [local_name(child).lower() for child in instance]
        assert order == sorted(order)

    def test_null_is_a_nil_element(self, instance: etree._Element) -> None:
        caption = instance.find("{*}Caption")
        assert caption is not None
        assert caption.get(XSI_NIL) == "true"

    def test_a_null_array_is_left_out(self, instance: etree._Element) -> None:
        assert instance.find("{*}OperationalStatus") is None

    def test_an_array_repeats_its_element(self, wire: WireHost, raw: RawClient) -> None:
        wire.repository.add(machine("M3", "vm3", OperationalStatus=[2, 32775]))
        body = raw.get(SYSTEM, Name="M3").find("s:Body")
        assert body is not None
        assert [each.text for each in body[0].findall("{*}OperationalStatus")] == ["2", "32775"]

    def test_a_datetime_is_utc_in_a_cim_element(self, instance: etree._Element) -> None:
        date = instance.find("{*}InstallDate")
        assert date is not None
        assert local_name(date[0]) == "Datetime"
        assert date[0].text == "2026-01-02T03:04:05.6789Z"

    def test_an_interval_is_a_duration_in_a_cim_element(self, raw: RawClient) -> None:
        answer = raw.get(f"{V2}/Msvm_ConcreteJob", InstanceID="JOB-1")
        interval = answer.find(".//{*}ElapsedTime")
        assert interval is not None
        assert (local_name(interval[0]), interval[0].text) == ("Interval", "P0DT0H0M1.5S")

    def test_a_reference_is_written_without_a_wrapper(self, raw: RawClient) -> None:
        answer = raw.query("select * from Msvm_SettingsDefineState", "<w:OptimizeEnumeration/>")
        reference = answer.items[0].find("{*}ManagedElement")
        assert reference is not None
        assert [local_name(child) for child in reference] == ["Address", "ReferenceParameters"]
        assert reference.findtext(".//w:ResourceURI", None, NS) == SYSTEM
        selectors = {each.get("Name"): each.text for each in reference.iterfind(".//w:Selector", NS)}
        assert selectors == {"CreationClassName": "Msvm_ComputerSystem", "Name": MACHINES[0]}

    def test_control_characters_become_question_marks(self, wire: WireHost, raw: RawClient) -> None:
        """MS-WSMV 3.1.4.1.25."""
        wire.repository.add(machine("M3", "a\x01b\tc"))
        assert raw.get(SYSTEM, Name="M3").text(".//{*}ElementName") == "a?b\tc"


class TestPutCreateDelete:
    """wsman-cim 5: Hyper-V's classes are changed by methods; what nobody provides is a fault, never success."""

    def test_put_without_a_provider_is_a_fault(self, raw: RawClient) -> None:
        body = f'<p:Msvm_ComputerSystem xmlns:p="{SYSTEM}"><p:ElementName>x</p:ElementName></p:Msvm_ComputerSystem>'
        keys = '<w:SelectorSet><w:Selector Name="Name">HV1</w:Selector></w:SelectorSet>'
        assert raw.request(f"{NS['x']}/Put", SYSTEM, body, selectors=keys).status == 500

    def test_delete_of_a_missing_instance_says_that_it_is_missing(self, raw: RawClient) -> None:
        keys = '<w:SelectorSet><w:Selector Name="Name">none</w:Selector></w:SelectorSet>'
        assert raw.request(f"{NS['x']}/Delete", SYSTEM, selectors=keys).fault[0] == "a:DestinationUnreachable"

    def test_create_without_a_provider_is_a_fault(self, raw: RawClient) -> None:
        body = f'<p:Msvm_ComputerSystem xmlns:p="{SYSTEM}"/>'
        assert raw.request(f"{NS['x']}/Create", SYSTEM, body).status == 500


class TestIdentify:
    """MS-WSMV 3.1.4.1.23; wsman-cim 10."""

    MESSAGE = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/>'
        "</s:Body></s:Envelope>"
    )

    def test_who_is_authenticated_is_told_the_version_of_windows(self, raw: RawClient) -> None:
        answer = raw.send(self.MESSAGE)
        assert answer.text(".//{*}ProductVendor") == "Microsoft Corporation"
        assert answer.text(".//{*}ProductVersion") == "OS: 10.0.20348 SP: 0.0 Stack: 3.0"
        profiles = [each.text for each in answer.all(".//{*}SecurityProfileName")]
        assert profiles == [
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/spnego-kerberos",
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/spnego-kerberos",
        ]

    def test_who_is_not_is_told_zeros(self, wire: WireHost) -> None:
        url = f"http://{wire.config.address}:5985/wsman"
        headers = {"WSMANIDENTIFY": "unauthenticated"}
        answer = requests.post(url, data=self.MESSAGE, headers=headers, timeout=10)
        assert b"OS: 0.0.0 SP: 0.0 Stack: 3.0" in answer.content
        assert b"SecurityProfile" not in answer.content
        other = requests.post(url, data=envelope(GET, SYSTEM), headers=headers, timeout=10)
        assert other.status_code == 401


def test_what_is_asked_is_logged(wire: WireHost, raw: RawClient) -> None:
    raw.pull(raw.query(ALL).context)
    raw.invoke(f"{V2}/{SERVICE}", "DefineSystem", CreationClassName=SERVICE)
    raw.get(SYSTEM, Caption="x")
    logged = [(each.action, each.class_name, each.method, each.outcome) for each in wire.requests]
    assert logged == [
        ("enumerate", "Msvm_ComputerSystem", "", "ok"),
        ("pull", "Msvm_ComputerSystem", "", "ok"),
        ("invoke", SERVICE, "DefineSystem", "ok"),
        ("get", "Msvm_ComputerSystem", "", f"fault {0x80041008}"),
    ]
    assert wire.requests.count(action="invoke", class_name=SERVICE.lower()) == 1
    assert all(each.bytes_in > 0 and each.bytes_out > 0 for each in wire.requests)
    wire.requests.clear()
    assert len(wire.requests) == 0
