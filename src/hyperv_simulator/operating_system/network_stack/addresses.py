"""IP on the interfaces: addresses, routes, DNS servers, the kind of network; Win32_NetworkAdapterConfiguration.

Names of instances: hosts name them by encoded keys that nothing reads; here they are readable (assumption).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.network import NetworkCategory
from hyperv_simulator.instances.facts import HostFacts
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.operating_system.network_stack import CIMV2, STANDARD
from hyperv_simulator.operating_system.network_stack.wiring import Interface, Wiring
from hyperv_simulator.providers.base import Method, Provider
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

PROFILE = "MSFT_NetConnectionProfile"
_IPV4 = 2
_CATEGORIES: Mapping[NetworkCategory, int] = {"public": 0, "private": 1, "domain": 2}
_MANUAL, _DHCP = 1, 3
_INTERNET = 4


class Addresses:
    """The sources of all of these classes."""

    def __init__(self, repository: Repository, facts: HostFacts, wiring: Wiring, kept: KeptState) -> None:
        self._repository = repository
        self._facts = facts
        self._wiring = wiring
        self._kept = kept
        for class_name, source in (
            ("MSFT_NetIPAddress", self._addresses),
            ("MSFT_NetIPInterface", self._interfaces),
            ("MSFT_NetRoute", self._routes),
            ("MSFT_DNSClientServerAddress", self._dns),
            ("MSFT_DNSClient", self._dns_clients),
            (PROFILE, self._profiles),
        ):
            repository.add_source(class_name, lambda _owner, source=source: source(), STANDARD)  # type: ignore[misc]  # bound at definition
        repository.add_source("Win32_NetworkAdapterConfiguration", lambda _owner: self._classic(), CIMV2)

    def set_category(self, interface_name: str, category: int) -> None:
        """What Windows takes a network for from now on."""
        self._kept.keep("network_categories", {**self._kept.section("network_categories"), interface_name: category})

    # Inside

    def _new(self, class_name: str, name: str, item: Interface, values: Mapping[str, CimValue]) -> CimInstance:
        common: dict[str, CimValue] = {
            "SystemCreationClassName": "",
            "SystemName": "",
            "CreationClassName": "",
            "Name": name,
            "InterfaceIndex": item.index,
            "InterfaceAlias": item.name,
            "AddressFamily": _IPV4,
        }
        known = {key for key, _ in self._repository.catalogue.property_names(STANDARD, class_name)}
        given = {key: value for key, value in (common | dict(values)).items() if key in known}
        return new_instance(self._repository.catalogue, class_name, given, STANDARD)

    def _addresses(self) -> Iterator[CimInstance]:
        for item in self._wiring.interfaces():
            if item.address is not None and item.nic is not None:
                origin = _DHCP if item.nic.dhcp else _MANUAL
                values: dict[str, CimValue] = {
                    "IPAddress": str(item.address.ip),
                    "IPv4Address": str(item.address.ip),
                    "Address": str(item.address.ip),
                    "PrefixLength": item.address.network.prefixlen,
                    "Type": 1,
                    "Store": 1,
                    "PrefixOrigin": origin,
                    "SuffixOrigin": origin,
                    "AddressState": 4,
                    "SkipAsSource": False,
                }
                yield self._new("MSFT_NetIPAddress", f"{item.index}:{item.address.ip}", item, values)

    def _interfaces(self) -> Iterator[CimInstance]:
        for item in self._wiring.interfaces():
            dhcp = item.nic is None or item.nic.dhcp
            values: dict[str, CimValue] = {
                "ConnectionState": int(item.connected),
                "Dhcp": int(dhcp),
                "NlMtu": 1500,
                "InterfaceMetric": 15 if item.speed_bps >= 10**10 else 25,
                "AutomaticMetric": 1,
                "Forwarding": 0,
                "Advertising": 0,
                "WeakHostSend": 0,
                "WeakHostReceive": 0,
                "Store": 1,
                "CompartmentId": 1,
            }
            yield self._new("MSFT_NetIPInterface", f"{item.index}:{_IPV4}", item, values)

    def _routes(self) -> Iterator[CimInstance]:
        for item in self._wiring.interfaces():
            if item.address is None or item.nic is None:
                continue
            hops = [(str(item.address.network), "0.0.0.0", 256)]  # noqa: S104  (on link)
            if item.nic.gateway:
                hops.append(("0.0.0.0/0", item.nic.gateway, 0))
            for prefix, hop, metric in hops:
                identity = f"{item.index}:{prefix}:{hop}"
                values: dict[str, CimValue] = {
                    "InstanceID": identity,
                    "DestinationPrefix": prefix,
                    "DestinationAddress": prefix,
                    "NextHop": hop,
                    "RouteMetric": metric,
                    "InterfaceMetric": 25,
                    "Protocol": 3 if item.nic.gateway == hop else 2,
                    "Publish": 0,
                    "Store": 1,
                    "TypeOfRoute": 3,
                }
                yield self._new("MSFT_NetRoute", identity, item, values)

    def _dns(self) -> Iterator[CimInstance]:
        for item in self._wiring.interfaces():
            values: dict[str, CimValue] = {"ServerAddresses": [*item.nic.dns] if item.nic is not None else []}
            yield self._new("MSFT_DNSClientServerAddress", f"{item.index}:{_IPV4}", item, values)

    def _dns_clients(self) -> Iterator[CimInstance]:
        for item in self._wiring.interfaces():
            values: dict[str, CimValue] = {
                "ConnectionSpecificSuffix": self._facts.config.domain,
                "RegisterThisConnectionsAddress": True,
                "UseSuffixWhenRegistering": False,
            }
            yield self._new("MSFT_DNSClient", str(item.index), item, values)

    def _profiles(self) -> Iterator[CimInstance]:
        chosen: Mapping[str, Any] = self._kept.section("network_categories")
        domain = self._facts.config.domain
        for item in self._wiring.interfaces():
            if item.address is None or item.nic is None:
                continue
            category = item.nic.category if domain or item.nic.category != "domain" else "private"
            values: dict[str, CimValue] = {
                "InstanceID": f"{{{item.guid}}}",
                "Name": domain or "Network",
                "NetworkCategory": int(chosen.get(item.name, _CATEGORIES[category])),
                "IPv4Connectivity": _INTERNET if item.nic.gateway else 2,
                "IPv6Connectivity": 1,
                "DomainAuthenticationKind": 1 if domain and category == "domain" else 0,
            }
            yield self._new(PROFILE, domain or "Network", item, values)

    def _classic(self) -> Iterable[CimInstance]:
        for item in self._wiring.interfaces():
            address = item.address
            nic = item.nic
            has_address = address is not None and nic is not None
            values: dict[str, CimValue] = {
                "Index": item.index,
                "InterfaceIndex": item.index,
                "Caption": f"[{item.index:08}] {item.description}",
                "Description": item.description,
                "SettingID": f"{{{item.guid}}}",
                "MACAddress": ":".join(item.mac[position : position + 2] for position in range(0, 12, 2)),
                "IPEnabled": has_address,
                "DHCPEnabled": nic is None or nic.dhcp,
                "DNSHostName": self._facts.config.name if has_address else None,
                "DNSDomain": self._facts.config.domain or None,
                "ServiceName": "VMSNPXYMP" if item.virtual else "ixi65x64",
            }
            if address is not None and nic is not None:
                values["IPAddress"] = [str(address.ip)]
                values["IPSubnet"] = [str(address.netmask)]
                values["DefaultIPGateway"] = [nic.gateway] if nic.gateway else None
                values["DNSServerSearchOrder"] = list(nic.dns) or None
            yield new_instance(self._repository.catalogue, "Win32_NetworkAdapterConfiguration", values, CIMV2)


class ConnectionProfileProvider(Provider):
    """Set-NetConnectionProfile: Put with another NetworkCategory."""

    class_name = PROFILE
    namespace = STANDARD

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def methods(self) -> Mapping[str, Method]:
        return {}

    def put(self, before: CimInstance, changes: CimInstance) -> None:
        category = changes.integer("NetworkCategory", before.integer("NetworkCategory"))
        self._addresses.set_category(before.text("InterfaceAlias"), category)
