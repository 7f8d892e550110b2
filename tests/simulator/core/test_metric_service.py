"""Msvm_MetricService: what is measured of machines, and what the values show."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from compute_hyperv.cim.values import CimInstance, CimReference
from tests.simulator.core.client import Client, settings_text
from tests.simulator.core.conftest import MakeHost

ENABLE, DISABLE, RESET = 2, 3, 4
PARTIALLY = 32768


@pytest.fixture
def service(client: Client) -> CimReference:
    return client.service_reference("Msvm_MetricService")


def definition(client: Client, name: str) -> CimReference:
    found = client.one(f"select * from CIM_BaseMetricDefinition where ElementName = '{name}'")
    return client.service.reference_of(found)


def values(client: Client, element: CimReference) -> dict[str, str]:
    """Name and value of everything that is measured at an element."""
    found = client.query(f"associators of {{{client.path(element)}}} where AssocClass = Msvm_MetricForME")
    return {item.text("ElementName"): item.text("MetricValue") for item in found}


def states(client: Client, element: CimReference) -> dict[str, int]:
    links = client.query(f"references of {{{client.path(element)}}} where ResultClass = Msvm_MetricDefForME")
    found = {}
    for link in links:
        reference = link["Dependent"]
        assert isinstance(reference, CimReference)
        found[client.service.get(reference).text("ElementName")] = link.integer("MetricCollectionEnabled")
    return found


def disk_of(client: Client, machine: CimReference, path: str = r"C:\root.vhdx") -> CimReference:
    return client.add_disk(machine, client.create_disk(path))


def test_a_host_has_the_definitions_of_its_release(client: Client, make_host: MakeHost) -> None:
    assert len(client.query("select * from Msvm_BaseMetricDefinition")) == 10
    assert len(client.query("select * from Msvm_AggregationMetricDefinition")) == 14
    assert len(make_host("old", version="2012r2").query("select * from Msvm_BaseMetricDefinition")) == 8
    average = client.one("select * from Msvm_AggregationMetricDefinition where ElementName = 'Average CPU Utilization'")
    assert average.get("Id") == "Microsoft:3F6F1051-C8FC-47EF-9821-C07240848748"


def test_a_machine_without_disks_has_four_values_while_metrics_are_on(
    client: Client, service: CimReference, machine: CimReference
) -> None:
    """As on a host: HVWMI metrics_enable."""
    assert values(client, machine) == {}
    client.do(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=ENABLE)
    assert sorted(values(client, machine)) == [
        "Aggregated Average CPU Utilization",
        "Aggregated Average Memory Utilization",
        "Aggregated Maximum for Memory Utilization",
        "Aggregated Minimum for Memory Utilization",
    ]
    assert set(values(client, machine).values()) == {"0"}
    client.do(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=DISABLE)
    assert values(client, machine) == {}


def test_memory_is_what_the_machine_runs_with(client: Client, service: CimReference, machine: CimReference) -> None:
    client.do(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=ENABLE)
    client.change_state(machine, 2)
    found = values(client, machine)
    assert found["Aggregated Average Memory Utilization"] == "1024"
    assert found["Aggregated Minimum for Memory Utilization"] == "1024"
    client.change_state(machine, 3)
    assert values(client, machine)["Aggregated Maximum for Memory Utilization"] == "1024"
    client.do(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=RESET)
    assert values(client, machine)["Aggregated Maximum for Memory Utilization"] == "0"


def test_a_disks_allocation_is_its_file(client: Client, service: CimReference, machine: CimReference) -> None:
    disk = disk_of(client, machine)
    client.do(service, "ControlMetrics", Subject=disk, MetricCollectionEnabled=ENABLE)
    (info,) = [client.inside.disks.info(r"C:\root.vhdx")]
    assert values(client, disk)["Maximum for Disk Allocation"] == str(info.file_size_bytes >> 20)
    assert set(values(client, disk)) == {
        "Average Disk Latency",
        "Average Normalized Disk Throughput",
        "Disk Data Read",
        "Disk Data Written",
        "Maximum for Disk Allocation",
        "Normalized I/O Operations Completed",
    }


def test_one_of_two_disks_makes_a_machine_partially_enabled(
    client: Client, service: CimReference, machine: CimReference
) -> None:
    controller = client.add_controller(machine)
    first = client.add_disk(machine, client.create_disk(r"C:\1.vhdx"), controller, 0)
    client.add_disk(machine, client.create_disk(r"C:\2.vhdx"), controller, 1)
    client.do(service, "ControlMetrics", Subject=first, MetricCollectionEnabled=ENABLE)
    assert states(client, machine)["Aggregated Disk Data Read"] == PARTIALLY
    assert states(client, machine)["Aggregated Average CPU Utilization"] == DISABLE
    client.do(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=ENABLE)
    assert set(states(client, machine).values()) == {ENABLE}


def test_one_metric_of_one_machine(client: Client, service: CimReference, machine: CimReference) -> None:
    """What the retired driver asked for at each start (old-driver 5.17)."""
    for name in ("Aggregated Average CPU Utilization", "Aggregated Average Memory Utilization"):
        wanted = definition(client, name)
        client.do(service, "ControlMetrics", Subject=machine, Definition=wanted, MetricCollectionEnabled=ENABLE)
    assert sorted(values(client, machine)) == [
        "Aggregated Average CPU Utilization",
        "Aggregated Average Memory Utilization",
    ]


def test_a_metric_of_every_machine(client: Client, service: CimReference) -> None:
    machines = [client.define(name) for name in ("one", "two")]
    wanted = definition(client, "Aggregated Average CPU Utilization")
    client.do(service, "ControlMetrics", Definition=wanted, MetricCollectionEnabled=ENABLE)
    assert [len(values(client, machine)) for machine in machines] == [1, 1]


def test_a_ports_metrics_need_metering_acls_and_a_running_machine(
    client: Client, service: CimReference, machine: CimReference
) -> None:
    port = client.connect(machine, client.add_nic(machine))
    control: dict[str, Any] = {"Subject": port, "MetricCollectionEnabled": ENABLE}
    assert client.refused(service, "ControlMetrics", **control) == 2
    for direction in (1, 2):
        acl = settings_text(
            "Msvm_EthernetSwitchPortAclSettingData",
            Action=3, Direction=direction, AclType=2, Applicability=2, RemoteAddress="0.0.0.0",
            RemoteAddressPrefixLength=0,
        )  # fmt: skip
        client.do(client.management, "AddFeatureSettings", AffectedConfiguration=port, FeatureSettings=[acl])
    assert client.refused(service, "ControlMetrics", **control) == 2
    client.change_state(machine, 2)
    client.do(service, "ControlMetrics", **control)
    acls = client.settings(machine, "Msvm_EthernetSwitchPortAclSettingData")
    found = [values(client, client.service.reference_of(acl)) for acl in acls]
    assert found == [{"Filtered Incoming Network Traffic": "0"}, {"Filtered Outgoing Network Traffic": "0"}]


def test_a_machines_value_leads_to_those_of_its_resources(
    client: Client, service: CimReference, machine: CimReference
) -> None:
    disk_of(client, machine)
    client.do(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=ENABLE)
    whole = client.one("select * from Msvm_BaseMetricValue where ElementName = 'Aggregated Disk Data Read'")
    parts = client.query(f"associators of {{{client.path(whole)}}} where AssocClass = Msvm_MetricCollectionDependency")
    assert [item.text("ElementName") for item in parts] == ["Disk Data Read"]
    back = client.query(f"associators of {{{client.path(parts[0])}}} where ResultClass = Msvm_BaseMetricDefinition")
    assert [item.text("ElementName") for item in back] == ["Disk Data Read"]


def test_control_needs_a_subject_or_a_definition(client: Client, service: CimReference, machine: CimReference) -> None:
    assert client.refused(service, "ControlMetrics", MetricCollectionEnabled=ENABLE) == 32773
    assert client.refused(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=7) == 32773
    switch = client.service.reference_of(client.query("select * from Msvm_VirtualEthernetSwitch")[0])
    assert client.refused(service, "ControlMetrics", Subject=switch, MetricCollectionEnabled=ENABLE) == 2


def test_show_metrics_names_what_could_be_measured(
    client: Client, service: CimReference, machine: CimReference
) -> None:
    wanted = definition(client, "Aggregated Average CPU Utilization")
    client.do(service, "ControlMetrics", Subject=machine, Definition=wanted, MetricCollectionEnabled=ENABLE)
    outputs = client.do(service, "ShowMetrics", Subject=machine)
    names, enabled = outputs["MetricNames"], outputs["MetricCollectionEnabled"]
    assert isinstance(names, list)
    assert isinstance(enabled, list)
    shown = dict(zip(names, enabled, strict=True))
    assert shown["Aggregated Average CPU Utilization"] == ENABLE
    assert shown["Aggregated Average Memory Utilization"] == DISABLE
    found = client.do(service, "GetMetricValues", Definition=wanted)["Values"]
    assert isinstance(found, list)
    assert len(found) == 1


def test_what_is_on_survives_a_restart(make_host: MakeHost) -> None:
    client = make_host()
    machine = client.define()
    service = client.service_reference("Msvm_MetricService")
    client.do(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=ENABLE)
    text = settings_text("Msvm_MetricServiceSettingData", MetricsFlushInterval=dt.timedelta(minutes=5))
    client.do(service, "ModifyServiceSettings", SettingData=text)
    client.inside.close()
    again = make_host()
    assert len(values(again, machine)) == 4
    settings: CimInstance = again.one("select * from Msvm_MetricServiceSettingData")
    assert settings.get("MetricsFlushInterval") == dt.timedelta(minutes=5)


def test_a_destroyed_machine_leaves_no_meters(client: Client, service: CimReference, machine: CimReference) -> None:
    client.do(service, "ControlMetrics", Subject=machine, MetricCollectionEnabled=ENABLE)
    client.do(client.management, "DestroySystem", AffectedSystem=machine)
    assert client.query("select * from Msvm_AggregationMetricValue") == []
