r"""Windows' firewall: MSFT_NetFirewallRule with its filters, and the three profiles.

Rule 1: a rule of a feature is there while the feature is. Which rules were switched is kept over a restart.
Rule 2: whether a profile is on stands in the registry (``SharedAccess\Parameters\FirewallPolicy``).
How instances are named (``MSFT|FW|FirewallRule|<id>``): seen in outputs of Get-NetFirewallRule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.network import FirewallConfig
from hyperv_simulator.operating_system.kept import KeptState
from hyperv_simulator.operating_system.network_stack import STANDARD
from hyperv_simulator.operating_system.network_stack.firewall_rules import RULES, Rule
from hyperv_simulator.operating_system.registry import Registry, dword
from hyperv_simulator.providers.base import Call, Method, Outputs, Provider, done
from hyperv_simulator.repository.associations import Association
from hyperv_simulator.repository.defaults import new_instance
from hyperv_simulator.repository.instances import Repository

RULE, PROFILE = "MSFT_NetFirewallRule", "MSFT_NetFirewallProfile"
_SECTION = "firewall_rules"
_POLICY = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
_PROFILES = {"Domain": "DomainProfile", "Private": "StandardProfile", "Public": "PublicProfile"}
_ENABLED, _DISABLED = 1, 2  # CIM_PolicySet.Enabled
_FALSE, _TRUE, _NOT_CONFIGURED = 0, 1, 2  # GpoBoolean
_INBOUND, _OUTBOUND = 1, 2
_ALLOW, _BLOCK = 2, 4
_BY_NAME: Mapping[str, Rule] = {rule.name.lower(): rule for rule in RULES}
# Filter class, and the association that leads to it
_FILTERS = {
    "MSFT_NetProtocolPortFilter": "MSFT_NetFirewallRuleFilterByProtocolPort",
    "MSFT_NetAddressFilter": "MSFT_NetFirewallRuleFilterByAddress",
    "MSFT_NetApplicationFilter": "MSFT_NetFirewallRuleFilterByApplication",
    "MSFT_NetServiceFilter": "MSFT_NetFirewallRuleFilterByService",
}


class Firewall:
    """The firewall of one host.

    :param works: whether a feature does.
    :raises ConfigError: hosts.toml names a rule that there is not.
    """

    def __init__(
        self,
        repository: Repository,
        registry: Registry,
        kept: KeptState,
        config: FirewallConfig,
        works: Callable[[str], bool],
    ) -> None:
        self._repository = repository
        self._registry = registry
        self._kept = kept
        self._works = works
        self._configured = {**dict.fromkeys(config.enable, True), **dict.fromkeys(config.disable, False)}
        for name in self._configured:
            if name.lower() not in _BY_NAME:
                known = ", ".join(sorted(rule.name for rule in RULES))
                raise ConfigError(f"firewall names the rule {name!r}; write one of {known}")
        repository.add_source(RULE, lambda _owner: map(self.rule, self._rules()), STANDARD)
        repository.add_source(PROFILE, lambda _owner: map(self.profile, _PROFILES), STANDARD)
        for class_name in _FILTERS:
            repository.add_source(class_name, self._filter_source(class_name), STANDARD)

    def is_enabled(self, rule: Rule) -> bool:
        default = self._configured.get(rule.name, rule.enabled)
        return bool(self._kept.section(_SECTION).get(rule.name, default))

    def switch(self, name: str, *, on: bool) -> None:
        self._kept.keep(_SECTION, {**self._kept.section(_SECTION), _BY_NAME[name.lower()].name: on})

    def set_profile(self, name: str, *, on: bool) -> None:
        self._registry.set(rf"{_POLICY}\{_PROFILES[name]}", "EnableFirewall", dword(int(on)))

    def rows(self) -> Iterator[Association]:
        for class_name, association in _FILTERS.items():
            yield Association(
                association,
                "GroupComponent",
                RULE,
                "PartComponent",
                class_name,
                self._walk(class_name),
                self._walk(RULE),
                namespace=STANDARD,
            )

    # Inside

    def _rules(self) -> Iterator[Rule]:
        return (rule for rule in RULES if not rule.feature or self._works(rule.feature))

    def _walk(self, class_name: str) -> Callable[[CimInstance], list[CimInstance]]:
        def others(item: CimInstance) -> list[CimInstance]:
            wanted = item.get("InstanceID")
            found = self._repository.instances(class_name, STANDARD)
            return [other for other in found if other.get("InstanceID") == wanted]

        return others

    def rule(self, rule: Rule) -> CimInstance:
        values: dict[str, CimValue] = {
            **_identity(rule, "PolicyRuleName"),
            "ElementName": rule.display_name,
            "DisplayName": rule.display_name,
            "DisplayGroup": rule.group,
            "RuleGroup": rule.group,
            "Enabled": _ENABLED if self.is_enabled(rule) else _DISABLED,
            "Direction": _INBOUND if rule.inbound else _OUTBOUND,
            "Action": _ALLOW,
            "Profiles": rule.profiles,
            "EdgeTraversalPolicy": 0,
            "PrimaryStatus": 1,
            "Status": "The rule was parsed successfully from the store.",
            "EnforcementStatus": [1] if self.is_enabled(rule) else [4],
            "PolicyStoreSource": "PersistentStore",
            "PolicyStoreSourceType": 1,
        }
        return new_instance(self._repository.catalogue, RULE, values, STANDARD)

    def _filter_source(self, class_name: str) -> Callable[[str], Iterator[CimInstance]]:
        return lambda _owner: (self._filter(class_name, rule) for rule in self._rules())

    def _filter(self, class_name: str, rule: Rule) -> CimInstance:
        own: Mapping[str, dict[str, CimValue]] = {
            "MSFT_NetProtocolPortFilter": {
                "Protocol": rule.protocol,
                "LocalPort": list(rule.ports) or ["Any"],
                "RemotePort": ["Any"],
            },
            "MSFT_NetAddressFilter": {"LocalAddress": ["Any"], "RemoteAddress": [rule.remote]},
            "MSFT_NetApplicationFilter": {"AppPath": rule.program},
            "MSFT_NetServiceFilter": {"ServiceName": rule.service or "Any"},
        }
        values = {**_identity(rule, "Name"), **own[class_name]}
        return new_instance(self._repository.catalogue, class_name, values, STANDARD)

    def profile(self, name: str) -> CimInstance:
        on = self._registry.number(rf"{_POLICY}\{_PROFILES[name]}", "EnableFirewall", _TRUE)
        values: dict[str, CimValue] = {
            "InstanceID": f"MSFT|FW|FirewallProfile|{name}",
            "Name": name,
            "Enabled": on,
            "DefaultInboundAction": _BLOCK,
            "DefaultOutboundAction": _ALLOW,
            "AllowInboundRules": _TRUE,
            "AllowLocalFirewallRules": _NOT_CONFIGURED,
            "NotifyOnListen": _FALSE,
            "LogFileName": r"%systemroot%\system32\LogFiles\Firewall\pfirewall.log",
            "LogMaxSizeKilobytes": 4096,
            "LogAllowed": _FALSE,
            "LogBlocked": _FALSE,
        }
        return new_instance(self._repository.catalogue, PROFILE, values, STANDARD)


def _identity(rule: Rule, name_property: str) -> dict[str, CimValue]:
    return {
        "CreationClassName": f"MSFT|FW|FirewallRule|{rule.name}",
        "SystemCreationClassName": "",
        "SystemName": "",
        name_property: "",
        "InstanceID": rule.name,
    }


class FirewallRuleProvider(Provider):
    class_name = RULE
    namespace = STANDARD

    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall

    def methods(self) -> Mapping[str, Method]:
        return {
            "Enable": lambda call: self._switch(call, on=True),
            "Disable": lambda call: self._switch(call, on=False),
        }

    def put(self, before: CimInstance, changes: CimInstance) -> None:
        """Set-NetFirewallRule: whether it is on; other properties of a predefined rule stay as they are."""
        if changes.get("Enabled") is not None:
            self._firewall.switch(before.text("InstanceID"), on=changes.get("Enabled") == _ENABLED)

    def _switch(self, call: Call, *, on: bool) -> Outputs:
        self._firewall.switch(call.target.text("InstanceID"), on=on)
        return done()


class FirewallProfileProvider(Provider):
    class_name = PROFILE
    namespace = STANDARD

    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall

    def methods(self) -> Mapping[str, Method]:
        return {}

    def put(self, before: CimInstance, changes: CimInstance) -> None:
        """Set-NetFirewallProfile: whether it is on."""
        if changes.get("Enabled") is not None:
            self._firewall.set_profile(before.text("Name"), on=changes.get("Enabled") == _TRUE)
