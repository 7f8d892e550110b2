"""The faults that WinRM itself answers with, before or after WMI is asked: one function per situation.

Codes, subcodes and details: MS-WSMV, DSP0226 and the fault table of ``cim``. Where the table has a code without a
subcode, the subcode is an assumption and says so.
"""

from __future__ import annotations

from dataclasses import replace

from compute_hyperv.cim.soap.faults import ProviderFault, SoapFault, known_codes, message_of

_ACCESS_DENIED = 5
_INTERNAL = "ERROR_INTERNAL_ERROR"
# The quota codes that current Windows uses (wsman-cim 7); the table knows only the older one for the subcode.
_QUOTA_CODES = (2150859173, 2150859174, 2150859175, 2150859176)


def _built(error: str, subcode: str, detail: str, message: str) -> SoapFault:
    return SoapFault("Sender", subcode, message, fault_detail=detail, wsman_code=known_codes()[error])


def class_with_wql() -> SoapFault:
    """A WQL filter goes with the class ``*`` and no keys. The subcode is an assumption (wsman-cim 11, point 1)."""
    return _built(
        "ERROR_WSMAN_INVALID_URI_WMI_ENUM_WQL",
        "n:CannotProcessFilter",
        "",
        "The resource URI for an enumeration operation with WQL filter must not contain keys and the class name "
        "must be '*' (star).",
    )


def all_classes_without_filter() -> SoapFault:
    """The class ``*`` can only be queried (assumption: the fault for a missing filter)."""
    return SoapFault.known("ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER")


def enumerate_with_keys() -> SoapFault:
    """The subcode is an assumption."""
    return _built(
        "ERROR_WSMAN_ENUMERATE_WMI_INVALID_KEY",
        "w:InvalidSelectors",
        "UnexpectedSelectors",
        "The resource URI for an Enumerate operation must not contain keys.",
    )


def other_namespace_selected() -> SoapFault:
    """``__cimnamespace`` contradicts the resource URI (MS-WSMV notes 45 and 46, which names the subcode)."""
    return _built(
        "ERROR_WSMAN_DIFFERENT_CIM_SELECTOR",
        "w:InternalError",
        "",
        "The resource URI and __cimnamespace selector attempted to use different namespaces.",
    )


def subscribe_with_keys() -> SoapFault:
    """The subcode is an assumption."""
    return _built(
        "ERROR_WSMAN_SUBSCRIBE_WMI_INVALID_KEY",
        "w:InvalidSelectors",
        "UnexpectedSelectors",
        message_of("ERROR_WSMAN_SUBSCRIBE_WMI_INVALID_KEY"),
    )


def only_pull_delivery() -> SoapFault:
    """Another delivery mode than Pull (WSMERR 2150859007). The subcode follows from WS-Eventing."""
    error = "ERROR_WSMAN_NON_PULL_SUBSCRIPTION_NOT_SUPPORTED"
    return _built(error, "e:DeliveryModeRequestedUnavailable", "", message_of(error))


def not_an_event_class(text: str) -> SoapFault:
    """WBEM_E_NOT_EVENT_CLASS."""
    return _refused_query(
        0x80041059, "The FROM clause of a filtering query references a class that is no event class.", text
    )


def registration_too_broad(text: str) -> SoapFault:
    """WBEM_E_REGISTRATION_TOO_BROAD: an intrinsic event of no class in particular."""
    return _refused_query(0x80042001, "The provider registration overlaps with the system event domain.", text)


def within_needed(text: str) -> SoapFault:
    """WBEM_E_REGISTRATION_TOO_PRECISE: an intrinsic event without WITHIN."""
    return _refused_query(0x80042002, "A WITHIN clause was not used in this query.", text)


def _refused_query(code: int, message: str, text: str) -> SoapFault:
    """As WMI refuses a query; the subcode is that of a query for instances (assumption)."""
    fault = SoapFault.known("ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER")
    return replace(fault, provider=ProviderFault(code, f"{message} ({text})"))


def unknown_subscription() -> SoapFault:
    """Unsubscribe from what there is not (DSP0226 10.4: InvalidMessage)."""
    return SoapFault.known("ERROR_WSMAN_EVENTING_INVALID_MESSAGE")


def no_pull_in_time() -> SoapFault:
    """Nobody pulled within the heartbeat interval (WSMERR 2150858762). The subcode is an assumption."""
    return _lost("ERROR_WSMAN_SUBSCRIPTION_CLIENT_DID_NOT_CALL_WITHIN_HEARTBEAT")


def subscription_closed() -> SoapFault:
    """A Pull waits on a subscription that its client ends. The subcode is an assumption."""
    return _lost("ERROR_WSMAN_SUBSCRIPTION_CLOSED")


def subscription_cancelled() -> SoapFault:
    """More happened than the host keeps, or it stops."""
    return SoapFault.known("ERROR_WSMAN_EVENTING_SUBSCRIPTION_CANCELLED_BYSOURCE")


def _lost(error: str) -> SoapFault:
    return replace(context_lost(), wsman_code=known_codes()[error], message=message_of(error))


def pull_in_progress() -> SoapFault:
    """A second Pull on a subscription. The subcode is an assumption."""
    error = "ERROR_WSMAN_PULL_IN_PROGRESS"
    return replace(SoapFault.known("ERROR_WSMAN_CONCURRENCY", message_of(error)), wsman_code=known_codes()[error])


def nothing_to_pull() -> SoapFault:
    """MaxTime is over and nothing has happened; the subscription lives on."""
    return SoapFault.known("ERROR_WSMAN_ENUMERATE_TIMED_OUT")


def unknown_dialect() -> SoapFault:
    """The filter dialect is not one that this host has."""
    return SoapFault.known("ERROR_WSMAN_ENUMERATE_FILTER_DIALECT_REQUESTED_UNAVAILABLE")


def bad_selector_filter(why: str) -> SoapFault:
    """MS-WSMV 3.1.4.1.13."""
    fault = SoapFault.known("ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER")
    return replace(fault, message=f"{fault.message} {why}")


def context_lost() -> SoapFault:
    return SoapFault.known("ERROR_WSMAN_ENUMERATE_INVALID_ENUMERATION_CONTEXT")


def envelope_size_too_small() -> SoapFault:
    """The client's MaxEnvelopeSize is below 8192 (MS-WSMV 3.1.4.1.7)."""
    return SoapFault.known("ERROR_WSMAN_MIN_ENVELOPE_SIZE")


def answer_too_big() -> SoapFault:
    """The answer is larger than the client's MaxEnvelopeSize."""
    return SoapFault.known("ERROR_WSMAN_MAX_ENVELOPE_SIZE_EXCEEDED")


def locale_not_understood() -> SoapFault:
    """Locale or DataLocale with mustUnderstand (MS-WSMV 3.1.4.1.8 and 9)."""
    return SoapFault.known("ERROR_WSMAN_MUSTUNDERSTAND_ON_LOCALE_UNSUPPORTED")


def fragment_transfer_not_supported() -> SoapFault:
    """FragmentTransfer on another operation than Get and Put of an instance."""
    return SoapFault.known("ERROR_WSMAN_FRAGMENT_TRANSFER_NOT_SUPPORTED")


def fragment_not_mandatory() -> SoapFault:
    """FragmentTransfer without mustUnderstand="true" (MS-WSMV 3.1.4.1.18)."""
    return SoapFault.known("ERROR_WSMAN_INVALID_MESSAGE_INFORMATION_HEADER")


def fragment_dialect_unknown() -> SoapFault:
    return SoapFault.known("ERROR_WSMAN_FRAGMENT_DIALECT_REQUESTED_UNAVAILABLE")


def bad_fragment(path: str) -> SoapFault:
    """A path that is not supported, or names what there is not (MS-WSMV notes 65 and 66)."""
    fault = SoapFault.known("ERROR_WSMAN_INVALID_FRAGMENT_PATH")
    return replace(fault, message=f"{fault.message} {path}")


def header_not_understood(name: str) -> SoapFault:
    """A header block that must be understood is unknown (SOAP 1.2 part 1, 5.4.8)."""
    fault = SoapFault.known("ERROR_WSMAN_SOAP_FAULT_MUST_UNDERSTAND")
    return replace(fault, message=f"{fault.message} {name}")


def busy() -> SoapFault:
    """MaxConnections requests are being processed already. MS-WSMV 3.1.4.1.19 allows ``w:InternalError``; that it is
    the general quota fault is an assumption, from its text."""
    return SoapFault.known("ERROR_WSMAN_QUOTA_LIMIT")


def too_many_operations() -> SoapFault:
    """MaxConcurrentOperationsPerUser (MS-WSMV 2.2.4.36, wsman-cim 7)."""
    return _quota("ERROR_WSMAN_QUOTA_MAX_OPERATIONS")


def _quota(error: str) -> SoapFault:
    code, text = known_codes()[error], message_of(error)
    return replace(SoapFault.known("ERROR_WSMAN_QUOTA_LIMIT", text), wsman_code=code)


def timed_out() -> SoapFault:
    """The operation did not end within OperationTimeout."""
    return SoapFault.known("ERROR_WSMAN_OPERATION_TIMEDOUT")


def schema_violated(why: str) -> SoapFault:
    """The message is no SOAP, or not what the schema allows."""
    fault = SoapFault.known("ERROR_WSMAN_SCHEMA_VALIDATION_ERROR")
    return replace(fault, message=f"{fault.message} {why}")


def internal_error() -> SoapFault:
    """A defect of the simulator, or something that it does not know how to answer."""
    return SoapFault.known(_INTERNAL, "An internal error occurred.")


def with_code(code: int, message: str) -> SoapFault:
    """The fault of a code, as a fault rule asks for it.

    A code of the WS-Man table becomes that fault; any other is taken for what WMI answered (an HRESULT), in the
    provider's part of an internal error.
    """
    if code in _QUOTA_CODES:
        return replace(SoapFault.known("ERROR_WSMAN_QUOTA_LIMIT", message), wsman_code=code)
    for name, number in known_codes().items():
        if number == code:
            try:
                return SoapFault.known(name, message)
            except KeyError:
                break  # a code without a subcode of its own
    if code == _ACCESS_DENIED:
        return SoapFault("Sender", "w:AccessDenied", message or "Access is denied.", wsman_code=code)
    text = message or "Generic failure."
    return SoapFault("Receiver", "w:InternalError", text, wsman_code=code, provider=ProviderFault(code, text))
