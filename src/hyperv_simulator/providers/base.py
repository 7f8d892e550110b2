"""What every provider shares: the call it gets, and how outcomes become return codes.

Rule 1: a method gets a ``Call`` and gives its outputs; a ``Refused`` becomes its return code.
Rule 2: the readers of ``Call`` judge parameters as WMI's provider framework does: what is missing or of another type is
an invalid parameter (32773).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from compute_hyperv.cim.values import DEFAULT_NAMESPACE, CimInstance, CimReference, CimValue
from hyperv_simulator.machines.embedded import read_embedded
from hyperv_simulator.outcomes import DONE, INVALID_PARAMETER, JOB_STARTED, Refused
from hyperv_simulator.repository.catalogue import HostCatalogue


@dataclass(frozen=True)
class Caller:
    """Who asks: ``DOMAIN\\user`` or ``user``.

    :param has_credentials: the host has the user's password and can go on to other hosts as the user (CredSSP).
    """

    user: str
    has_credentials: bool = False


Outputs: TypeAlias = Mapping[str, CimValue]
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Call:
    """One method call.

    :param target: the instance it is called on.
    :param parameters: by name in lower case.
    """

    target: CimInstance
    reference: CimReference
    method: str
    parameters: Mapping[str, CimValue]
    caller: Caller
    catalogue: HostCatalogue

    def given(self, name: str) -> CimValue:
        return self.parameters.get(name.lower())

    def text(self, name: str, default: str | None = None) -> str:
        value = self.given(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise Refused(INVALID_PARAMETER, f"{name} is no text")
        return value

    def texts(self, name: str) -> list[str]:
        value = self.given(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [value]  # an array of one element is sent as a scalar by clients in the field
        if not isinstance(value, list):
            raise Refused(INVALID_PARAMETER, f"{name} is no array")
        return [self._is(item, str, name) for item in value]

    def integer(self, name: str, default: int | None = None) -> int:
        value = self.given(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused(INVALID_PARAMETER, f"{name} is no number")
        return value

    def integers(self, name: str) -> list[int]:
        value = self.given(name)
        if value is None:
            return []
        return [self._is(item, int, name) for item in (value if isinstance(value, list) else [value])]

    def boolean(self, name: str, default: bool = False) -> bool:
        value = self.given(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise Refused(INVALID_PARAMETER, f"{name} is no boolean")
        return value

    def target_of(self, name: str) -> CimReference:
        """A reference parameter."""
        value = self.given(name)
        if not isinstance(value, CimReference):
            raise Refused(INVALID_PARAMETER, f"{name} is no reference")
        return value

    def targets_of(self, name: str) -> list[CimReference]:
        """An array of references."""
        value = self.given(name)
        if value is None:
            return []
        return [self._is(item, CimReference, name) for item in (value if isinstance(value, list) else [value])]

    def embedded(self, name: str, class_name: str) -> CimInstance:
        """A parameter with an instance as text, see ``embedded``."""
        return read_embedded(self.given(name), class_name, self.catalogue)

    def all_embedded(self, name: str, class_name: str) -> list[CimInstance]:
        """An array of such texts; what is absent or NULL is empty."""
        value = self.given(name)
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        return [read_embedded(item, class_name, self.catalogue) for item in items]

    @staticmethod
    def _is(item: object, wanted: type[_Item], name: str) -> _Item:
        if not isinstance(item, wanted):
            raise Refused(INVALID_PARAMETER, f"{name} holds {item!r}")
        return item


Method: TypeAlias = Callable[[Call], Outputs]


class Provider(ABC):
    """The methods of one class. ``class_name`` and ``namespace`` say whose; derived classes are meant as well."""

    class_name: str
    namespace: str = DEFAULT_NAMESPACE

    @abstractmethod
    def methods(self) -> Mapping[str, Method]:
        """Method by its name as the schema spells it."""

    def static_methods(self) -> Mapping[str, Method]:
        """Those that are called on the class itself; their call's target is empty then."""
        return {}

    def is_static(self, method: str) -> bool:
        return method.lower() in {name.lower() for name in self.static_methods()}

    def invoke(self, call: Call) -> Outputs | None:
        """The outputs, ReturnValue among them; None where the method is not implemented."""
        wanted = call.method.lower()
        for name, method in {**self.methods(), **self.static_methods()}.items():
            if name.lower() == wanted:
                try:
                    return method(call)
                except Refused as refusal:
                    return {"ReturnValue": refusal.code}
        return None


@runtime_checkable
class Writer(Protocol):
    """A provider whose instances clients may change by Put."""

    def put(self, before: CimInstance, changes: CimInstance) -> None: ...


@runtime_checkable
class Remover(Protocol):
    """A provider whose instances clients may take away by Delete."""

    def delete(self, instance: CimInstance) -> None: ...


def done(**outputs: CimValue) -> Outputs:
    """It is done, with these results."""
    return {**outputs, "ReturnValue": DONE}


def job_started(job: CimReference) -> Outputs:
    """It goes on in a job; every other output is NULL then (real-instances 3.5)."""
    return {"Job": job, "ReturnValue": JOB_STARTED}
