"""Roles and features of Windows Server (MSFT_ServerManagerDeploymentTasks; no page, but Server Manager's own provider:
the cmdlets Install-WindowsFeature and Get-WindowsFeature are made of it)."""

from __future__ import annotations

import enum
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from compute_hyperv.cim.errors import JobFailed, NotFound, ProtocolError, TimedOut
from compute_hyperv.cim.session import CimSession, MethodResult
from compute_hyperv.cim.values import CimInstance, CimReference, CimScalar

_NAMESPACE = "root/Microsoft/Windows/ServerManager"
_TASKS = CimReference("MSFT_ServerManagerDeploymentTasks", {}, _NAMESPACE)
_IN_PROGRESS, _COMPLETED = 0, 1
_LOOK_EVERY_S = 1.0
_TIMEOUT_S = 1800  # a role that fetches its files from Windows Update takes its time


class FeatureState(enum.IntEnum):
    """``Installed`` of MSFT_ServerManagerServerComponent (MSFT_ServerFeature.State)."""

    AVAILABLE = 0
    INSTALLED = 1
    UNINSTALL_PENDING = 2
    INSTALL_PENDING = 3
    NOT_PRESENT = 4
    REMOVED = 5
    UNKNOWN = 6


@dataclass(frozen=True, slots=True)
class Feature:
    """:param name: as Install-WindowsFeature takes it, ``Hyper-V``."""

    name: str
    state: FeatureState


class Features:
    def __init__(self, session: CimSession) -> None:
        self._session = session

    def all(self) -> tuple[Feature, ...]:
        """Everything that this Windows can have."""
        return tuple(
            Feature(item.text("UniqueName"), FeatureState(item.integer("Installed", FeatureState.UNKNOWN)))
            for item in self._components()
        )

    def install(self, names: Sequence[str]) -> bool:
        """Installs features with what they need; those that are there are fine. Returns whether Windows has to be
        restarted for them.

        :raises NotFound: this Windows has no such feature.
        :raises JobFailed: it could not; with Windows' own reason.
        """
        return self._alter("AddServerComponentAsync", names, "Installing")

    def remove(self, names: Sequence[str]) -> bool:
        """As ``install``, the other way round."""
        return self._alter("RemoveServerComponentAsync", names, "Removing")

    def _alter(self, method: str, names: Sequence[str], verb: str) -> bool:
        what = f"{verb} {', '.join(names)}"
        known = {item.text("UniqueName").lower(): item for item in self._components()}
        if missing := [name for name in names if name.lower() not in known]:
            raise NotFound(f"{what} failed: this Windows has no feature {', '.join(missing)}.")
        descriptors: list[CimScalar] = [_descriptor(known[name.lower()]) for name in names]
        guid = _request_guid()
        result = self._session.invoke(_TASKS, method, {"RequestGuid": guid, "ServerComponentDescriptors": descriptors})
        state = _state(result, "AlterationState")
        deadline = time.monotonic() + _TIMEOUT_S
        while state.integer("RequestState") == _IN_PROGRESS:
            if time.monotonic() >= deadline:
                raise TimedOut(f"{what} has not ended after {_TIMEOUT_S} s.", remedy="Look at Server Manager there.")
            time.sleep(_LOOK_EVERY_S)
            state = _state(
                self._session.invoke(_TASKS, "GetAlterationRequestState", {"RequestGuid": guid}), "AlterationState"
            )
        if state.integer("RequestState") != _COMPLETED:
            error = state.get("Error")
            reason = error.text("ErrorMessage", "") if isinstance(error, CimInstance) else ""
            raise JobFailed(f"{what} failed: {reason or 'Windows gives no reason.'}")
        return state.boolean("RestartRequired", False)

    def _components(self) -> list[CimInstance]:
        guid = _request_guid()
        result = self._session.invoke(_TASKS, "GetServerComponentsAsync", {"RequestGuid": guid})
        deadline = time.monotonic() + _TIMEOUT_S
        while _state(result, "EnumerationState").integer("RequestState") == _IN_PROGRESS:
            if time.monotonic() >= deadline:
                raise TimedOut("Windows has not listed its features in time.")
            time.sleep(_LOOK_EVERY_S)
            result = self._session.invoke(_TASKS, "GetEnumerationRequestState", {"RequestGuid": guid})
        found = result["ServerComponents"]
        return [item for item in found if isinstance(item, CimInstance)] if isinstance(found, list) else []


def _request_guid() -> CimInstance:
    value = uuid.uuid4().int
    return CimInstance(
        "MSFT_ServerManagerRequestGuid", {"HighHalf": value >> 64, "LowHalf": value & (2**64 - 1)}, _NAMESPACE
    )


def _state(result: MethodResult, name: str) -> CimInstance:
    state = result[name]
    if not isinstance(state, CimInstance):
        raise ProtocolError(f"Server Manager's answer has no {name}.")
    return state


def _descriptor(component: CimInstance) -> CimInstance:
    descriptor = component.get("Descriptor")
    if not isinstance(descriptor, CimInstance):
        raise ProtocolError(f"Server Manager does not describe {component.text('UniqueName')}.")
    return descriptor
