"""Instances as CIM-XML text, the form in which Hyper-V takes and gives settings inside string parameters.

::

    <INSTANCE CLASSNAME="Msvm_MemorySettingData">
      <PROPERTY NAME="VirtualQuantity" TYPE="uint64"><VALUE>512</VALUE></PROPERTY>
    </INSTANCE>

Only properties that the instance has are written; absent means "unchanged" or "default" to the host. NULL is a PROPERTY
without VALUE, booleans are upper case, datetimes have CIM's 25 characters, and references are object paths (facts:
real-instances; DSP0201 for the rest). Writing is strict: class, property and type must be in the schema. Reading is
forgiving: unknown properties are kept with the type that the text names, qualifiers and wrappers around the INSTANCE
are passed over, as are the system properties (``__PATH``) that some hosts add.
"""

from __future__ import annotations

from compute_hyperv.cim import datetimes, paths, scalars, schema, xml
from compute_hyperv.cim.errors import CimError, InvalidRequest, NotFound, ProtocolError
from compute_hyperv.cim.schema import CimClass, CimProperty, CimType
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimReference, CimScalar, CimValue


def instance_to_text(instance: CimInstance) -> str:
    """One line of CIM-XML without a prolog.

    Raises InvalidRequest, naming class and property, for what the schema does not have or a type cannot hold.
    """
    try:
        cim_class = schema.catalogue().find(instance.namespace, instance.class_name)
        members = [_write(cim_class, cim_class.property(name), value) for name, value in instance.items()]
    except NotFound as error:
        raise InvalidRequest(f"Cannot write an embedded instance: {error.message}") from None
    return f'<INSTANCE CLASSNAME="{xml.attribute(cim_class.name)}">{"".join(members)}</INSTANCE>'


def text_to_instance(text: str, namespace: str = DEFAULT_NAMESPACE) -> CimInstance:
    """The first INSTANCE of a CIM-XML text. Raises ProtocolError where there is none, or a value is not of its type."""
    root = xml.parse(text, "The embedded instance")
    element = next(root.iter("INSTANCE"), None)
    if element is None:
        raise ProtocolError(f"The embedded instance has no INSTANCE element: its root is {root.tag}.")
    return _read_instance(element, namespace)


def _write(cim_class: CimClass, prop: CimProperty, value: CimValue) -> str:
    element = {CimType.REFERENCE: "PROPERTY.REFERENCE", CimType.OBJECT: "PROPERTY.OBJECT"}.get(prop.type, "PROPERTY")
    name = f'NAME="{xml.attribute(prop.name)}"'
    if element == "PROPERTY":
        name += f' TYPE="{prop.type}"'
    try:
        if prop.is_array:
            element, content = "PROPERTY.ARRAY", _write_array(prop, value)
        else:
            content = "" if value is None else _write_value(prop, value)
    except ValueError as error:
        raise InvalidRequest(f"{cim_class.name}.{prop.name}: {error}.") from None
    return f"<{element} {name}>{content}</{element}>"


def _write_array(prop: CimProperty, value: CimValue) -> str:
    if value is None:
        return ""
    items: list[CimScalar]
    if prop.type is CimType.UINT8 and isinstance(value, bytes):
        items = list(value)
    elif isinstance(value, list) and prop.type is not CimType.UINT8:
        items = value
    else:
        raise ValueError(f"{value!r} is not a {prop.type}[]")
    return f"<VALUE.ARRAY>{''.join(_write_value(prop, item) for item in items)}</VALUE.ARRAY>"


def _write_value(prop: CimProperty, value: CimValue) -> str:
    if prop.type is CimType.REFERENCE:
        if not isinstance(value, CimReference):
            raise ValueError(f"{value!r} is not a reference")
        # Assumption: as a path, like the paths in string properties. No setting of Hyper-V has a true reference.
        return f"<VALUE.REFERENCE>{xml.text(paths.format_path(value))}</VALUE.REFERENCE>"
    if prop.type is CimType.OBJECT:
        if not isinstance(value, CimInstance):
            raise ValueError(f"{value!r} is not an instance")
        return f"<VALUE.OBJECT>{instance_to_text(value)}</VALUE.OBJECT>"
    return f"<VALUE>{xml.text(_text_of(prop, value))}</VALUE>"


def _text_of(prop: CimProperty, value: CimValue) -> str:
    if isinstance(value, CimInstance) and prop.embedded_class is not None:
        return instance_to_text(value)
    if prop.type is CimType.DATETIME:
        return datetimes.to_cim(datetimes.checked(value))
    if value is None or isinstance(value, (bytes, list)):
        raise ValueError(f"{value!r} is not a {prop.type}")
    text = scalars.to_text(value, prop.type)
    return text.upper() if prop.type is CimType.BOOLEAN else text


def _read_instance(element: xml.Element, namespace: str) -> CimInstance:
    class_name = element.get("CLASSNAME")
    if not class_name:
        raise ProtocolError("The embedded instance does not name its class.")
    try:
        cim_class = schema.catalogue().find(namespace, class_name)
    except NotFound:
        cim_class = None
    instance = CimInstance(cim_class.name if cim_class else class_name, namespace=namespace)
    for child in element:
        name = child.get("NAME", "")
        if not child.tag.startswith("PROPERTY") or not name or name.startswith("__"):
            continue
        prop = cim_class.property(name) if cim_class and cim_class.has_property(name) else _described(name, child)
        try:
            instance[prop.name] = _read(prop, child, namespace)
        except (ValueError, CimError) as error:
            raise ProtocolError(f"{class_name}.{name} of the embedded instance: {error}") from None
    return instance


def _described(name: str, element: xml.Element) -> CimProperty:
    """A property that the schema lacks, as the text itself describes it; a type of no meaning is read as a string."""
    by_element = {"PROPERTY.REFERENCE": CimType.REFERENCE, "PROPERTY.OBJECT": CimType.OBJECT}
    try:
        cim_type = by_element.get(element.tag) or CimType(element.get("TYPE", "string"))
    except ValueError:
        cim_type = CimType.STRING
    return CimProperty(name, cim_type, is_array=element.tag == "PROPERTY.ARRAY")


def _read(prop: CimProperty, element: xml.Element, namespace: str) -> CimValue:
    array = element.find("VALUE.ARRAY")
    if array is not None:
        items = [_read_value(prop, child, namespace) for child in array if child.tag.startswith("VALUE")]
        if prop.type is CimType.UINT8:
            return bytes(item for item in items if isinstance(item, int))
        return items
    for child in element:
        if child.tag.startswith("VALUE"):
            value = _read_value(prop, child, namespace)
            return value if not prop.is_array else [value]
    return None


def _read_value(prop: CimProperty, element: xml.Element, namespace: str) -> CimScalar:
    if prop.type is CimType.OBJECT:
        inner = next(element.iter("INSTANCE"), None)
        if inner is None:
            raise ValueError("an object without an INSTANCE")
        return _read_instance(inner, namespace)
    text = element.text or ""
    if prop.type is CimType.REFERENCE:
        return paths.parse_path(text, namespace)
    if prop.type is CimType.DATETIME:
        return datetimes.from_cim(text.strip())
    return scalars.from_text(text, prop.type)
