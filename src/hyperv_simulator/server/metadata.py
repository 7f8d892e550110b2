"""A class as CIM-XML: Get on the URI of class metadata, as clients of the MI interface do before they write instances.

The URI, its selectors ``ClassName`` and ``__cimnamespace`` and the options are those of a request that Microsoft's
client sends (OMI, ``doc/xml/GetClassRequest.xml``); that ``CLASS`` stands in the body directly, and its attributes, are
of Microsoft's server for Unix (OMI, ``test_wsman.cpp``). MS-WSMV 3.1.4.1.38 and 3.1.4.2: CIM-XML, never WS-CIM.
Enumerate for subclass paths is refused: how its items look is in none of the sources read.
"""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim import xml
from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.schema import CimClass, CimMethod, CimParameter, CimProperty, CimType
from compute_hyperv.cim.soap import names
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.soap.requests import OtherRequest, RequestHeader
from compute_hyperv.cim.soap.responses import OtherResponse
from hyperv_simulator.repository import wmi_faults
from hyperv_simulator.repository.catalogue import HostCatalogue


class Metadata:
    """The class metadata of one host."""

    def __init__(self, catalogue: HostCatalogue) -> None:
        self._catalogue = catalogue

    def answer(self, header: RequestHeader, request: OtherRequest) -> OtherResponse:
        """Raises the fault of an action or class that there is not."""
        if request.action != names.GET:
            raise SoapFault.known("ERROR_WSMAN_ACTION_NOT_SUPPORTED")
        selectors = {name.lower(): value for name, value in header.selectors.items() if isinstance(value, str)}
        class_name = selectors.get("classname", request.uri.rpartition("/")[2])
        namespace = selectors.get("__cimnamespace", "root/cimv2").strip().replace("\\", "/")
        if not self._catalogue.has_namespace(namespace):
            raise wmi_faults.invalid_namespace(namespace)
        try:
            cls = self._catalogue.find(namespace, class_name.strip())
        except NotFound:
            raise wmi_faults.class_not_found(namespace, class_name) from None
        return OtherResponse(f"{names.GET}Response", "saxw", self._written(cls, header.options))

    def _written(self, cls: CimClass, options: Mapping[str, str]) -> str:
        stated = {name.lower() for name, value in options.items() if value.strip().lower() == "true"}
        inherited, qualifiers = "includeinheritedelements" in stated, "includequalifiers" in stated
        origins = "includeclassorigin" in stated
        base = self._catalogue.find(cls.namespace, cls.superclass) if cls.superclass else None
        parts: list[str] = []
        if qualifiers:
            parts += [_qualifier(name, "boolean", "true") for name in ("abstract", "association") if getattr(cls, name)]
        for name, _ in self._catalogue.property_names(cls.namespace, cls.name):
            propagated = base is not None and base.has_property(name)
            if propagated and not inherited:
                continue
            where = self._attributes(cls, name, propagated=propagated, origins=origins)
            parts.append(_property(cls, cls.property(name), where, qualifiers))
        for method in cls.methods.values():
            propagated = base is not None and method.name.lower() in {each.lower() for each in base.methods}
            if propagated and not inherited:
                continue
            where = self._attributes(cls, method.name, propagated=propagated, origins=origins)
            parts.append(_method(method, where, qualifiers))
        head = f' SUPERCLASS="{xml.attribute(cls.superclass)}"' if cls.superclass else ""
        if "includeinheritancehierarchy" in stated:
            head += f' DERIVATION="{xml.attribute(",".join(cls.ancestors[1:]))}"'
        return f'<CLASS NAME="{xml.attribute(cls.name)}"{head}>{"".join(parts)}</CLASS>'

    def _attributes(self, cls: CimClass, name: str, *, propagated: bool, origins: bool) -> str:
        text = f' CLASSORIGIN="{self._origin(cls, name)}"' if origins else ""
        return text + (' PROPAGATED="true"' if propagated else "")

    def _origin(self, cls: CimClass, name: str) -> str:
        """The farthest ancestor that has a member of this name."""
        owner = cls.name
        for ancestor in cls.ancestors:
            candidate = self._catalogue.find(cls.namespace, ancestor)
            if candidate.has_property(name) or name.lower() in {each.lower() for each in candidate.methods}:
                owner = candidate.name
        return owner


def _property(cls: CimClass, typed: CimProperty, where: str, qualifiers: bool) -> str:
    content = ""
    if qualifiers:
        content += _qualifier("key", "boolean", "true") if typed.name in cls.keys else ""
        content += _qualifier("write" if typed.writable else "read", "boolean", "true")
        content += _embedded(typed)
        content += _value_map(typed.values)
    return _member("PROPERTY", typed, where, content)


def _method(method: CimMethod, where: str, qualifiers: bool) -> str:
    content = _value_map(method.return_values) if qualifiers else ""
    for parameter in method.parameters:
        inner = ""
        if qualifiers:
            inner += _embedded(parameter)
            inner += _qualifier("in", "boolean", "true") if parameter.direction != "out" else ""
            inner += _qualifier("out", "boolean", "true") if parameter.direction != "in" else ""
        content += _member("PARAMETER", parameter, "", inner)
    returns = f' TYPE="{method.returns}"' if method.returns is not None else ""
    return f'<METHOD NAME="{xml.attribute(method.name)}"{returns}{where}>{content}</METHOD>'


def _member(tag: str, typed: CimProperty | CimParameter, where: str, content: str) -> str:
    name = f'NAME="{xml.attribute(typed.name)}"'
    if typed.type is CimType.REFERENCE:
        suffix = ".REFARRAY" if typed.is_array and tag == "PARAMETER" else ".REFERENCE"
        target = f' REFERENCECLASS="{xml.attribute(typed.reference_class)}"' if typed.reference_class else ""
        return f"<{tag}{suffix} {name}{target}{where}>{content}</{tag}{suffix}>"
    suffix = ".ARRAY" if typed.is_array else ""
    kind = "string" if typed.type is CimType.OBJECT else typed.type  # with a qualifier that says it is an object
    return f'<{tag}{suffix} {name} TYPE="{kind}"{where}>{content}</{tag}{suffix}>'


def _embedded(typed: CimProperty | CimParameter) -> str:
    if typed.embedded_class is not None:
        return _qualifier("EmbeddedInstance", "string", typed.embedded_class)
    return _qualifier("EmbeddedObject", "boolean", "true") if typed.type is CimType.OBJECT else ""


def _value_map(values: Mapping[str, str]) -> str:
    if not values:
        return ""
    return _array_qualifier("ValueMap", list(values)) + _array_qualifier("Values", list(values.values()))


def _array_qualifier(name: str, values: list[str]) -> str:
    content = "".join(f"<VALUE>{xml.text(value)}</VALUE>" for value in values)
    return f'<QUALIFIER NAME="{name}" TYPE="string"><VALUE.ARRAY>{content}</VALUE.ARRAY></QUALIFIER>'


def _qualifier(name: str, kind: str, value: str) -> str:
    return f'<QUALIFIER NAME="{name}" TYPE="{kind}"><VALUE>{xml.text(value)}</VALUE></QUALIFIER>'
