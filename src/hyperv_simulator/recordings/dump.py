"""Reading a whole host over WS-Man: class by class, nothing but Enumerate and queries (rule 1 of ``recordings``).

A class that fails is recorded with its fault; only a host that can't be reached or lets nobody in ends the reading.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from compute_hyperv.cim import schema
from compute_hyperv.cim.errors import AccessDenied, CimError, Unreachable
from compute_hyperv.cim.schema import CimClass
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import Condition, eq, select
from hyperv_simulator.recordings.recording import RecordedNamespace, Recording

NAMESPACES = (
    "root/cimv2",
    "root/virtualization/v2",
    "root/standardcimv2",
    "root/microsoft/windows/storage",
    "root/microsoft/windows/smb",
    "root/microsoft/windows/hgs",
    "root/microsoft/windows/servermanager",
    "root/wmi",
    "root/default",
    "root/interop",
    "root/mscluster",
)

# Reading these does something, or reads far more than the host (Microsoft's pages of the classes say so).
_NEVER = {
    "root/cimv2": frozenset(
        {
            "win32_product",  # Windows Installer checks, and repairs, every package
            "win32_productresource",
            "win32_productsoftwarefeatures",
            "win32_softwarefeature",
            "win32_softwareelement",
            "win32_classicsettingconstraint",
            "cim_datafile",  # every file of every volume
            "win32_directory",
            "win32_shortcutfile",
            "win32_codecfile",
            "win32_ntlogevent",  # every event of every log
            "win32_diskquota",
        }
    ),
}
# Accounts of the whole domain come with these unless they are told not to.
_LOCAL_ONLY: Mapping[str, Condition] = {
    name: eq("LocalAccount", True)
    for name in ("Win32_Account", "Win32_Group", "Win32_SystemAccount", "Win32_UserAccount")
}
_INVALID_NAMESPACE = 0x8004100E
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Answer:
    name: str
    instances: tuple[CimInstance, ...] = ()
    fault: str = ""
    no_namespace: bool = False


def read_host(
    session: CimSession,
    namespaces: Iterable[str] = NAMESPACES,
    tell: Callable[[str], None] = lambda _line: None,
) -> Recording:
    """Everything that is to be had of these namespaces.

    :param tell: gets a line for each namespace that is done.
    :raises CimError: the host can't be reached, or lets this user do nothing.
    """
    computer = session.query(select("Win32_ComputerSystem", ["Name"]), namespace="root/cimv2")[0].text("Name")
    recorded = {}
    for namespace in dict.fromkeys(name.replace("\\", "/").lower() for name in namespaces):
        found = _namespace(session, namespace)
        if found is None:
            tell(f"{namespace}: not there")
            continue
        recorded[namespace] = found
        count = sum(map(len, found.instances.values()))
        tell(f"{namespace}: {count} instances of {len(found.instances)} classes, {len(found.faults)} classes failed")
    return Recording(computer, dt.datetime.now(dt.UTC), recorded)


def classes_to_read(namespace: str) -> list[CimClass]:
    """The classes that may have instances of their own and may be read at all.

    In root/cimv2 associations are left out: many of them lead through every file or every account of the domain.
    """
    never = _NEVER.get(namespace, frozenset())
    return [
        cls
        for cls in schema.catalogue().classes(namespace)
        if not cls.abstract
        and not cls.name.startswith("__")
        and cls.name.lower() not in never
        and not (namespace == "root/cimv2" and cls.association)
    ]


def _namespace(session: CimSession, namespace: str) -> RecordedNamespace | None:
    """None where the host has no such namespace."""
    first, *rest = classes_to_read(namespace)
    answer = _read(session, first)
    if answer.no_namespace:
        return None
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers: Sequence[_Answer] = [answer, *pool.map(lambda cls: _read(session, cls), rest)]
    return RecordedNamespace(
        {each.name: each.instances for each in answers if each.instances},
        tuple(each.name for each in answers if not each.instances and not each.fault),
        {each.name: each.fault for each in answers if each.fault},
    )


def _read(session: CimSession, cls: CimClass) -> _Answer:
    try:
        if cls.name in _LOCAL_ONLY:
            found = session.query(select(cls.name).where(_LOCAL_ONLY[cls.name]), namespace=cls.namespace)
        else:
            found = session.enumerate(cls.name, namespace=cls.namespace)
    except Unreachable:
        raise
    except AccessDenied as error:
        if error.code is None:  # no fault of the class's: nobody is let in
            raise
        return _Answer(cls.name, fault=_text(error))
    except CimError as error:
        return _Answer(cls.name, fault=_text(error), no_namespace=error.code == _INVALID_NAMESPACE)
    # Those of derived classes come along and are read as their own.
    return _Answer(
        cls.name, tuple(_without_nulls(item) for item in found if item.class_name.lower() == cls.name.lower())
    )


def _without_nulls(item: CimInstance) -> CimInstance:
    properties = {name: value for name, value in item.items() if value is not None}
    return CimInstance(item.class_name, properties, item.namespace)


def _text(error: CimError) -> str:
    """Without what was tried: the class stands next to it."""
    return error.message.partition(": ")[2] or error.message
