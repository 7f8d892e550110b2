"""SOAP faults: reading them, writing them, and the error of our family that each one becomes.

Windows details a fault in one of two forms: ``f:WSManFault`` with a code, in which a provider's own fault may be nested
(MS-WSMV 2.2.4.43), and ``p:MSFT_WmiError`` (clients of the MI interface get it). Both are read and written. The table
of known faults (``data/_faults.json``) says which SOAP code, subcode and detail belong to a WS-Man error.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, cast

from compute_hyperv.cim import xml
from compute_hyperv.cim.errors import AccessDenied, Busy, CimError, InvalidRequest, NotFound, TimedOut, Unreachable
from compute_hyperv.cim.soap import envelope, names

_S, _W, _F = f"{{{names.SOAP}}}", f"{{{names.WSMAN}}}", f"{{{names.FAULT}}}"
_FALLBACK_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_ACTIONS = {
    "a": f"{names.ADDRESSING}/fault",
    "e": f"{names.EVENTING}/fault",
    "n": f"{names.ENUMERATION}/fault",
    "x": f"{names.TRANSFER}/fault",
}


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """What the provider behind WinRM said: for WMI classes, ``code`` is a WBEM_E_* or another HRESULT."""

    code: int
    message: str
    provider: str = "WMI Provider"
    path: str = "%systemroot%\\system32\\WsmWmiPl.dll"


@dataclass(eq=False)
class SoapFault(Exception):
    """One fault. Treated as a constant; not frozen, since Python itself notes tracebacks on exceptions.

    :param code: ``Sender``, ``Receiver``, ``MustUnderstand`` or ``VersionMismatch``.
    :param subcode: with the prefix of ``names.PREFIXES``: ``w:InvalidSelectors``; empty where there is none.
    :param message: what Windows says about it, in the host's language.
    :param fault_detail: the last part of the detail's URI: ``InsufficientSelectors``.
    :param wsman_code: the WS-Man, Win32 or HRESULT code, unsigned; ``None`` where the fault carries none.
    :param wmi_error: the detail is an ``MSFT_WmiError`` instead of a ``WSManFault``; the code is then WMI's.
    :param cim_status: CIMStatusCode of an ``MSFT_WmiError``.
    :param relates_to: the request that is answered.
    """

    code: str
    subcode: str
    message: str
    fault_detail: str = ""
    wsman_code: int | None = None
    machine: str = ""
    provider: ProviderFault | None = None
    wmi_error: bool = False
    cim_status: int = 1
    relates_to: str = ""

    def __str__(self) -> str:
        code = "" if self.innermost_code is None else f" ({self.innermost_code:#x})"
        return f"{self.subcode or self.code}{code}: {self.text}"

    @classmethod
    def known(cls, error: str, message: str = "") -> SoapFault:
        """The fault of a WS-Man error by name (``ERROR_WSMAN_INVALID_SELECTORS``), with its own message or another.

        Raises KeyError for an error that is not in the table.
        """
        code, soap_code, subcode, detail, _ = _table()["faults"][error]
        default = _table()["codes"].get(error, (0, error))[1]
        return cls(
            code=soap_code.partition(":")[2],
            subcode=subcode or "",
            message=message or default,
            fault_detail=(detail or "").rpartition("/")[2],
            wsman_code=code,
        )

    def relating_to(self, message_id: str) -> SoapFault:
        return replace(self, relates_to=message_id)

    @property
    def innermost_code(self) -> int | None:
        """The provider's code, where there is one: it says more than WinRM's own."""
        return self.provider.code if self.provider is not None else self.wsman_code

    @property
    def text(self) -> str:
        """The innermost message."""
        text = self.provider.message if self.provider is not None and self.provider.message else self.message
        return " ".join(text.split())


def known_codes() -> dict[str, int]:
    """Every WS-Man error that has a number, by name."""
    return {name: code for name, (code, _) in _table()["codes"].items()}


def message_of(error: str) -> str:
    """What Windows says about a WS-Man error, by name."""
    return str(_table()["codes"][error][1])


def encode_fault(fault: SoapFault, *, message_id: str = "", language: str = "en-US") -> bytes:
    """The message that carries a fault. Windows sends it with HTTP status 500 (400 for some)."""
    header = (
        f"<a:Action>{_ACTIONS.get(fault.subcode.partition(':')[0], _FALLBACK_ACTION)}</a:Action>"
        f"<a:MessageID>{message_id or envelope.new_message_id()}</a:MessageID><a:To>{names.ANONYMOUS}</a:To>"
        f"<a:RelatesTo>{xml.text(fault.relates_to)}</a:RelatesTo>"
    )
    lang = xml.attribute(language)
    subcode = f"<s:Subcode><s:Value>{xml.text(fault.subcode)}</s:Value></s:Subcode>" if fault.subcode else ""
    detail = ""
    if fault.fault_detail:
        detail = f"<w:FaultDetail>{names.FAULT_DETAIL}{xml.text(fault.fault_detail)}</w:FaultDetail>"
    detail += _write_wmi_error(fault, lang) if fault.wmi_error else _write_wsman_fault(fault)
    body = (
        f"<s:Fault><s:Code><s:Value>s:{fault.code}</s:Value>{subcode}</s:Code>"
        f'<s:Reason><s:Text xml:lang="{lang}">{xml.text(fault.message)}</s:Text></s:Reason>'
        f"<s:Detail>{detail}</s:Detail></s:Fault>"
    )
    return envelope.write("saxenwbp", header, body, language)


def read(element: xml.Element) -> SoapFault:
    """The fault that an ``s:Fault`` element holds. What is missing stays empty: a fault is never refused."""
    code = element.find(f"{_S}Code")
    detail = element.find(f"{_S}Detail")
    fault = SoapFault(
        code=_local(code.findtext(f"{_S}Value", "") if code is not None else "") or "Receiver",
        subcode=_read_subcode(code),
        message=(element.findtext(f"{_S}Reason/{_S}Text") or "").strip(),
    )
    if detail is None:
        return fault
    uri = (detail.findtext(f"{_W}FaultDetail") or "").strip()
    fault = replace(fault, fault_detail=uri.rpartition("/")[2])
    wsman = detail.find(f"{_F}WSManFault")
    if wsman is not None:
        return _with_wsman_fault(fault, wsman)
    wmi = next((child for child in detail if xml.local_name(child.tag) == "MSFT_WmiError"), None)
    return fault if wmi is None else _with_wmi_error(fault, wmi)


def to_error(fault: SoapFault, what: str) -> CimError:
    """The error of our family that a fault becomes; ``what`` says what was tried, as the start of a sentence.

    The innermost code decides where it is known, then the subcode; a fault that neither explains is a plain CimError.
    """
    kind, remedy = _BY_SUBCODE.get(fault.subcode, (CimError, ""))
    for code in (fault.innermost_code, fault.wsman_code):
        if code in _BY_CODE:
            kind, remedy = _BY_CODE[code]
            break
    return kind(f"{what}: {str(fault).rstrip('.')}.", remedy=remedy, code=fault.innermost_code)


def _write_wsman_fault(fault: SoapFault) -> str:
    if fault.wsman_code is None:
        return ""
    message = xml.text(fault.message)
    if fault.provider is not None:
        inner = _wsman_fault(fault.provider.code, fault.machine, xml.text(fault.provider.message))
        message = (
            f'<f:ProviderFault provider="{xml.attribute(fault.provider.provider)}"'
            f' path="{xml.attribute(fault.provider.path)}">{inner}</f:ProviderFault>'
        )
    return _wsman_fault(fault.wsman_code, fault.machine, message)


def _wsman_fault(code: int, machine: str, content: str) -> str:
    return (
        f'<f:WSManFault xmlns:f="{names.FAULT}" Code="{code}" Machine="{xml.attribute(machine)}">'
        f"<f:Message>{content}</f:Message></f:WSManFault>"
    )


def _write_wmi_error(fault: SoapFault, language: str) -> str:
    code, text = fault.innermost_code or 0, fault.text
    members = (
        ("CIMStatusCode", "cimUnsignedInt", str(fault.cim_status)),
        ("CIMStatusCodeDescription", "", None),
        ("ErrorSource", "", None),
        ("ErrorSourceFormat", "cimUnsignedShort", "0"),
        ("ErrorType", "cimUnsignedShort", "0"),
        ("Message", "cimString", text),
        ("MessageID", "cimString", f"HRESULT {code:#010x}"),
        ("OtherErrorSourceFormat", "", None),
        ("OtherErrorType", "", None),
        ("OwningEntity", "", None),
        ("PerceivedSeverity", "cimUnsignedShort", "0"),
        ("ProbableCause", "cimUnsignedShort", "0"),
        ("ProbableCauseDescription", "", None),
        ("error_Category", "cimUnsignedInt", "0"),
        ("error_Code", "cimUnsignedInt", str(code)),
        ("error_Type", "cimString", "HRESULT"),
        ("error_WindowsErrorMessage", "cimString", text),
    )
    content = "".join(
        f'<p:{name} xsi:nil="true"/>'
        if value is None
        else f'<p:{name} xsi:type="cim:{kind}">{xml.text(value)}</p:{name}>'
        for name, kind, value in members
    )
    return (
        f'<p:MSFT_WmiError b:IsCIM_Error="true" xmlns:p="{names.WMI_ERROR}" xmlns:cim="{names.CIM}"'
        f' xmlns:xsi="{names.XSI}" xsi:type="p:MSFT_WmiError_Type" xml:lang="{language}">{content}</p:MSFT_WmiError>'
    )


def _read_subcode(code: xml.Element | None) -> str:
    """With our prefix, whichever one the host declared for its namespace."""
    value = None if code is None else code.find(f"{_S}Subcode/{_S}Value")
    if value is None:
        return ""
    prefix, _, name = (value.text or "").strip().rpartition(":")
    uri = value.nsmap.get(prefix or None, "")
    ours = next((known for known, namespace in names.PREFIXES.items() if namespace == uri), prefix)
    return f"{ours}:{name}" if ours else name


def _with_wsman_fault(fault: SoapFault, element: xml.Element) -> SoapFault:
    message = element.find(f"{_F}Message")
    provider = None if message is None else message.find(f"{_F}ProviderFault")
    return replace(
        fault,
        wsman_code=_number(element.get("Code")),
        machine=element.get("Machine", ""),
        message=_own_text(message) or fault.message,
        provider=None if provider is None else _read_provider(provider),
    )


def _read_provider(element: xml.Element) -> ProviderFault | None:
    inner = element.find(f".//{_F}WSManFault")
    code = None if inner is None else _number(inner.get("Code"))
    if inner is None or code is None:
        return None
    message = " ".join(part.strip() for part in inner.itertext() if part.strip())
    return ProviderFault(code, message, element.get("provider", ""), element.get("path", ""))


def _with_wmi_error(fault: SoapFault, element: xml.Element) -> SoapFault:
    members = {xml.local_name(child.tag): (child.text or "").strip() for child in element}
    return replace(
        fault,
        wmi_error=True,
        wsman_code=_number(members.get("error_Code")),
        cim_status=_number(members.get("CIMStatusCode")) or 1,
        message=members.get("Message") or members.get("error_WindowsErrorMessage") or fault.message,
    )


def _own_text(element: xml.Element | None) -> str:
    return "" if element is None or len(element) else (element.text or "").strip()


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _local(text: str) -> str:
    return text.strip().rpartition(":")[2]


@functools.cache
def _table() -> dict[str, Any]:
    text = (resources.files("compute_hyperv.cim") / "data" / "_faults.json").read_text("utf-8")
    return cast(dict[str, Any], json.loads(text))


_RIGHTS = (
    "Check the password, and that the account is in the host's group Administrators, or in both "
    "Hyper-V Administrators and Remote Management Users."
)
_RETRY = "Try again later, or raise the host's quota (winrm get winrm/config/service)."
_ENVELOPE = (
    'Raise MaxEnvelopeSizekb on the host (winrm set winrm/config @{MaxEnvelopeSizekb="500"}), or ask for less at once.'
)
_PROVIDER_DOWN = "Check that the services vmms and winmgmt run on the host."

# The decision that a caller has to make, by code: WBEM_E_* (wbemcli.h), Win32 and WS-Man codes.
_BY_CODE: dict[int | None, tuple[type[CimError], str]] = {
    0x80041003: (AccessDenied, _RIGHTS),  # WBEM_E_ACCESS_DENIED
    0x80070005: (AccessDenied, _RIGHTS),  # E_ACCESSDENIED
    0x80041002: (NotFound, ""),  # WBEM_E_NOT_FOUND
    0x8004100E: (NotFound, "This Windows version or installation lacks the namespace."),  # WBEM_E_INVALID_NAMESPACE
    0x80041010: (NotFound, "This Windows version or installation lacks the class."),  # WBEM_E_INVALID_CLASS
    0x8004102E: (NotFound, "This Windows version lacks the method."),  # WBEM_E_INVALID_METHOD
    0x80041055: (NotFound, "This Windows version lacks the method."),  # WBEM_E_METHOD_NOT_IMPLEMENTED
    0x8004100C: (InvalidRequest, ""),  # WBEM_E_NOT_SUPPORTED
    0x80041008: (InvalidRequest, ""),  # WBEM_E_INVALID_PARAMETER
    0x8004102F: (InvalidRequest, ""),  # WBEM_E_INVALID_METHOD_PARAMETERS
    0x80041005: (InvalidRequest, ""),  # WBEM_E_TYPE_MISMATCH
    0x8004100D: (InvalidRequest, ""),  # WBEM_E_INVALID_SUPERCLASS
    0x80041017: (InvalidRequest, ""),  # WBEM_E_INVALID_QUERY
    0x80041018: (InvalidRequest, ""),  # WBEM_E_INVALID_QUERY_TYPE
    0x80041019: (InvalidRequest, ""),  # WBEM_E_ALREADY_EXISTS
    0x80041024: (InvalidRequest, ""),  # WBEM_E_PROVIDER_NOT_CAPABLE
    0x8004103A: (InvalidRequest, ""),  # WBEM_E_INVALID_OBJECT_PATH
    0x80041045: (Busy, _RETRY),  # WBEM_E_SERVER_TOO_BUSY
    0x8004106C: (Busy, _RETRY),  # WBEM_E_QUOTA_VIOLATION
    0x80041069: (TimedOut, ""),  # WBEM_E_TIMED_OUT
    0x80041032: (TimedOut, ""),  # WBEM_E_CALL_CANCELLED: WinRM cancels what runs over the operation timeout
    0x80041011: (Unreachable, _PROVIDER_DOWN),  # WBEM_E_PROVIDER_NOT_FOUND
    0x80041013: (Unreachable, _PROVIDER_DOWN),  # WBEM_E_PROVIDER_LOAD_FAILURE
    0x80041015: (Unreachable, _PROVIDER_DOWN),  # WBEM_E_TRANSPORT_FAILURE
    0x80041033: (Unreachable, _PROVIDER_DOWN),  # WBEM_E_SHUTTING_DOWN
    0x800706BA: (Unreachable, _PROVIDER_DOWN),  # RPC_S_SERVER_UNAVAILABLE
    0x800706BE: (Unreachable, _PROVIDER_DOWN),  # RPC_S_CALL_FAILED
    # On WinRM's own codes the host has done nothing yet.
    5: (AccessDenied, _RIGHTS),
    2150859173: (Busy, _RETRY),  # shells or operations per user (its text varies by release)
    2150859174: (Busy, _RETRY),  # concurrent operations of this user
    2150859175: (Busy, _RETRY),  # load of this user
    2150859176: (Busy, _RETRY),  # load of the system
    2150859009: (InvalidRequest, "The instance refers to another computer, which WinRM cannot return."),
}

_BY_SUBCODE: dict[str, tuple[type[CimError], str]] = {
    "w:AccessDenied": (AccessDenied, _RIGHTS),
    "a:DestinationUnreachable": (NotFound, ""),
    "a:ActionNotSupported": (NotFound, ""),
    "w:TimedOut": (TimedOut, ""),
    "n:TimedOut": (TimedOut, ""),
    # The host has forgotten the enumeration: it restarted, or was not asked for more in time. Asking anew helps.
    "n:InvalidEnumerationContext": (Unreachable, "Ask again."),
    "w:QuotaLimit": (Busy, _RETRY),
    "w:Concurrency": (Busy, _RETRY),
    "a:EndpointUnavailable": (Unreachable, _PROVIDER_DOWN),
    "a:EndpointUnavilable": (Unreachable, _PROVIDER_DOWN),  # as Windows spells it
    "w:EncodingLimit": (InvalidRequest, _ENVELOPE),
    "w:AlreadyExists": (InvalidRequest, ""),
    "w:CannotProcessFilter": (InvalidRequest, ""),
    "n:CannotProcessFilter": (InvalidRequest, ""),
    "n:FilterDialectRequestedUnavailable": (InvalidRequest, ""),
    "n:FilteringNotSupported": (InvalidRequest, ""),
    "w:InvalidOptions": (InvalidRequest, ""),
    "w:InvalidParameter": (InvalidRequest, ""),
    "w:InvalidSelectors": (InvalidRequest, ""),
    "w:SchemaValidationError": (InvalidRequest, ""),
    "w:UnsupportedFeature": (InvalidRequest, ""),
    "x:InvalidRepresentation": (InvalidRequest, ""),
    "a:InvalidMessageInformationHeader": (InvalidRequest, ""),
    "a:MessageInformationHeaderRequired": (InvalidRequest, ""),
}
