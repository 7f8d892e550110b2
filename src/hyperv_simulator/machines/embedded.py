"""Settings that arrive as CIM-XML text inside a string parameter, judged as Hyper-V judges them.

* no text at all but an element tree: the request breaks the schema, fault SchemaValidationError (real-instances 3.6)
* no CIM-XML, or an instance of a class that the method does not take: return code 32773
* a property of a wrong type, a datetime without ``TYPE="datetime"`` or in ISO form: the job fails with 32768
* a property that the class lacks on this Windows version: 32773, as for any class that does not fit (assumption)
"""

from __future__ import annotations

from compute_hyperv.cim import xml
from compute_hyperv.cim.cimxml import text_to_instance
from compute_hyperv.cim.errors import NotFound, ProtocolError
from compute_hyperv.cim.schema import CimClass, CimType
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimValue
from hyperv_simulator.outcomes import INVALID_PARAMETER, OperationFailed, Refused
from hyperv_simulator.repository.catalogue import HostCatalogue
from hyperv_simulator.repository.wmi_faults import schema_validation_error

_TYPE_MISMATCH = "The embedded instance is invalid: type mismatch."


def read_embedded(
    value: CimValue, expected_class: str, catalogue: HostCatalogue, namespace: str = DEFAULT_NAMESPACE
) -> CimInstance:
    """The instance in a text, of the expected class or one derived from it; only what the text names is in it.

    :raises SoapFault: the value is no text.
    :raises Refused: 32773, see above.
    :raises OperationFailed: a value does not have its property's type.
    """
    if not isinstance(value, str):
        raise schema_validation_error(f"a text with an instance of {expected_class} expected")
    try:
        root = xml.parse(value, "The embedded instance")
    except ProtocolError as error:
        raise Refused(INVALID_PARAMETER, error.message) from None
    element = next(root.iter("INSTANCE"), None)
    if element is None:
        raise Refused(INVALID_PARAMETER, "no INSTANCE element")
    try:
        cls = catalogue.find(namespace, element.get("CLASSNAME") or "")
    except NotFound as error:
        raise Refused(INVALID_PARAMETER, error.message) from None
    if not cls.is_a(expected_class):
        raise Refused(INVALID_PARAMETER, f"{cls.name} is no {expected_class}")
    _check_members(element, cls, catalogue, namespace)
    try:
        return text_to_instance(value, namespace)
    except ProtocolError as error:
        raise OperationFailed(_TYPE_MISMATCH, error.message) from None


def _check_members(element: xml.Element, cls: CimClass, catalogue: HostCatalogue, namespace: str) -> None:
    for member in element:
        name = member.get("NAME", "")
        if not str(member.tag).startswith("PROPERTY") or name.startswith("__"):
            continue
        try:
            prop = catalogue.property(namespace, cls.name, name)
        except NotFound as error:
            raise Refused(INVALID_PARAMETER, error.message) from None
        stated = member.get("TYPE")
        if stated is None and prop.type is not CimType.DATETIME:
            continue  # a client in the field that writes sparse texts leaves it out (assumption: it passes)
        if stated != prop.type or prop.is_array is not (member.tag == "PROPERTY.ARRAY"):
            raise OperationFailed(_TYPE_MISMATCH, f"{cls.name}.{name} is no {stated or 'string'}.")
