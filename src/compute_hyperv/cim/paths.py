r"""WMI object paths: ``\\HOST\root\virtualization\v2:Msvm_X.InstanceID="Microsoft:A\\B"`` to references and back.

Hyper-V puts such paths into string properties (``Parent``, ``HostResource``, ``BootSourceOrder``) and into WQL's
``ASSOCIATORS OF``. Backslash and quote are escaped with a backslash inside the quotes. A host accepts paths without its
name and with either slash (facts: real-instances 1.1), so reading accepts them as well; and since a host was seen to
write single backslashes in BootSourceOrder, a backslash before anything else stands for itself.
Source: WmiSdk "Describing the location of a WMI object".
"""

from __future__ import annotations

import re

from compute_hyperv.cim import schema
from compute_hyperv.cim.errors import InvalidRequest, NotFound
from compute_hyperv.cim.schema import CimClass, CimType
from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimReference, KeyValue

_HEAD = re.compile(
    r"""\s*(?:(?:\\\\|//)(?P<host>[^\\/:"]+)[\\/])?     # \\HOST and a slash
        (?:(?P<namespace>[^:.="'{}]+):)?                # root and so on, then a colon
        (?P<class_name>[A-Za-z_]\w*)""",
    re.VERBOSE,
)
_KEY_NAME = re.compile(r"\s*(\w+)\s*=\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"' + r"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
_SEPARATOR = re.compile(r"\s*(,|$)")
_BARE = re.compile(r"[^\s,]+")
_ESCAPED = re.compile(r"""\\([\\"'])""")
_TEXT_KEYS = (CimType.STRING, CimType.CHAR16, CimType.DATETIME, CimType.REFERENCE)
_DEEPEST = 4  # an association of associations would be two deep; more is an attack


def format_path(reference: CimReference, host: str = "") -> str:
    """The full path. Without a host (given, or in the reference) it starts with the namespace: valid on any host."""
    host = host or reference.host
    if host:
        namespace = reference.namespace.replace("/", "\\")
        return f"\\\\{host}\\{namespace}:{relative_path(reference)}"
    return f"{reference.namespace}:{relative_path(reference)}"


def relative_path(reference: CimReference) -> str:
    """Class and keys only, as ``ASSOCIATORS OF`` takes it."""
    found = _class_of(reference.namespace, reference.class_name)
    if not reference.keys:
        return f"{reference.class_name}=@" if found and found.singleton else reference.class_name
    keys = ",".join(f"{name}={_format_key(name, value, found)}" for name, value in reference.keys.items())
    return f"{reference.class_name}.{keys}"


def parse_path(text: str, default_namespace: str = DEFAULT_NAMESPACE) -> CimReference:
    """The reference that a path stands for. Raises InvalidRequest for anything else."""
    return _parse(text, default_namespace, depth=0)


def _parse(text: str, default_namespace: str, depth: int) -> CimReference:
    head = _HEAD.match(text)
    if head is None or depth > _DEEPEST:
        raise InvalidRequest(f"{text!r} is not the path of a WMI object.")
    namespace = head["namespace"].replace("\\", "/").strip("/") if head["namespace"] else default_namespace
    class_name = head["class_name"]
    found = _class_of(namespace, class_name)
    rest = text[head.end() :].strip()
    if rest.startswith("."):
        keys = _parse_keys(text, rest[1:])
    elif rest in ("", "=@"):
        keys = {}
    elif rest.startswith("=") and found and len(found.keys) == 1:
        keys = _parse_keys(text, found.keys[0] + rest)
    else:
        raise InvalidRequest(f"{text!r} is not the path of a WMI object: what follows the class is no key.")
    values: dict[str, KeyValue] = {}
    for name, value in keys.items():
        is_reference = found and found.has_property(name) and found.property(name).type is CimType.REFERENCE
        values[name] = _parse(value, namespace, depth + 1) if is_reference else value
    return CimReference(class_name, values, namespace, head["host"] or "")


def _parse_keys(whole: str, text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    position = 0
    while True:
        name = _KEY_NAME.match(text, position)
        if name is None:
            raise InvalidRequest(f"{whole!r} is not the path of a WMI object: a key has no name.")
        position = name.end()
        if quoted := _QUOTED.match(text, position):
            keys[name[1]] = _ESCAPED.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2])
            position = quoted.end()
        elif text[position : position + 1] not in ("", '"', "'") and (bare := _BARE.match(text, position)):
            keys[name[1]] = bare[0]
            position = bare.end()
        else:
            raise InvalidRequest(f"{whole!r} is not the path of a WMI object: key {name[1]} has no proper value.")
        separator = _SEPARATOR.match(text, position)
        if separator is None:
            following = text[position : position + 20]
            raise InvalidRequest(f"{whole!r} is not the path of a WMI object: {following!r} follows a key.")
        if not separator[1]:
            return keys
        position = separator.end()


def _format_key(name: str, value: KeyValue, found: CimClass | None) -> str:
    if isinstance(value, CimReference):
        return quote(format_path(value), '"')
    if found and found.has_property(name) and found.property(name).type not in _TEXT_KEYS:
        return value
    return quote(value, '"')


def quote(value: str, mark: str) -> str:
    """A string literal of WMI paths and WQL, between ``mark``."""
    escaped = value.replace("\\", "\\\\").replace(mark, "\\" + mark)
    return f"{mark}{escaped}{mark}"


def _class_of(namespace: str, class_name: str) -> CimClass | None:
    """``None`` for a class that the schema does not know: its keys are then taken as strings."""
    try:
        return schema.catalogue().find(namespace, class_name)
    except NotFound:
        return None
