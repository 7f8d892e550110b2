"""Calling methods: parameters in, parameters out, what is a fault and what is none.

The client owes nothing to our codec (``raw``). Each test cites the statement of the facts (wsman-cim, real-instances 6)
that it is about.
"""

from __future__ import annotations

import base64

from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.values import CimReference
from tests.simulator.wire.conftest import SERVICE, WireHost
from tests.simulator.wire.raw import NS, V2, XSI_NIL, RawClient, local_name

SYSTEM = f"{V2}/Msvm_ComputerSystem"
ALL = "select * from Msvm_ComputerSystem"
GET = f"{NS['x']}/Get"


REFERENCE = (
    f"<a:Address>{NS['a']}/role/anonymous</a:Address><a:ReferenceParameters>"
    f"<w:ResourceURI>{V2}/Msvm_VirtualSystemSettingData</w:ResourceURI>"
    '<w:SelectorSet><w:Selector Name="InstanceID">Microsoft:X</w:Selector></w:SelectorSet></a:ReferenceParameters>'
)


class TestInvoke:
    """wsman-cim 6."""

    URI = f"{V2}/{SERVICE}"

    def test_inputs_arrive_typed_and_outputs_come_in_alphabetical_order(self, wire: WireHost, raw: RawClient) -> None:
        job = CimReference("Msvm_StorageJob", {"InstanceID": "J"})
        wire.recorder.outputs = {"Job": job, "ReturnValue": 4096}
        answer = raw.invoke(
            self.URI,
            "DefineSystem",
            "<p:SystemSettings>&lt;INSTANCE/&gt;</p:SystemSettings>"
            "<p:ResourceSettings>a</p:ResourceSettings><p:ResourceSettings>b</p:ResourceSettings>",
            CreationClassName=SERVICE,
        )
        assert dict(wire.recorder.calls[0].parameters) == {
            "systemsettings": "<INSTANCE/>",
            "resourcesettings": ["a", "b"],
        }
        output = answer.find(".//{*}DefineSystem_OUTPUT")
        assert output is not None
        assert [local_name(child) for child in output] == ["Job", "ResultingSystem", "ReturnValue"]
        assert answer.text(".//a:Action") == f"{self.URI}/DefineSystemResponse"
        assert output.findtext(".//w:ResourceURI", None, NS) == f"{V2}/Msvm_StorageJob"
        resulting = output.find("{*}ResultingSystem")
        assert resulting is not None
        assert resulting.get(XSI_NIL) == "true"
        assert output.findtext("{*}ReturnValue") == "4096"

    def test_a_reference_parameter_is_given_without_a_wrapper(self, wire: WireHost, raw: RawClient) -> None:
        inputs = f"<p:ReferenceConfiguration>{REFERENCE}</p:ReferenceConfiguration>"
        raw.invoke(self.URI, "DefineSystem", inputs, CreationClassName=SERVICE)
        expected = CimReference("Msvm_VirtualSystemSettingData", {"InstanceID": "Microsoft:X"})
        assert wire.recorder.calls[0].parameters["referenceconfiguration"] == expected

    def test_a_reference_parameter_in_a_wrapper_violates_the_schema(self, wire: WireHost, raw: RawClient) -> None:
        """R4SD, on a real host."""
        wrapped = f"<a:EndpointReference>{REFERENCE}</a:EndpointReference>"
        inputs = f"<p:ReferenceConfiguration>{wrapped}</p:ReferenceConfiguration>"
        answer = raw.invoke(self.URI, "DefineSystem", inputs, CreationClassName=SERVICE)
        assert answer.fault == ("w:SchemaValidationError", None, "2150858817")
        assert wire.recorder.calls == []

    def test_cim_xml_with_a_prolog_in_cdata_arrives_as_text(self, wire: WireHost, raw: RawClient) -> None:
        """libvirt wraps its embedded instances so."""
        text = '<?xml version="1.0" encoding="utf-8"?><INSTANCE CLASSNAME="Msvm_VirtualSystemSettingData"></INSTANCE>'
        inputs = f"<p:SystemSettings><![CDATA[{text}]]></p:SystemSettings>"
        raw.invoke(self.URI, "ModifySystemSettings", inputs, CreationClassName=SERVICE)
        assert wire.recorder.calls[0].parameters["systemsettings"] == text

    def test_a_nil_parameter_is_null(self, wire: WireHost, raw: RawClient) -> None:
        raw.invoke(self.URI, "DefineSystem", '<p:SystemSettings xsi:nil="true"/>', CreationClassName=SERVICE)
        assert wire.recorder.calls[0].given("SystemSettings") is None

    def test_a_return_code_is_no_fault(self, wire: WireHost, raw: RawClient) -> None:
        wire.recorder.outputs = {"ReturnValue": 32773}
        answer = raw.invoke(self.URI, "DefineSystem", CreationClassName=SERVICE)
        assert (answer.status, answer.text(".//{*}ReturnValue")) == (200, "32773")

    def test_a_wmi_exception_is_a_fault(self, wire: WireHost, raw: RawClient) -> None:
        wire.recorder.error = SoapFault.known("ERROR_WSMAN_INVALID_PARAMETER")
        assert raw.invoke(self.URI, "DefineSystem", CreationClassName=SERVICE).fault[0] == "w:InvalidParameter"

    def test_a_defect_of_a_provider_is_an_internal_error_and_the_host_serves_on(
        self, wire: WireHost, raw: RawClient
    ) -> None:
        wire.recorder.error = ZeroDivisionError()
        answer = raw.invoke(self.URI, "DefineSystem", CreationClassName=SERVICE)
        assert answer.fault == ("w:InternalError", None, "1359")
        assert raw.get(SYSTEM, Name="HV1").status == 200

    def test_a_method_that_the_class_lacks_is_not_supported(self, raw: RawClient) -> None:
        answer = raw.invoke(self.URI, "NoSuchMethod", CreationClassName=SERVICE)
        assert answer.fault[0] == "a:ActionNotSupported"

    def test_a_method_without_a_provider_is_a_fault_never_success(self, raw: RawClient) -> None:
        answer = raw.invoke(self.URI, "DestroySystem", CreationClassName=SERVICE)
        assert answer.status == 500
        assert answer.fault[2] == "2150859010"

    def test_bytes_travel_as_base64(self, wire: WireHost, raw: RawClient) -> None:
        """libvirt reads the thumbnail that way; GetVirtualSystemThumbnailImage."""
        wire.recorder.methods = lambda: {"GetVirtualSystemThumbnailImage": wire.recorder._record}  # type: ignore[method-assign]
        wire.recorder.outputs = {"ImageData": b"\x00\x01\xff", "ReturnValue": 0}
        answer = raw.invoke(self.URI, "GetVirtualSystemThumbnailImage", CreationClassName=SERVICE)
        assert base64.b64decode(answer.text(".//{*}ImageData") or "") == b"\x00\x01\xff"
