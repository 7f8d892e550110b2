"""Endpoint references and selectors: how a message says which instance it means.

Inside a property or parameter, Windows writes the children of an endpoint reference directly, without an
``a:EndpointReference`` around them; as an item of an enumeration it writes the wrapper. Both are read. Selectors are
the key properties of the class; a key that is a reference nests an ``a:EndpointReference`` (DSP0226 5.1.2.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim import xml
from compute_hyperv.cim.errors import ProtocolError
from compute_hyperv.cim.soap import faults, names, uris
from compute_hyperv.cim.values import CimReference, KeyValue

DMTF_NAMESPACE = "root/hardware"  # of a DMTF URI that comes without the selector below (MS-WSMV 3.1.4.1.1)
NAMESPACE_SELECTOR = "__cimnamespace"  # part of the address, not a key (MS-WSMV 3.1.4.1.1)


def write_content(reference: CimReference) -> str:
    """What stands inside an endpoint reference."""
    uri = xml.text(uris.resource_uri(reference.namespace, reference.class_name))
    return (
        f"<a:Address>{names.ANONYMOUS}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{uri}</w:ResourceURI>{write_selectors(reference.keys)}</a:ReferenceParameters>"
    )


def write_selectors(keys: Mapping[str, KeyValue]) -> str:
    """A ``w:SelectorSet``; nothing for a class or singleton."""
    if not keys:
        return ""
    selectors = "".join(
        f'<w:Selector Name="{xml.attribute(name)}">{_write_key(value)}</w:Selector>' for name, value in keys.items()
    )
    return f"<w:SelectorSet>{selectors}</w:SelectorSet>"


def read(element: xml.Element) -> CimReference:
    """The reference in an element, with or without a wrapper. Raises ProtocolError where there is none."""
    found = find(element)
    if found is None:
        raise ProtocolError(f"{xml.local_name(element.tag)} holds no endpoint reference.")
    return found


def find(element: xml.Element) -> CimReference | None:
    """The reference in an element, or ``None`` where it holds something else."""
    parameters = element.find(f"{{{names.ADDRESSING}}}ReferenceParameters")
    if parameters is None:
        wrapped = element.find(f"{{{names.ADDRESSING}}}EndpointReference")
        return None if wrapped is None else find(wrapped)
    uri = parameters.findtext(f"{{{names.WSMAN}}}ResourceURI")
    if uri is None:
        raise ProtocolError("An endpoint reference has no resource URI.")
    return addressed(uri.strip(), read_selectors(parameters.find(f"{{{names.WSMAN}}}SelectorSet")))


def addressed(uri: str, selectors: Mapping[str, KeyValue]) -> CimReference:
    """The reference that a resource URI and selectors stand for, in a header as in an endpoint reference."""
    namespace, class_name = uris.parse_resource_uri(uri)
    keys = {name: value for name, value in selectors.items() if name.lower() != NAMESPACE_SELECTOR}
    if not namespace:
        stated = [value for name, value in selectors.items() if name.lower() == NAMESPACE_SELECTOR]
        namespace = stated[0].replace("\\", "/") if stated and isinstance(stated[0], str) else DMTF_NAMESPACE
    return CimReference(class_name, keys, namespace)


def read_selectors(element: xml.Element | None) -> dict[str, KeyValue]:
    """Selectors by name; none where there is no set. Raises ProtocolError for one without a name, and the fault of a
    name that comes twice."""
    selectors: dict[str, KeyValue] = {}
    seen: set[str] = set()
    for selector in () if element is None else element:
        name = selector.get("Name")
        if not name:
            raise ProtocolError("A selector has no name.")
        if name.lower() in seen:
            raise faults.SoapFault.known("ERROR_WSMAN_DUPLICATE_SELECTORS")
        seen.add(name.lower())
        selectors[name] = read(selector) if len(selector) else selector.text or ""
    return selectors


def _write_key(value: KeyValue) -> str:
    if isinstance(value, CimReference):
        return f"<a:EndpointReference>{write_content(value)}</a:EndpointReference>"
    return xml.text(value)
