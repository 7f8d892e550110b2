"""The faults with which WMI answers: one function per situation, so that nobody else needs to know the codes.

Sources: which SOAP fault goes with which situation: wsman-cim 7 (table of faults) and MS-WSMV 4.10; WMI's own codes
(0x800410xx, carried in the provider's part of the fault): WmiSdk "WMI Error Constants". Where no source pairs a WMI
code with a subcode (not capable, invalid method) the pairing is an assumption.
"""

from __future__ import annotations

from dataclasses import replace

from compute_hyperv.cim.soap.faults import ProviderFault, SoapFault, known_codes
from compute_hyperv.cim.values import CimReference

WBEM_E_NOT_FOUND = 0x80041002
WBEM_E_ACCESS_DENIED = 0x80041003
WBEM_E_INVALID_PARAMETER = 0x80041008
WBEM_E_INVALID_NAMESPACE = 0x8004100E
WBEM_E_INVALID_CLASS = 0x80041010
WBEM_E_INVALID_QUERY = 0x80041017
WBEM_E_PROVIDER_NOT_CAPABLE = 0x80041024
WBEM_E_INVALID_METHOD = 0x8004102E

_TEXTS = {
    WBEM_E_NOT_FOUND: "The object could not be found.",
    WBEM_E_ACCESS_DENIED: "The current user does not have permission to perform the action.",
    WBEM_E_INVALID_PARAMETER: "One of the parameters to the call is not correct.",
    WBEM_E_INVALID_NAMESPACE: "The namespace specified cannot be found.",
    WBEM_E_INVALID_CLASS: "The class name specified cannot be found.",
    WBEM_E_INVALID_QUERY: "The query was not syntactically valid.",
    WBEM_E_PROVIDER_NOT_CAPABLE: "The provider is not capable of the attempted operation.",
    WBEM_E_INVALID_METHOD: "The requested method is not available.",
}


def not_found(reference: CimReference) -> SoapFault:
    """There is no instance with these keys."""
    return _fault("ERROR_WSMAN_RESOURCE_NOT_FOUND", WBEM_E_NOT_FOUND, f"{reference.class_name} {dict(reference.keys)}")


def ambiguous_selectors(reference: CimReference) -> SoapFault:
    """The selectors fit more than one instance."""
    return _fault("ERROR_WSMAN_AMBIGUOUS_SELECTORS", WBEM_E_INVALID_PARAMETER, reference.class_name)


def insufficient_selectors(reference: CimReference) -> SoapFault:
    """There are no selectors, and the class is no singleton."""
    return _fault("ERROR_WSMAN_INSUFFCIENT_SELECTORS", WBEM_E_INVALID_PARAMETER, reference.class_name)


def unknown_selector(reference: CimReference, name: str) -> SoapFault:
    """A selector is no key of the class."""
    return _fault("ERROR_WSMAN_UNEXPECTED_SELECTORS", WBEM_E_INVALID_PARAMETER, f"{reference.class_name}.{name}")


def class_not_found(namespace: str, class_name: str) -> SoapFault:
    """A resource URI names a class that this host lacks."""
    return _fault("ERROR_WSMAN_INVALID_RESOURCE_URI", WBEM_E_INVALID_CLASS, f"{namespace}:{class_name}")


def invalid_namespace(namespace: str) -> SoapFault:
    """A resource URI names a namespace that this host lacks."""
    return _fault("ERROR_WSMAN_INVALID_RESOURCE_URI", WBEM_E_INVALID_NAMESPACE, namespace)


def invalid_query(text: str, why: str) -> SoapFault:
    """The filter is no WQL, or names a property that its class lacks."""
    return _fault("ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER", WBEM_E_INVALID_QUERY, f"{why} ({text})")


def invalid_class_in_query(text: str, class_name: str) -> SoapFault:
    """A query names a class that this host lacks (seen on a host: wsman-cim 7, soap_fault_v2)."""
    return _fault("ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER", WBEM_E_INVALID_CLASS, f"{class_name} ({text})")


def method_not_found(class_name: str, method: str) -> SoapFault:
    """The class has no method of that name."""
    return _fault("ERROR_WSMAN_ACTION_NOT_SUPPORTED", WBEM_E_INVALID_METHOD, f"{class_name}.{method}")


def invalid_method_parameter(class_name: str, method: str, name: str) -> SoapFault:
    """The method has no parameter of that name."""
    return _fault("ERROR_WSMAN_INVALID_PARAMETER_NAME", WBEM_E_INVALID_PARAMETER, f"{class_name}.{method}({name})")


def invalid_value(what: str) -> SoapFault:
    """A property can be written, but not with this value."""
    return _fault("ERROR_WSMAN_INVALID_PARAMETER", WBEM_E_INVALID_PARAMETER, what)


def not_capable(what: str) -> SoapFault:
    """The class is known, but nobody does that for it."""
    fault = replace(
        SoapFault.known("ERROR_INTERNAL_ERROR"), wsman_code=known_codes()["ERROR_WSMAN_WMI_PROVIDER_NOT_CAPABLE"]
    )
    return _with_provider(fault, WBEM_E_PROVIDER_NOT_CAPABLE, what)


def access_denied(what: str) -> SoapFault:
    """The user is let in, but not to this."""
    return _fault("ERROR_ACCESS_DENIED", WBEM_E_ACCESS_DENIED, what)


def winrm_access_denied() -> SoapFault:
    """WinRM itself does not let the user in (``winrm configSDDL default``)."""
    return SoapFault.known("ERROR_ACCESS_DENIED", "Access is denied. ")


def schema_validation_error(why: str) -> SoapFault:
    """A parameter does not have the form that the schema gives it."""
    fault = SoapFault.known("ERROR_WSMAN_SCHEMA_VALIDATION_ERROR")
    return replace(fault, message=f"{fault.message} {why}")


def _fault(error: str, code: int, detail: str) -> SoapFault:
    return _with_provider(SoapFault.known(error), code, detail)


def _with_provider(fault: SoapFault, code: int, detail: str) -> SoapFault:
    return replace(fault, provider=ProviderFault(code, f"{_TEXTS[code]} {detail}"))
