"""XML to instances and values, typed by the schema where it knows the name, by what stands there where it does not.

Forgiving by rule: any prefix; unknown classes and properties are kept (text as ``str``, repeated elements as a list);
``cim:Location`` is passed over (MS-WSMAN 3.1.4.1.27). When something structured stands where the schema says string,
the structure wins: the schema is compiled from sources that do not always tell dates and objects from strings. A value
that is not of its type at all (a number that is none) is a ProtocolError that names it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compute_hyperv.cim import datetimes, paths, scalars, schema, xml
from compute_hyperv.cim.errors import CimError, NotFound, ProtocolError
from compute_hyperv.cim.schema import CimClass, CimParameter, CimProperty, CimType
from compute_hyperv.cim.soap import names, references, uris
from compute_hyperv.cim.values import CimInstance, CimScalar, CimValue

_DATES = tuple(f"{{{names.CIM}}}{name}" for name in ("Datetime", "Interval", "CIM_DateTime"))
_LOCATION = f"{{{names.CIM}}}Location"
_XML_FRAGMENT = f"{{{names.WSMAN}}}XmlFragment"
_NIL = ("true", "1")
_STRUCTURED = (CimType.DATETIME, CimType.REFERENCE, CimType.OBJECT)


@dataclass(frozen=True, slots=True)
class ClassHint:
    """The class that a query asked for: an XmlFragment does not say it."""

    namespace: str
    class_name: str


def is_fragment(element: xml.Element) -> bool:
    """True for an item of a query that named the properties it wants."""
    return bool(element.tag == _XML_FRAGMENT)


def instance(element: xml.Element, hint: ClassHint | None = None) -> CimInstance:
    """The instance that an element of its own holds: an item, or the body of a GetResponse."""
    if is_fragment(element):
        return _of_class(element, hint.namespace if hint else "", hint.class_name if hint else "XmlFragment")
    namespace, _ = uris.parse_resource_uri(xml.namespace(element.tag))
    return _of_class(element, namespace, xml.local_name(element.tag))


def parameters(element: xml.Element, typed: Iterable[CimParameter], owner: str) -> dict[str, CimValue]:
    """The children of a method's INPUT or OUTPUT element, by the names that the schema gives them."""
    return _members(element, {parameter.name.lower(): parameter for parameter in typed}, owner)


def find_class(namespace: str, class_name: str) -> CimClass | None:
    """``None`` for a class that the schema does not know: another release may have it."""
    try:
        return schema.catalogue().find(namespace, class_name)
    except NotFound:
        return None


def _of_class(element: xml.Element, namespace: str, class_name: str) -> CimInstance:
    cim_class = find_class(namespace, class_name)
    known = cim_class.properties_by_lower_name if cim_class else {}
    return CimInstance(
        cim_class.name if cim_class else class_name, _members(element, known, class_name), namespace=namespace
    )


def _members(
    element: xml.Element, known: Mapping[str, CimProperty] | Mapping[str, CimParameter], owner: str
) -> dict[str, CimValue]:
    """Every member by name. This loop is where the time of reading a large answer goes: no object per member."""
    values: dict[str, CimValue] = {}
    arrays: dict[str, tuple[CimType, list[CimScalar | None]]] = {}
    for child in element:
        tag = child.tag
        local = tag.rpartition("}")[2]
        typed = known.get(local.lower())
        if typed is None and tag == _LOCATION:
            continue  # the instance's own address, to be ignored (wsman-cim 4)
        try:
            value = None if child.get(names.XSI_NIL) in _NIL else _item(child, typed)
        except (ValueError, CimError) as error:
            raise ProtocolError(f"{owner}.{local}: {error}") from None
        if typed is None:
            name, is_array, cim_type = local, local in values, CimType.STRING
        else:
            name, is_array, cim_type = typed.name, typed.is_array or typed.name in values, typed.type
        if not is_array:
            values[name] = value
            continue
        if name not in arrays:
            # A second element where the schema knows no array: what came first is its first item.
            first = values.get(name)
            arrays[name] = cim_type, [first] if first is not None and not isinstance(first, (bytes, list)) else []
            values[name] = None  # keeps the place in the order
        arrays[name][1].append(value)
    for name, (cim_type, items) in arrays.items():
        try:
            values[name] = _bytes(items) if cim_type is CimType.UINT8 else _list(items, cim_type)
        except ValueError as error:
            raise ProtocolError(f"{owner}.{name}: {error}") from None
    return values


def _list(items: list[CimScalar | None], cim_type: CimType) -> CimValue:
    """NULL is one element that is nil. Among others, a nil string keeps its place (hosts line up parallel arrays of
    strings); a nil of another type has nothing that could stand for it."""
    if all(item is None for item in items):
        return None
    if cim_type is CimType.STRING:
        return ["" if item is None else item for item in items]
    return [item for item in items if item is not None]


def _bytes(items: list[CimScalar | None]) -> bytes | None:
    """Base64 in one element, as Windows has it; or a number in each."""
    texts = [str(item) for item in items if item is not None]
    if not texts:
        return None
    if len(texts) == 1:
        try:
            return base64.b64decode("".join(texts[0].split()), validate=True)
        except binascii.Error:
            pass  # then it must be one number
    return bytes(int(text[:4]) for text in texts)


def _item(element: xml.Element, typed: CimProperty | CimParameter | None) -> CimScalar:
    """One element's value. Raises ValueError or a CimError where it is not of its type."""
    cim_type = typed.type if typed is not None else CimType.STRING
    if len(element) or cim_type in _STRUCTURED:
        return _structure(element, cim_type, typed.embedded_class if typed is not None else None)
    text = element.text or ""
    if cim_type is CimType.UINT8 and typed is not None and typed.is_array:
        return text
    return scalars.READERS[cim_type](text)


def _structure(element: xml.Element, cim_type: CimType, embedded_class: str | None) -> CimScalar:
    for child in element:
        if child.tag in _DATES:
            return datetimes.from_xml(child.text or "")
    reference = references.find(element)
    if reference is not None:
        return reference
    if len(element) or names.XSI_TYPE in element.attrib:
        return _object(element, embedded_class)
    text = element.text or ""
    if cim_type is CimType.DATETIME:
        return datetimes.from_xml(text)
    if cim_type is CimType.REFERENCE:
        return paths.parse_path(text)
    raise ValueError("an object without a class")


def _object(element: xml.Element, embedded_class: str | None) -> CimInstance:
    """An embedded object in the three shapes that have been seen: its class in ``xsi:type``; a class element nested
    inside; or neither, when its properties' namespace or the schema has to tell."""
    prefix, _, type_name = element.get(names.XSI_TYPE, "").rpartition(":")
    stated = element.nsmap.get(prefix or None, "")
    if _is_class(stated) and type_name.endswith("_Type"):
        return _of_class(element, uris.parse_resource_uri(stated)[0], type_name.removesuffix("_Type"))
    for child in element:
        namespace = xml.namespace(child.tag)
        if _is_class(namespace) and namespace != xml.namespace(element.tag):
            found_in, class_name = uris.parse_resource_uri(namespace)
            nested = class_name.lower() == xml.local_name(child.tag).lower()
            return instance(child) if nested else _of_class(element, found_in, class_name)
    if embedded_class is not None and _is_class(xml.namespace(element.tag)):
        return _of_class(element, uris.parse_resource_uri(xml.namespace(element.tag))[0], embedded_class)
    raise ValueError("an object without a class")


def _is_class(uri: str) -> bool:
    return (uri.lower().startswith((uris.WMI, uris.DMTF)) and "/" in uri[len(uris.WMI) :]) or uri.startswith(uris.DMTF)
