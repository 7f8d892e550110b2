"""A method's parameters: ``<p:Method_INPUT>`` and ``<p:Method_OUTPUT>`` in the namespace of the class (MS-WSMV 4.1.4).

In an INPUT, NULL is left out. In an OUTPUT, NULL is written as nil, the return value stands among the others as
``ReturnValue``, and the order is that of the names, as Windows has it. A method without a return value has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compute_hyperv.cim import schema, xml
from compute_hyperv.cim.errors import InvalidRequest, NotFound, ProtocolError
from compute_hyperv.cim.schema import CimClass, CimMethod, CimParameter, CimType
from compute_hyperv.cim.soap import names, reading, uris, writing
from compute_hyperv.cim.values import CimReference, CimValue

RETURN_VALUE = "ReturnValue"
_INPUT, _OUTPUT = "_INPUT", "_OUTPUT"
_WRAPPER = f"{{{names.ADDRESSING}}}EndpointReference"  # real hosts refuse it in an INPUT (r4sd/go-wsman)


def write_input(target: CimReference, method: str, parameters: Mapping[str, CimValue]) -> str:
    """Raises InvalidRequest, naming class, method and parameter, for what the schema does not have."""
    owner, found = _method(target, method)
    typed = [parameter for parameter in found.parameters if parameter.direction != "out"]
    given = {name: value for name, value in parameters.items() if value is not None}
    return _write(target, owner, found, _INPUT, typed, given)


def write_output(target: CimReference, method: str, outputs: Mapping[str, CimValue]) -> str:
    """Like :func:`write_input`, for the answer; ``outputs`` has the return value as ``ReturnValue``."""
    owner, found = _method(target, method)
    typed = sorted(_outputs(found), key=lambda parameter: parameter.name.lower())
    return _write(target, owner, found, _OUTPUT, typed, outputs)


def read_input(element: xml.Element, target: CimReference, method: str) -> dict[str, CimValue]:
    """By the schema's names; parameters that it does not know are kept under the name they came with."""
    if xml.local_name(element.tag).lower() != f"{method}{_INPUT}".lower():
        raise ProtocolError(f"The body of {method} is {xml.local_name(element.tag)}.")
    for child in element:
        if child.find(_WRAPPER) is not None:
            raise ProtocolError(f"{xml.local_name(child.tag)} holds a wrapped endpoint reference, not its children.")
    found = _find(target, method)
    return reading.parameters(element, found.parameters if found else (), f"{target.class_name}.{method}")


def is_output(element: xml.Element) -> bool:
    return xml.local_name(element.tag).endswith(_OUTPUT)


def read_output(element: xml.Element) -> tuple[CimReference, str, dict[str, CimValue]]:
    """The class (a reference without keys), the method, and what it gave back."""
    namespace, class_name = uris.parse_resource_uri(xml.namespace(element.tag))
    method = xml.local_name(element.tag).removesuffix(_OUTPUT)
    target = CimReference(class_name, {}, namespace)
    found = _find(target, method)
    typed = _outputs(found) if found else [CimParameter(RETURN_VALUE, "out", CimType.UINT32)]
    outputs = reading.parameters(element, typed, f"{class_name}.{method}")
    if found and found.returns is None:
        # A void method has been seen with a meaningless boolean as its return value (PyMI).
        outputs.pop(RETURN_VALUE, None)
    return target, found.name if found else method, outputs


def _write(
    target: CimReference,
    owner: CimClass,
    method: CimMethod,
    suffix: str,
    typed: Iterable[CimParameter],
    values: Mapping[str, CimValue],
) -> str:
    name = f"{method.name}{suffix}"
    by_lower_name = {given.lower(): (given, value) for given, value in values.items()}
    parts = []
    for parameter in typed:
        if parameter.name.lower() in by_lower_name:
            _, value = by_lower_name.pop(parameter.name.lower())
            parts.append(writing.member("p:", f"{owner.name}.{method.name}", parameter, value))
    for given, _ in by_lower_name.values():
        direction = "input" if suffix == _INPUT else "output"
        raise InvalidRequest(f"{owner.name}.{method.name} has no {direction} parameter {given}.")
    uri = xml.attribute(uris.resource_uri(target.namespace, owner.name))
    return f'<p:{name} xmlns:xsi="{names.XSI}" xmlns:p="{uri}" xmlns:cim="{names.CIM}">{"".join(parts)}</p:{name}>'


def _outputs(method: CimMethod) -> list[CimParameter]:
    outputs = [parameter for parameter in method.parameters if parameter.direction != "in"]
    if method.returns is not None:
        outputs.append(CimParameter(RETURN_VALUE, "out", method.returns))
    return outputs


def _method(target: CimReference, method: str) -> tuple[CimClass, CimMethod]:
    try:
        owner = schema.catalogue().find(target.namespace, target.class_name)
        return owner, owner.method(method)
    except NotFound as error:
        raise InvalidRequest(f"Cannot write a method call: {error.message}") from None


def _find(target: CimReference, method: str) -> CimMethod | None:
    cim_class = reading.find_class(target.namespace, target.class_name)
    try:
        return cim_class.method(method) if cim_class else None
    except NotFound:
        return None
