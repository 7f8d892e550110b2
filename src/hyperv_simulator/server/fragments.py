"""Parts of an instance: Get and Put with the header FragmentTransfer (DSP0226 7.7 and annex D.1; MS-WSMV 3.1.4.1.18).

A path names one property: ``State``, with a prefix or without, ``OperationalStatus[2]`` for one item of an array,
``State/text()`` for its bare text. What goes beyond is refused, as is a path that starts with a slash (note 65) or
names what the instance does not have (note 66).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from compute_hyperv.cim import schema, xml
from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.soap import names, uris, writing
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.server import wire_faults

_PATH = re.compile(r"(?:[\w.-]+:)?(?P<name>[A-Za-z_]\w*)(?:\[(?P<index>\d{1,6})\])?(?P<text>/text\(\))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a path names.

    :param index: of an item of an array, from 1; None for all of the property.
    """

    name: str
    index: int | None
    text_only: bool


def parsed(path: str, dialect: str) -> Fragment:
    """Raises the fault of a path or dialect that is not supported."""
    if dialect not in ("", "http://www.w3.org/TR/1999/REC-xpath-19991116", f"{names.WSMAN_DIALECTS}xpath1"):
        raise wire_faults.fragment_dialect_unknown()
    match = _PATH.fullmatch(path.strip())
    if match is None:
        raise wire_faults.bad_fragment(path)
    index = match["index"]
    return Fragment(match["name"], int(index) if index else None, match["text"] is not None)


def written(instance: CimInstance, fragment: Fragment, path: str) -> str:
    """The ``w:XmlFragment`` of an answer."""
    cls = schema.catalogue().find(instance.namespace, instance.class_name)
    try:
        typed = cls.property(fragment.name)
    except NotFound:
        raise wire_faults.bad_fragment(path) from None
    content = writing.member("p:", cls.name, typed, instance.get(typed.name))
    uri = xml.attribute(uris.resource_uri(instance.namespace, cls.name))
    declared = f'xmlns:p="{uri}" xmlns:cim="{names.CIM}" xmlns:xsi="{names.XSI}"'
    if fragment.index is None and not fragment.text_only:
        return f"<w:XmlFragment {declared}>{content}</w:XmlFragment>"
    elements = list(xml.parse(f'<x xmlns:w="{names.WSMAN}" {declared}>{content}</x>', "A property"))
    if fragment.index is not None:
        if not 0 < fragment.index <= len(elements):
            raise wire_faults.bad_fragment(path)
        elements = [elements[fragment.index - 1]]
    if fragment.text_only:
        return f"<w:XmlFragment>{''.join(xml.text(each.text or '') for each in elements)}</w:XmlFragment>"
    chosen = "".join(f"<p:{typed.name}>{xml.text(each.text or '')}</p:{typed.name}>" for each in elements)
    return f"<w:XmlFragment {declared}>{chosen}</w:XmlFragment>"
