"""Instances and values to XML, typed by the schema and strict about it.

What Windows writes (MS-WSMV 3.1.4.1.26 and recorded answers), and what is therefore written here:

=================  ==================================================================================================
order              properties by name, without regard to letter case
NULL               ``<p:X xsi:nil="true"/>``
NULL/empty array   nothing at all
array              the element repeated; ``uint8[]`` is one element with base64
datetime           ``<cim:Datetime>`` or ``<cim:Interval>`` inside; ``<cim:CIM_DateTime>`` with unknown digits
reference          the endpoint reference's children, with ``a`` and ``w`` declared on the element
object             ``xsi:type`` and the class's namespace on the element itself, the object's properties inside
string             text; a CimInstance where the schema names an embedded class becomes CIM-XML text
=================  ==================================================================================================

An InvalidRequest names the class and the property or parameter that cannot be written.
"""

from __future__ import annotations

import base64
import datetime as dt

from compute_hyperv.cim import cimxml, datetimes, scalars, schema, xml
from compute_hyperv.cim.errors import InvalidRequest, NotFound
from compute_hyperv.cim.schema import CimClass, CimParameter, CimProperty, CimType
from compute_hyperv.cim.soap import names, references, uris
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue

_REFERENCE_NAMESPACES = f'xmlns:a="{names.ADDRESSING}" xmlns:w="{names.WSMAN}"'
_DEEPEST = 8  # objects inside objects; the schema needs two


def instance(value: CimInstance) -> str:
    """An instance as an element of its own: an item, or the body of a Get."""
    cim_class = class_of(value)
    uri = xml.attribute(uris.resource_uri(value.namespace, cim_class.name))
    return (
        f'<p:{cim_class.name} xmlns:xsi="{names.XSI}" xmlns:p="{uri}" xmlns:cim="{names.CIM}"'
        f' xsi:type="p:{cim_class.name}_Type">{_properties(cim_class, value, "p:", 0)}</p:{cim_class.name}>'
    )


def fragment(value: CimInstance) -> str:
    """An item of a query that names the properties it wants: without the class, its elements in no namespace
    (MS-WSMV appendix B, notes 58 and 59; WinRM clients in the field read ``w:XmlFragment``)."""
    content = _properties(class_of(value), value, "", 0)
    return f'<w:XmlFragment xmlns:xsi="{names.XSI}" xmlns:cim="{names.CIM}">{content}</w:XmlFragment>'


def member(prefix: str, owner: str, typed: CimProperty | CimParameter, value: CimValue, depth: int = 0) -> str:
    """The elements of one property or parameter; ``owner`` is named in the InvalidRequest that a bad value raises."""
    try:
        return _member(prefix + typed.name, typed, value, depth)
    except ValueError as error:
        raise InvalidRequest(f"{owner}.{typed.name}: {error}.") from None


def class_of(value: CimInstance) -> CimClass:
    try:
        return schema.catalogue().find(value.namespace, value.class_name)
    except NotFound as error:
        raise InvalidRequest(f"Cannot write an instance: {error.message}") from None


def _properties(cim_class: CimClass, value: CimInstance, prefix: str, depth: int) -> str:
    parts: list[str] = []
    try:
        for name, content in sorted(value.items(), key=_lower_name):
            typed = cim_class.property(name) if cim_class.properties else _of_property_bag(name, content)
            parts.append(member(prefix, cim_class.name, typed, content, depth))
    except NotFound as error:
        raise InvalidRequest(f"Cannot write an instance: {error.message}") from None
    return "".join(parts)


def _of_property_bag(name: str, content: CimValue) -> CimProperty:
    """A class without any property (MSCluster_Property) has what an instance brings along; hosts send it as it is."""
    kinds = {bool: CimType.BOOLEAN, int: CimType.SINT64}
    return CimProperty(name, kinds.get(type(content), CimType.STRING))


def _lower_name(item: tuple[str, CimValue]) -> str:
    return item[0].lower()


def _member(tag: str, typed: CimProperty | CimParameter, value: CimValue, depth: int) -> str:
    if value is None:
        return "" if typed.is_array else f'<{tag} xsi:nil="true"/>'
    if not typed.is_array:
        return _item(tag, typed, value, depth)
    if typed.type is CimType.UINT8:
        if not isinstance(value, (bytes, bytearray)):
            raise ValueError(f"{value!r} is not bytes")
        return f"<{tag}>{base64.b64encode(value).decode()}</{tag}>" if value else ""
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")
    return "".join([_item(tag, typed, item, depth) for item in value])


def _item(tag: str, typed: CimProperty | CimParameter, value: CimValue, depth: int) -> str:
    cim_type = typed.type
    if cim_type is CimType.DATETIME:
        return f"<{tag}>{_moment(datetimes.checked(value))}</{tag}>"
    if cim_type is CimType.REFERENCE:
        if not isinstance(value, CimReference):
            raise ValueError(f"{value!r} is not a reference")
        return f"<{tag} {_REFERENCE_NAMESPACES}>{references.write_content(value)}</{tag}>"
    if cim_type is CimType.OBJECT:
        if not isinstance(value, CimInstance) or depth >= _DEEPEST:
            raise ValueError(f"{value!r} is not an instance")
        return _object(tag, value, depth + 1)
    if isinstance(value, CimInstance) and typed.embedded_class is not None:
        return f"<{tag}>{xml.text(cimxml.instance_to_text(value))}</{tag}>"
    if value is None or isinstance(value, (bytes, list)):
        raise ValueError(f"{value!r} is not a {cim_type}")
    return f"<{tag}>{xml.text(scalars.to_text(value, cim_type))}</{tag}>"


def _moment(value: datetimes.CimMoment) -> str:
    if isinstance(value, str):
        return f"<cim:CIM_DateTime>{datetimes.to_cim(value)}</cim:CIM_DateTime>"
    element = "Interval" if isinstance(value, dt.timedelta) else "Datetime"
    return f"<cim:{element}>{datetimes.to_xml(value)}</cim:{element}>"


def _object(tag: str, value: CimInstance, depth: int) -> str:
    cim_class, prefix = class_of(value), f"p{depth}"
    uri = xml.attribute(uris.resource_uri(value.namespace, cim_class.name))
    content = _properties(cim_class, value, f"{prefix}:", depth)
    return f'<{tag} xsi:type="{prefix}:{cim_class.name}_Type" xmlns:{prefix}="{uri}">{content}</{tag}>'
