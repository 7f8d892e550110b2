r"""MSFT_SmbServerConfiguration and MSFT_SmbClientConfiguration: read, set, reset.

A setting is the registry value of the same name under the service's ``Parameters`` key (Windows keeps most of them
there; that all of them are called as the property is an assumption), so it survives a restart and whoever writes to the
registry has set it. Defaults: Microsoft's pages of the two Get cmdlets; those of SMB signing in 2025: Microsoft's page
on SMB signing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from compute_hyperv.cim.errors import NotFound
from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.smb import SmbConfig
from hyperv_simulator.operating_system.registry import Data, Registry, dword, sz
from hyperv_simulator.operating_system.smb import SMB
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
Setting: TypeAlias = bool | int | str

_SERVER: Mapping[str, Setting] = {
    "AnnounceComment": "",
    "AnnounceServer": False,
    "AsynchronousCredits": 512,
    "AuditSmb1Access": False,
    "AutoDisconnectTimeout": 15,
    "AutoShareServer": True,
    "AutoShareWorkstation": True,
    "CachedOpenLimit": 10,
    "DurableHandleV2TimeoutInSeconds": 180,
    "EnableAuthenticateUserSharing": False,
    "EnableDownlevelTimewarp": False,
    "EnableForcedLogoff": True,
    "EnableLeasing": True,
    "EnableMultiChannel": True,
    "EnableOplocks": True,
    "EnableSMB1Protocol": False,
    "EnableSMB2Protocol": True,
    "EnableSecuritySignature": False,
    "EnableStrictNameChecking": True,
    "EncryptData": False,
    "IrpStackSize": 15,
    "KeepAliveTime": 2,
    "MaxChannelPerSession": 32,
    "MaxMpxCount": 50,
    "MaxSessionPerConnection": 16384,
    "MaxThreadsPerQueue": 20,
    "MaxWorkItems": 1,
    "NullSessionPipes": "",
    "NullSessionShares": "",
    "OplockBreakWait": 35,
    "PendingClientTimeoutInSeconds": 120,
    "RejectUnencryptedAccess": True,
    "RequireSecuritySignature": False,
    "ServerHidden": True,
    "Smb2CreditsMax": 8192,
    "Smb2CreditsMin": 512,
    "SmbServerNameHardeningLevel": 0,
    "TreatHostAsStableStorage": False,
    "ValidateAliasNotCircular": True,
    "ValidateShareScope": True,
    "ValidateShareScopeNotAliased": True,
    "ValidateTargetName": True,
}
_CLIENT: Mapping[str, Setting] = {
    "ConnectionCountPerRssNetworkInterface": 4,
    "DirectoryCacheEntriesMax": 16,
    "DirectoryCacheEntrySizeMax": 65536,
    "DirectoryCacheLifetime": 10,
    "DormantFileLimit": 1023,
    "EnableBandwidthThrottling": True,
    "EnableByteRangeLockingOnReadOnlyFiles": True,
    "EnableInsecureGuestLogons": False,
    "EnableLargeMtu": True,
    "EnableLoadBalanceScaleOut": True,
    "EnableMultiChannel": True,
    "EnableSecuritySignature": True,
    "ExtendedSessionTimeout": 1000,
    "FileInfoCacheEntriesMax": 64,
    "FileInfoCacheLifetime": 10,
    "FileNotFoundCacheEntriesMax": 128,
    "FileNotFoundCacheLifetime": 5,
    "KeepConn": 600,
    "MaxCmds": 50,
    "MaximumConnectionCountPerServer": 32,
    "OplocksDisabled": False,
    "RequireSecuritySignature": False,
    "SessionTimeout": 60,
    "UseOpportunisticLocking": True,
    "WindowSizeThreshold": 8,
}


def server_defaults(config: SmbConfig) -> Mapping[str, Setting]:
    return {
        **_SERVER,
        "EnableMultiChannel": config.multichannel,
        "RequireSecuritySignature": config.require_signing,
        "EncryptData": config.encrypt,
        "EnableSMB1Protocol": config.smb1,
    }


def client_defaults(config: SmbConfig, release: int) -> Mapping[str, Setting]:
    """2025 demands signatures of the servers that it connects to."""
    signing = config.require_signing or release >= 2025
    return {**_CLIENT, "EnableMultiChannel": config.multichannel, "RequireSecuritySignature": signing}


class ConfigurationProvider(Provider):
    """One of the two classes, with its only instance.

    :param service: whose registry key it is: LanmanServer, LanmanWorkstation.
    """

    namespace = SMB

    def __init__(
        self, class_name: str, repository: Repository, registry: Registry, service: str, defaults: Mapping[str, Setting]
    ) -> None:
        self.class_name = class_name
        self._repository = repository
        self._registry = registry
        self._key = rf"{_SERVICES}\{service}\Parameters"
        self._defaults = {name: default for name, default in defaults.items() if self._has(name)}
        repository.add_source(class_name, lambda _owner: [self.instance()], SMB)

    def setting(self, name: str) -> Setting:
        """What holds now."""
        default = self._defaults[name]
        value = self._registry.value(self._key, name)
        return default if value is None else _read(value.data, default)

    def instance(self) -> CimInstance:
        values = {name: self.setting(name) for name in self._defaults}
        return new_instance(self._repository.catalogue, self.class_name, dict(values), SMB)

    def methods(self) -> Mapping[str, Method]:
        return {}

    def static_methods(self) -> Mapping[str, Method]:
        return {"GetConfiguration": self._get, "SetConfiguration": self._set, "ResetConfiguration": self._reset}

    def _get(self, _call: Call) -> Outputs:
        return done(Output=self._repository.finished(self.instance()))

    def _set(self, call: Call) -> Outputs:
        for name in self._defaults:
            given = call.given(name)
            if given is not None:
                self._write(name, given)
        return done()

    def _reset(self, call: Call) -> Outputs:
        for name, default in self._defaults.items():
            if call.boolean("All") or call.boolean(name):
                self._write(name, default)
        return self._get(call)

    def _write(self, name: str, value: CimValue) -> None:
        self._registry.create_key(self._key)
        self._registry.set(self._key, name, sz(value) if isinstance(value, str) else dword(int(value)))  # type: ignore[arg-type]  # checked by the codec

    def _has(self, name: str) -> bool:
        try:
            self._repository.catalogue.property(SMB, self.class_name, name)
        except NotFound:
            return False  # a setting that this Windows version does not have
        return True


def _read(data: Data, default: Setting) -> Setting:
    """A registry value as what the setting is."""
    if isinstance(default, bool):
        return bool(data)
    return data if isinstance(data, type(default)) else default
