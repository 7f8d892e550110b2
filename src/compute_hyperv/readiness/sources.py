"""What can be read of a host, as data: the same value makes the request and is told by ``compute-hyperv explain``.

A source is read once per run and host (``readings``), so checks that share one share its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from compute_hyperv.cim import wql
from compute_hyperv.cim.errors import NotFound, ProtocolError
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance, CimReference, CimValue
from compute_hyperv.cim.wql import Condition
from compute_hyperv.host.files import Files
from compute_hyperv.host.windows.registry import Kind, Registry
from compute_hyperv.readiness.directory.accounts import Directories

CIMV2 = "root/cimv2"
VIRTUALIZATION = "root/virtualization/v2"
STORAGE = "root/Microsoft/Windows/Storage"
SMB = "root/Microsoft/Windows/SMB"
NETWORK = "root/StandardCimv2"
WMI = "root/wmi"

_T_co = TypeVar("_T_co", covariant=True)


class Source(Protocol[_T_co]):
    """Hashable; equal sources are read once."""

    @property
    def description(self) -> str:
        """Namespace, class and properties, for a person."""

    def read(self, session: CimSession) -> _T_co:
        """Raises CimError."""


@runtime_checkable
class FileSource(Protocol[_T_co]):
    """A source that reads files of the host, not its CIM. Hashable as well."""

    @property
    def description(self) -> str: ...

    def read_files(self, files: Files) -> _T_co:
        """Raises CimError."""


class KnownHost(Protocol):
    """What the directory can be asked with: the host as `readings` has it."""

    @property
    def account(self) -> str:
        """As whom the host is read."""

    @property
    def directories(self) -> Directories | None:
        """How its domain is asked."""

    def one(self, source: Source[tuple[CimInstance, ...]]) -> CimInstance:
        """The only instance of its class. Raises NotFound."""


@runtime_checkable
class DirectorySource(Protocol[_T_co]):
    """A source that asks the domain's directory about the host. Hashable as well."""

    @property
    def description(self) -> str: ...

    def read_directory(self, host: KnownHost) -> _T_co:
        """Raises CimError."""


AnySource: TypeAlias = Source[Any] | FileSource[Any] | DirectorySource[Any]


@dataclass(frozen=True, slots=True)
class Instances:
    """Instances of a class, one request.

    :param properties: those to read; some classes compute others at great cost (old-driver 8).
    :param where: conditions that must all hold.
    :param optional: whether a host without the class or namespace is one without instances.
    """

    namespace: str
    class_name: str
    properties: tuple[str, ...]
    where: tuple[Condition, ...] = ()
    optional: bool = False

    @property
    def description(self) -> str:
        conditions = f" where {' and '.join(each.text for each in self.where)}" if self.where else ""
        return f"{self.namespace}: {self.class_name} ({', '.join(self.properties)}){conditions}"

    def read(self, session: CimSession) -> tuple[CimInstance, ...]:
        query = wql.select(self.class_name, self.properties).where(*self.where)
        try:
            return tuple(session.query(query, namespace=self.namespace))
        except NotFound:
            if self.optional:
                return ()
            raise


@dataclass(frozen=True, slots=True)
class RegistryValue:
    """A value below HKEY_LOCAL_MACHINE, one request; None where there is none."""

    key: str
    name: str
    kind: Kind = "REG_SZ"

    @property
    def description(self) -> str:
        return rf"registry: HKLM\{self.key}, value {self.name} ({self.kind})"

    def read(self, session: CimSession) -> CimValue:
        return Registry(session).value(self.key, self.name, self.kind)


@dataclass(frozen=True, slots=True)
class RegistryKeys:
    """The names of the keys below a key of HKEY_LOCAL_MACHINE, one request; none where the key is missing."""

    key: str

    @property
    def description(self) -> str:
        return rf"registry: keys below HKLM\{self.key}"

    def read(self, session: CimSession) -> tuple[str, ...]:
        return Registry(session).keys(self.key)


@dataclass(frozen=True, slots=True)
class RegistryValueNames:
    """The names of the values of a key of HKEY_LOCAL_MACHINE, one request; none where the key is missing."""

    key: str

    @property
    def description(self) -> str:
        return rf"registry: names of the values of HKLM\{self.key}"

    def read(self, session: CimSession) -> tuple[str, ...]:
        return Registry(session).value_names(self.key)


@dataclass(frozen=True, slots=True)
class RegistryRight:
    """Whether our account may write a key of HKEY_LOCAL_MACHINE, one request."""

    key: str

    @property
    def description(self) -> str:
        return rf"registry: StdRegProv.CheckAccess, the right to write HKLM\{self.key}"

    def read(self, session: CimSession) -> bool:
        return Registry(session).is_writable(self.key)


@dataclass(frozen=True, slots=True)
class StaticMethod:
    """The instance that a static method without parameters gives, one request.

    :param output: the output parameter that it is in.
    :param optional: whether a host without the class or namespace is one without the instance.
    """

    namespace: str
    class_name: str
    method: str
    output: str
    optional: bool = False

    @property
    def description(self) -> str:
        return f"{self.namespace}: {self.class_name}.{self.method}()"

    def read(self, session: CimSession) -> CimInstance | None:
        try:
            result = session.invoke(CimReference(self.class_name, {}, self.namespace), self.method)
        except NotFound:
            if self.optional:
                return None
            raise
        found = result[self.output]
        if not isinstance(found, CimInstance):
            raise ProtocolError(f"{self.description}: the host's answer has no {self.output}.")
        return found


def one(instances: tuple[CimInstance, ...], source: Source[Any]) -> CimInstance:
    """The instance of a class that has exactly one. Raises NotFound."""
    if len(instances) != 1:
        raise NotFound(f"{source.description}: the host has {len(instances)} instances instead of one.")
    return instances[0]
