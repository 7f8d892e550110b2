"""Namespaces, with the prefixes that Windows writes, and action URIs. A reader must never look at a prefix: Windows
itself uses ``p`` for two namespaces."""

from __future__ import annotations

SOAP = "http://www.w3.org/2003/05/soap-envelope"  # s
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"  # a
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"  # w
MICROSOFT = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"  # p, in headers
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"  # n
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"  # x
EVENTING = "http://schemas.xmlsoap.org/ws/2004/08/eventing"  # e
CIM_BINDING = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"  # b
CIM = "http://schemas.dmtf.org/wbem/wscim/1/common"  # cim
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"  # f
WMI_ERROR = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"  # p, in details
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"  # wsmid
XSI = "http://www.w3.org/2001/XMLSchema-instance"  # xsi
XML = "http://www.w3.org/XML/1998/namespace"  # xml

PREFIXES = {
    "s": SOAP,
    "a": ADDRESSING,
    "w": WSMAN,
    "n": ENUMERATION,
    "e": EVENTING,
    "x": TRANSFER,
    "b": CIM_BINDING,
}

ANONYMOUS = f"{ADDRESSING}/role/anonymous"
WSMAN_DIALECTS = "http://schemas.dmtf.org/wbem/wsman/1/wsman/"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
SELECTOR_FILTER = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"
FAULT_DETAIL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/"

GET = f"{TRANSFER}/Get"
PUT = f"{TRANSFER}/Put"
CREATE = f"{TRANSFER}/Create"
DELETE = f"{TRANSFER}/Delete"
ENUMERATE = f"{ENUMERATION}/Enumerate"
PULL = f"{ENUMERATION}/Pull"
RELEASE = f"{ENUMERATION}/Release"
SUBSCRIBE = f"{EVENTING}/Subscribe"
UNSUBSCRIBE = f"{EVENTING}/Unsubscribe"
RENEW = f"{EVENTING}/Renew"

XSI_NIL = f"{{{XSI}}}nil"
XSI_TYPE = f"{{{XSI}}}type"
