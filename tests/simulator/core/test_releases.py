"""What each release of Windows Server has, and what it lacks: tables of facts, walked over running hosts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compute_hyperv.cim.soap.faults import SoapFault
from hyperv_simulator.assembly import assemble
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.fault_rules import FaultRules
from hyperv_simulator.windows import RELEASES
from tests.simulator.core.client import Client, settings_text

YEARS = {"2012r2": 2012, "2016": 2016, "2019": 2019, "2022": 2022, "2025": 2025}
# Class, or class and property -> the first release that has it: "Minimum supported server" and "Property added in" of
# the class pages, and real-instances 2.4.
SINCE = {
    "Msvm_VirtualSystemManagementService": 2012,
    "Msvm_EthernetSwitchPortVlanSettingData": 2012,
    "Msvm_EthernetSwitchPortIsolationSettingData": 2012,
    "Msvm_EthernetSwitchPortRdmaSettingData": 2016,
    "Msvm_EthernetSwitchPortTeamMappingSettingData": 2016,
    "Msvm_VirtualEthernetSwitchNicTeamingSettingData": 2016,
    "Msvm_SecurityService": 2016,
    "Msvm_SecuritySettingData": 2016,
    "Msvm_AssignableDeviceService": 2016,
    "Msvm_PciExpressSettingData": 2016,
    "Msvm_VirtualSystemCollection": 2016,
    "Msvm_VirtualSystemReferencePoint": 2016,
    "Msvm_PersistentMemoryController": 2019,
    "Msvm_VirtualEthernetSwitchSettingData.TeamingEnabled": 2016,
    "Msvm_VirtualEthernetSwitchSettingData.PacketDirectEnabled": 2016,
    "Msvm_EthernetSwitchPortOffloadSettingData.VmmqEnabled": 2016,
    "Msvm_EthernetSwitchPortOffloadSettingData.VrssMinQueuePairs": 2019,
    "Msvm_EthernetSwitchPortSecuritySettingData.EnableFixSpeed10G": 2016,
    "Msvm_ProcessorSettingData.ExposeVirtualizationExtensions": 2016,
    "Msvm_VirtualSystemSettingData.SecureBootTemplateId": 2016,
    "Msvm_VirtualSystemSettingData.UserSnapshotType": 2016,
    "Msvm_VirtualSystemSettingData.EnableHibernation": 2019,
}
# Release -> configuration version of a new machine, one that the release runs, one it refuses (real-instances 2.4)
CONFIGURATIONS = {
    "2012r2": ("5.0", "5.0", "8.0"),
    "2016": ("8.0", "5.0", "9.0"),
    "2019": ("9.0", "5.0", "10.0"),
    "2022": ("10.0", "8.0", "5.0"),
    "2025": ("12.0", "8.0", "5.0"),
}
# Release -> virtual processors and memory (TiB) of a machine of generation 2, at most (Microsoft's pages on
# Hyper-V's scalability)
MOST = {"2012r2": (64, 1), "2016": (240, 12), "2019": (240, 12), "2022": (1024, 12), "2025": (2048, 240)}


@pytest.fixture(scope="module", params=list(RELEASES))
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    config = HostConfig(version=request.param, threads=4096, cores=2048)
    inside = assemble(config, tmp_path_factory.mktemp("host"), FaultRules())
    yield Client(inside)
    inside.close()


def version(client: Client) -> str:
    return client.inside.config.version


def has(client: Client, name: str) -> bool:
    """Whether the host knows a class, or a property of it, as a client sees it."""
    class_name, _, property_name = name.partition(".")
    try:
        client.query(f"select {property_name or '*'} from {class_name}")
    except SoapFault:
        return False
    return True


def test_classes_and_properties_are_there_from_their_release_on(host: Client) -> None:
    found = {name: has(host, name) for name in SINCE}
    assert found == {name: YEARS[version(host)] >= first for name, first in SINCE.items()}


def test_an_absent_property_is_refused_in_embedded_instances(host: Client) -> None:
    text = settings_text("Msvm_VirtualEthernetSwitchSettingData", ElementName="probe", PacketDirectEnabled=False)
    code = host.call(host.switching, "DefineSystem", SystemSettings=text)["ReturnValue"]
    assert code == (0 if YEARS[version(host)] >= 2016 else 32773)


def test_a_machine_gets_the_releases_configuration_version(host: Client) -> None:
    default, runs, refused = CONFIGURATIONS[version(host)]
    assert host.system_settings(host.define()).get("Version") == default
    assert host.system_settings(host.define(Version=runs)).get("Version") == runs
    text = settings_text("Msvm_VirtualSystemSettingData", ElementName="other", Version=refused)
    assert host.call(host.management, "DefineSystem", SystemSettings=text)["ReturnValue"] != 0


def test_a_machine_has_so_many_processors_and_so_much_memory_at_most(host: Client) -> None:
    processors, memory_tib = MOST[version(host)]
    machine = host.define()
    for class_name, most, static in (
        ("Msvm_ProcessorSettingData", processors, {}),
        ("Msvm_MemorySettingData", memory_tib << 20, {"DynamicMemoryEnabled": False}),
    ):
        (current,) = host.settings(machine, class_name)
        templates = host.query(f"select * from {class_name} where InstanceID like '%Definition%Maximum'")
        assert {item.get("VirtualQuantity") for item in templates} == {most}
        for quantity, state in ((most, 7), (most + 2, 10)):
            text = settings_text(class_name, InstanceID=current.get("InstanceID"), VirtualQuantity=quantity, **static)
            job = host.ended_job(host.call(host.management, "ModifyResourceSettings", ResourceSettings=[text]))
            assert job.get("JobState") == state, job.get("ErrorDescription")
        assert host.settings(machine, class_name)[0].get("VirtualQuantity") == most
