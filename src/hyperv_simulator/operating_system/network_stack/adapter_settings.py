"""What adapters can do and have switched on: RDMA, SR-IOV, VMQ, RSS, hardware, bindings, advanced properties.

An adapter that can not do RDMA or VMQ has no instance of that class (the Get cmdlets list capable ones only); each
has an SR-IOV instance that says what is missing. What was switched is kept over a restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.instances.facts import Adapter, HostFacts
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.operating_system.network_stack import STANDARD
from hyperv_simulator.operating_system.network_stack.wiring import Wiring
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

_SECTION = "adapter_settings"
RDMA, SRIOV = "MSFT_NetAdapterRdmaSettingData", "MSFT_NetAdapterSriovSettingData"
VMQ, RSS = "MSFT_NetAdapterVmqSettingData", "MSFT_NetAdapterRssSettingData"
HARDWARE, BINDING = "MSFT_NetAdapterHardwareInfoSettingData", "MSFT_NetAdapterBindingSettingData"
ADVANCED = "MSFT_NetAdapterAdvancedPropertySettingData"
SWITCHABLE = (RDMA, SRIOV, VMQ, RSS)
_SRIOV_SUPPORTED, _SRIOV_MISSING_DRIVER = 1, 3

# Component, display name, and whether it stays on once a Hyper-V switch has taken the adapter.
_COMPONENTS = (
    ("ms_tcpip", "Internet Protocol Version 4 (TCP/IPv4)", False),
    ("ms_tcpip6", "Internet Protocol Version 6 (TCP/IPv6)", False),
    ("ms_msclient", "Client for Microsoft Networks", False),
    ("ms_server", "File and Printer Sharing for Microsoft Networks", False),
    ("ms_lldp", "Microsoft LLDP Protocol Driver", True),
    ("vms_pp", "Hyper-V Extensible Virtual Switch", True),
)


@dataclass(frozen=True, slots=True)
class _Property:
    keyword: str
    name: str
    value: str
    display: str


class AdapterSettings:
    """The sources of these classes."""

    def __init__(self, repository: Repository, facts: HostFacts, wiring: Wiring, kept: KeptState) -> None:
        self._repository = repository
        self._facts = facts
        self._wiring = wiring
        self._kept = kept
        for class_name, source in (
            (RDMA, self._rdma),
            (SRIOV, self._sriov),
            (VMQ, self._vmq),
            (RSS, self._rss),
            (HARDWARE, self._hardware),
            (BINDING, self._bindings),
            (ADVANCED, self._advanced),
        ):
            repository.add_source(class_name, lambda _owner, source=source: source(), STANDARD)  # type: ignore[misc]  # bound at definition

    def switch(self, class_name: str, adapter: str, *, on: bool) -> None:
        """Keeps what an adapter has switched on or off."""
        self._kept.keep(_SECTION, {**self._kept.section(_SECTION), f"{class_name}/{adapter}": on})

    def is_on(self, class_name: str, adapter: Adapter, *, by_default: bool = True) -> bool:
        return bool(self._kept.section(_SECTION).get(f"{class_name}/{adapter.name}", by_default))

    def _new(self, class_name: str, adapter: Adapter, values: Mapping[str, CimValue], tail: str = "") -> CimInstance:
        common: dict[str, CimValue] = {
            "InstanceID": f"{{{adapter.guid}}}{tail}",
            "Name": adapter.name,
            "InterfaceDescription": adapter.description,
            "ElementName": adapter.name,
            "Source": 2,
            "SystemName": self._facts.name,
        }
        return new_instance(self._repository.catalogue, class_name, common | dict(values), STANDARD)

    def _rdma(self) -> Iterator[CimInstance]:
        for adapter in self._facts.adapters:
            if adapter.nic.rdma:
                enabled = self.is_on(RDMA, adapter, by_default=adapter.nic.rdma_enabled)
                values: dict[str, CimValue] = {
                    "Enabled": enabled,
                    "MaxQueuePairCount": 16384,
                    "MaxCompletionQueueCount": 16384,
                    "MaxMemoryRegionCount": 131072,
                    "MaxProtectionDomainCount": 32768,
                    "MaxInboundReadLimit": 32,
                    "MaxOutboundReadLimit": 32,
                }
                if self._facts.version.release >= 2022:
                    values["OperationalState"] = enabled and adapter.nic.connected
                yield self._new(RDMA, adapter, values)

    def _sriov(self) -> Iterator[CimInstance]:
        for adapter in self._facts.adapters:
            switch = self._wiring.switch_of(adapter)
            capable = adapter.nic.sriov
            values: dict[str, CimValue] = {
                "Enabled": capable and self.is_on(SRIOV, adapter),
                "SriovSupport": _SRIOV_SUPPORTED if capable else _SRIOV_MISSING_DRIVER,
                "SwitchType": 1 if switch is not None else 0,
                "SwitchName": switch.get("ElementName") if switch is not None else None,
                "NumVFs": 64 if capable else 0,
                "NumAllocatedVFs": 0,
                "NumVPorts": 64 if capable else 0,
                "NumActiveVPorts": 0,
            }
            yield self._new(SRIOV, adapter, values)

    def _vmq(self) -> Iterator[CimInstance]:
        for adapter in self._facts.adapters:
            if adapter.nic.vmq:
                values: dict[str, CimValue] = {
                    "Enabled": self.is_on(VMQ, adapter),
                    "NumberOfReceiveQueues": 31,
                    "TotalNumberOfMacAddresses": 63,
                    "NumMacAddressesPerPort": 0,
                    "NumVlansPerPort": 0,
                    "BaseProcessorGroup": 0,
                    "BaseProcessorNumber": 0,
                    "MaxProcessors": 8,
                    "MaxProcessorNumber": self._facts.config.threads - 1,
                    "NumaNode": 0,
                    "AnyVlanSupported": True,
                }
                yield self._new(VMQ, adapter, values)

    def _rss(self) -> Iterator[CimInstance]:
        for adapter in self._facts.adapters:
            values: dict[str, CimValue] = {
                "Enabled": self.is_on(RSS, adapter),
                "NumberOfReceiveQueues": 8,
                "Profile": 1,
                "BaseProcessorGroup": 0,
                "BaseProcessorNumber": 0,
                "MaxProcessors": 8,
                "MaxProcessorGroup": 0,
                "MaxProcessorNumber": min(63, self._facts.config.threads - 1),
                "NumaNode": 0,
                "MsiXSupported": True,
                "MsiXEnabled": True,
            }
            yield self._new(RSS, adapter, values)

    def _hardware(self) -> Iterator[CimInstance]:
        for number, adapter in enumerate(self._facts.adapters):
            values: dict[str, CimValue] = {
                "SegmentNumber": 0,
                "BusNumber": 24 + number,
                "DeviceNumber": 0,
                "FunctionNumber": 0,
                "LocationInformationString": f"PCI bus {24 + number}, device 0, function 0",
                "NumaNode": number % self._facts.config.numa_nodes,
                "PciDeviceType": 2,
                "PciExpressVersion": 2,
                "PciExpressCurrentLinkWidth": 8,
                "PciExpressMaxLinkWidth": 8,
                "MsiXSupported": True,
                "MsiXEnabled": True,
                "MsiXInterruptSupported": True,
                "Dma64BitSupported": True,
                "SriovSupport": _SRIOV_SUPPORTED if adapter.nic.sriov else _SRIOV_MISSING_DRIVER,
            }
            yield self._new(HARDWARE, adapter, values)

    def _bindings(self) -> Iterator[CimInstance]:
        for adapter in self._facts.adapters:
            switched = self._wiring.switch_of(adapter) is not None
            for component, display_name, stays in _COMPONENTS:
                enabled = switched if component == "vms_pp" else (stays or not switched)
                values: dict[str, CimValue] = {
                    "Enabled": enabled,
                    "DisplayName": display_name,
                    "ComponentID": component,
                }
                yield self._new(BINDING, adapter, values, f"::{component}")

    def _advanced(self) -> Iterator[CimInstance]:
        for adapter in self._facts.adapters:
            for item in self._properties(adapter):
                values: dict[str, CimValue] = {
                    "RegistryKeyword": item.keyword,
                    "DisplayName": item.name,
                    "DisplayValue": item.display,
                    "RegistryValue": [item.value],
                    "DefaultRegistryValue": item.value,
                    "DefaultDisplayValue": item.display,
                    "RegistryDataType": 1,
                    "DisplayParameterType": 5,
                }
                yield self._new(ADVANCED, adapter, values, f"::{item.keyword}")

    def _properties(self, adapter: Adapter) -> Iterator[_Property]:
        def switch(keyword: str, name: str, *, on: bool) -> _Property:
            return _Property(keyword, name, "1" if on else "0", "Enabled" if on else "Disabled")

        yield _Property("*JumboPacket", "Jumbo Packet", "1514", "Disabled")
        yield switch("*RSS", "Receive Side Scaling", on=self.is_on(RSS, adapter))
        if adapter.nic.vmq:
            yield switch("*VMQ", "Virtual Machine Queues", on=self.is_on(VMQ, adapter))
        if adapter.nic.sriov:
            yield switch("*SRIOV", "SR-IOV", on=self.is_on(SRIOV, adapter))
        if adapter.nic.rdma:
            yield switch("*NetworkDirect", "NetworkDirect Functionality", on=self.is_on(RDMA, adapter))


class AdapterSettingProvider(Provider):
    """Enable and Disable of one of the switchable classes."""

    namespace = STANDARD

    def __init__(self, class_name: str, repository: Repository, settings: AdapterSettings) -> None:
        self.class_name = class_name
        self._repository = repository
        self._settings = settings

    def methods(self) -> Mapping[str, Method]:
        return {
            "Enable": lambda call: self._switch(call, on=True),
            "Disable": lambda call: self._switch(call, on=False),
        }

    def _switch(self, call: Call, *, on: bool) -> Outputs:
        self._settings.switch(self.class_name, call.target.text("Name"), on=on)
        return done(cmdletOutput=self._repository.finished(self._repository.get(call.reference)))
