"""Faults in both of Windows' forms, and what a caller gets to see of them."""

from __future__ import annotations

import pytest

from compute_hyperv.cim import errors
from compute_hyperv.cim.soap import faults, names, responses
from compute_hyperv.cim.soap.faults import ProviderFault, SoapFault

# The fault that a Windows host gave to a WQL query for a class that does not exist, shortened (WinRB/WinRM's tests).
RECORDED = f"""<s:Envelope xmlns:s="{names.SOAP}" xmlns:a="{names.ADDRESSING}" xmlns:n="{names.ENUMERATION}"
 xmlns:f="{names.FAULT}"><s:Header><a:RelatesTo>uuid:1</a:RelatesTo></s:Header><s:Body><s:Fault>
<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>n:CannotProcessFilter</s:Value></s:Subcode></s:Code>
<s:Reason><s:Text xml:lang="en-US">The data source could not process the filter. </s:Text></s:Reason>
<s:Detail><f:WSManFault Code="2150858778" Machine="hv1"><f:Message>
<f:ProviderFault provider="WMI Provider" path="%systemroot%\\system32\\WsmWmiPl.dll">
<f:WSManFault Code="2147749904" Machine="hv1"><f:Message>Invalid class </f:Message></f:WSManFault>
<f:ExtendedError><p:__ExtendedStatus xmlns:p="urn:x"><p:StatusCode>1</p:StatusCode></p:__ExtendedStatus>
</f:ExtendedError></f:ProviderFault></f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>"""


def read(message: bytes) -> SoapFault:
    with pytest.raises(SoapFault) as caught:
        responses.decode_response(message)
    return caught.value


def test_the_providers_own_fault_says_most() -> None:
    fault = read(RECORDED.encode())
    assert (fault.code, fault.subcode, fault.relates_to) == ("Sender", "n:CannotProcessFilter", "uuid:1")
    assert (fault.wsman_code, fault.innermost_code) == (2150858778, 0x80041010)
    assert fault.text == "Invalid class"
    error = faults.to_error(fault, "Query X on hv1")
    assert isinstance(error, errors.NotFound)
    assert error.code == 0x80041010
    assert str(error).startswith("Query X on hv1: n:CannotProcessFilter (0x80041010): Invalid class.")
    assert "lacks the class" in error.remedy


FAULTS = [
    SoapFault.known("ERROR_WSMAN_INVALID_SELECTORS"),
    SoapFault.known("ERROR_WSMAN_AMBIGUOUS_SELECTORS", "Which <one>?"),
    SoapFault.known("ERROR_WSMAN_SOAP_FAULT_MUST_UNDERSTAND"),
    SoapFault("Receiver", "w:InternalError", "Broken", wsman_code=1359, machine="hv1"),
    SoapFault(
        "Sender",
        "n:CannotProcessFilter",
        "No",
        wsman_code=2150858778,
        machine="hv1",
        provider=ProviderFault(0x80041017, "Invalid query"),
    ),
    SoapFault("Sender", "w:QuotaLimit", "Busy", wsman_code=2150859173, wmi_error=True, cim_status=27),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.subcode or fault.code)
def test_a_fault_arrives_as_it_was_raised(fault: SoapFault) -> None:
    arrived = read(faults.encode_fault(fault.relating_to("uuid:9")))
    assert vars(arrived) == vars(fault.relating_to("uuid:9"))


def test_a_fault_of_the_table_has_what_windows_gives_it() -> None:
    fault = SoapFault.known("ERROR_WSMAN_INSUFFCIENT_SELECTORS")
    assert (fault.code, fault.subcode) == ("Sender", "w:InvalidSelectors")
    assert (fault.fault_detail, fault.wsman_code) == ("InsufficientSelectors", 2150858842)
    message = faults.encode_fault(fault)
    assert f"<w:FaultDetail>{names.FAULT_DETAIL}InsufficientSelectors</w:FaultDetail>".encode() in message
    assert b'Code="2150858842"' in message


def test_the_action_of_a_fault_is_that_of_its_subcodes_standard() -> None:
    for error, action in {
        "ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER": f"{names.ENUMERATION}/fault",
        "ERROR_WSMAN_INVALID_RESOURCE_URI": f"{names.ADDRESSING}/fault",
        "ERROR_WSMAN_INVALID_SELECTORS": "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
    }.items():
        assert f"<a:Action>{action}</a:Action>".encode() in faults.encode_fault(SoapFault.known(error))


def test_a_subcode_is_recognised_under_any_prefix() -> None:
    message = faults.encode_fault(SoapFault.known("ERROR_WSMAN_INVALID_SELECTORS")).replace(b"w:", b"q:")
    assert read(message.replace(b"xmlns:w=", b"xmlns:q=")).subcode == "w:InvalidSelectors"


def test_a_fault_without_any_detail_is_read_too() -> None:
    message = (
        f'<s:Envelope xmlns:s="{names.SOAP}"><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code>'
        "<s:Reason><s:Text>no</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"
    )
    fault = read(message.encode())
    assert (fault.code, fault.subcode, fault.message, fault.wsman_code) == ("Receiver", "", "no", None)
    assert type(faults.to_error(fault, "X")) is errors.CimError


@pytest.mark.parametrize(
    ("subcode", "code", "expected"),
    [
        ("w:AccessDenied", 5, errors.AccessDenied),
        ("w:InternalError", 0x80041003, errors.AccessDenied),
        ("a:DestinationUnreachable", 2150858752, errors.NotFound),
        ("w:InternalError", 0x80041002, errors.NotFound),
        ("w:InternalError", 0x8004102E, errors.NotFound),
        ("w:TimedOut", 2150858793, errors.TimedOut),
        ("w:QuotaLimit", 2150858815, errors.Busy),
        ("w:InternalError", 2150859174, errors.Busy),
        ("w:InvalidSelectors", 2150858813, errors.InvalidRequest),
        ("w:SchemaValidationError", None, errors.InvalidRequest),
        ("n:CannotProcessFilter", 2150858778, errors.InvalidRequest),
        ("n:InvalidEnumerationContext", 2150858779, errors.Unreachable),
        ("w:InternalError", 0x80041013, errors.Unreachable),
        ("w:InternalError", 1359, errors.CimError),
    ],
)
def test_each_fault_becomes_the_error_that_carries_the_decision(
    subcode: str, code: int | None, expected: type[errors.CimError]
) -> None:
    error = faults.to_error(SoapFault("Sender", subcode, "m", wsman_code=code), "Reading X on hv1")
    assert type(error) is expected
    assert error.code == code
    assert error.message.startswith("Reading X on hv1: ")
