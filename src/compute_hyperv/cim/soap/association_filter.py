"""The filter for associations: which instances, or which associations, belong to one instance (DSP0227 8.2)."""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.cim import xml
from compute_hyperv.cim.soap import names, references
from compute_hyperv.cim.values import CimReference

DIALECT = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter"
_B = f"{{{names.CIM_BINDING}}}"


@dataclass(frozen=True, slots=True)
class AssociationFilter:
    """What such a filter asks for; empty texts are filters that are not given.

    :param links: asks for the associations themselves; then ``result_class`` is theirs.
    """

    start: CimReference
    association_class: str = ""
    role: str = ""
    result_class: str = ""
    result_role: str = ""
    links: bool = False


def read(element: xml.Element) -> AssociationFilter | None:
    """What stands in the filter element; None where it is no association filter. Raises ProtocolError for an object
    without an endpoint reference."""
    for tag, links in (("AssociatedInstances", False), ("AssociationInstances", True)):
        found = element.find(_B + tag)
        start = None if found is None else found.find(f"{_B}Object")
        if found is not None and start is not None:
            return AssociationFilter(
                references.read(start),
                association_class=_text(found, "AssociationClassName"),
                role=_text(found, "Role"),
                result_class=_text(found, "ResultClassName"),
                result_role=_text(found, "ResultRole"),
                links=links,
            )
    return None


def write(filter_: AssociationFilter) -> str:
    """What stands in the filter element."""
    tag = "AssociationInstances" if filter_.links else "AssociatedInstances"
    members = {
        "AssociationClassName": filter_.association_class,
        "Role": filter_.role,
        "ResultClassName": filter_.result_class,
        "ResultRole": filter_.result_role,
    }
    content = "".join(f"<b:{name}>{xml.text(value)}</b:{name}>" for name, value in members.items() if value)
    start = f"<b:Object>{references.write_content(filter_.start)}</b:Object>"
    return f'<b:{tag} xmlns:b="{names.CIM_BINDING}">{start}{content}</b:{tag}>'


def _text(element: xml.Element, tag: str) -> str:
    return str(element.findtext(_B + tag) or "").strip()
