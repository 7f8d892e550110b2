"""A host is recorded over the wire, and a host made of the recording answers as it did."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from compute_hyperv.cim.cimxml import instance_to_text
from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.cim.wql import eq, select
from hyperv_simulator.cli import main
from hyperv_simulator.config import file as config
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.network import NicConfig, SwitchConfig
from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.recordings import describe, dump, recording
from hyperv_simulator.recordings.recording import Recording
from tests.simulated import endpoint_of, free_address

V2, CIMV2, NET = NAMESPACES = ("root/virtualization/v2", "root/cimv2", "root/standardcimv2")

# What is another time, another place or another run.
VOLATILE = {
    "address", "creationdate", "creationtime", "elapsedtime", "freephysicalmemory", "freespace",
    "freespaceinpagingfiles", "freevirtualmemory", "installdate", "ipaddress", "ipv4address",
    "lastbootuptime", "localdatetime", "numberofprocesses", "ontimeinmilliseconds", "processid",
    "sizeremaining", "systemuptime", "timeoflastconfigurationchange", "timeoflaststatechange",
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedHost]:
    described = HostConfig(
        name="FIRST",
        address=free_address(),
        samba=False,
        version="2019",
        sockets=2,
        cores=4,
        threads=8,
        numa_nodes=2,
        memory_mb=16384,
        disk_gb=80,
        nic=(NicConfig("Storage", mac="001122334455", speed_gbps=25), NicConfig("Ethernet")),
        switch=(SwitchConfig("lan", adapter="Storage"), SwitchConfig("inner", "internal")),
    )
    with SimulatedHost(described, tmp_path_factory.mktemp("first")) as host:
        session = CimSession(endpoint_of(host))
        settings = CimInstance("Msvm_VirtualSystemSettingData", {"ElementName": "vm1", "Notes": ["by hand"]})
        (found,) = session.query_references(select("Msvm_VirtualSystemManagementService"))
        session.invoke(found, "DefineSystem", {"SystemSettings": instance_to_text(settings)})
        session.close()
        yield host


@pytest.fixture(scope="module")
def taken(original: SimulatedHost) -> Recording:
    return read(original)


@pytest.fixture(scope="module")
def imported(taken: Recording, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedHost]:
    folder = tmp_path_factory.mktemp("second")
    taken.write(folder / "first.json")
    arguments = [str(folder / "first.json"), "--address", free_address(), "--output", str(folder / "hosts.toml")]
    assert main(["import", *arguments]) == 0
    (described,) = config.load(folder / "hosts.toml")
    with SimulatedHost(dataclasses.replace(described, samba=False), folder) as host:
        yield host


def read(host: SimulatedHost, namespaces: Sequence[str] = NAMESPACES) -> Recording:
    session = CimSession(endpoint_of(host))
    try:
        return dump.read_host(session, namespaces)
    finally:
        session.close()


def stable(items: tuple[CimInstance, ...]) -> list[dict[str, object]]:
    """Instances without what is different at every look, in an order that does not matter."""
    plain = [{name: value for name, value in item.items() if name.lower() not in VOLATILE} for item in items]
    return sorted(plain, key=repr)


def test_a_recording_is_the_same_after_it_was_written_and_read(taken: Recording, tmp_path: Path) -> None:
    taken.write(tmp_path / "host.json")
    assert recording.read(tmp_path / "host.json") == taken


def test_a_class_that_fails_is_recorded_with_its_fault(taken: Recording) -> None:
    assert taken.namespaces[CIMV2].faults["Win32_ClusterShare"].startswith("w:InternalError (0x80041024): ")


def test_nothing_is_asked_whose_reading_does_something_and_nothing_is_called(
    original: SimulatedHost, taken: Recording
) -> None:
    asked = list(original.requests)
    assert {each.action for each in asked if each.method != "DefineSystem"} <= {"enumerate", "pull", "identify"}
    assert not any(each.class_name == "Win32_Product" for each in asked)
    assert any("LocalAccount" in each.query for each in asked if each.class_name == "Win32_UserAccount")


def test_the_facts_are_keys_of_hosts_toml(imported: SimulatedHost) -> None:
    told = imported.config
    assert (told.name, told.version, told.edition) == ("FIRST", "2019", "datacenter")
    assert (told.sockets, told.cores, told.threads, told.numa_nodes) == (2, 4, 8, 2)
    assert (told.memory_mb, told.disk_gb) == (16384, 80)
    assert next((nic.name, nic.mac, nic.speed_gbps) for nic in told.nic) == ("Storage", "001122334455", 25)
    assert {(each.name, each.type) for each in told.switch} == {("lan", "external"), ("inner", "internal")}
    assert next(each.adapter for each in told.switch if each.type == "external") == "Storage"


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_host_made_of_a_recording_answers_as_the_recorded_one(
    taken: Recording, imported: SimulatedHost, namespace: str
) -> None:
    again = read(imported, [namespace]).namespaces[namespace]
    first = taken.namespaces[namespace]
    assert again.faults.keys() == first.faults.keys()
    different = [
        name
        for name in {*first.instances, *again.instances}
        if not name.startswith(("Win32_LocalTime", "Win32_UTCTime", "Win32_PerfRawData_", "MSFT_NetIPAddress"))
        and stable(first.instances.get(name, ())) != stable(again.instances.get(name, ()))
    ]
    assert different == []


def with_values(taken: Recording, class_name: str, values: dict[str, object]) -> Recording:
    """The recording with other values on the first instance of a class of root/cimv2."""
    cimv2 = taken.namespaces[CIMV2]
    first, *others = cimv2.instances[class_name]
    changed = CimInstance(class_name, {**dict(first.items()), **values}, CIMV2)
    instances = {**cimv2.instances, class_name: (changed, *others)}
    return dataclasses.replace(
        taken, namespaces={**taken.namespaces, CIMV2: dataclasses.replace(cimv2, instances=instances)}
    )


def test_what_hosts_toml_does_not_allow_is_left_out_and_said(taken: Recording) -> None:
    """Six cores with ten threads: a processor of two kinds of cores."""
    hybrid = with_values(taken, "Win32_Processor", {"NumberOfCores": 4, "NumberOfLogicalProcessors": 6})
    values, left_out = describe.host_values(hybrid)
    assert "cores" not in values
    assert values["memory_mb"] == 16384
    assert left_out == ("host FIRST: threads is 10; write a multiple of cores, which is 6",)


@pytest.mark.parametrize(
    ("build", "sku", "version", "edition"),
    [
        ("9600", 7, "2012r2", "standard"),
        ("17784", 8, "2019", "datacenter"),
        ("25398", 407, "2022", "azure"),
        ("26100", 8, "2025", "datacenter"),
    ],
)
def test_the_release_is_the_newest_that_is_not_newer(
    taken: Recording, build: str, sku: int, version: str, edition: str
) -> None:
    other = with_values(taken, "Win32_OperatingSystem", {"BuildNumber": build, "OperatingSystemSKU": sku})
    values, _ = describe.host_values(other)
    assert (values["version"], values["edition"]) == (version, edition)


def test_its_machines_live(imported: SimulatedHost) -> None:
    session = CimSession(endpoint_of(imported))
    machine = select("Msvm_ComputerSystem").where(eq("ElementName", "vm1"))
    (reference,) = session.query_references(machine)
    session.invoke(reference, "RequestStateChange", {"RequestedState": 2})
    assert imported.inside.machines.all()[0].machine_id.lower() in str(reference).lower()
    session.close()


def test_another_name_is_taken_everywhere(taken: Recording, tmp_path: Path) -> None:
    taken.write(tmp_path / "first.json")
    out = tmp_path / "hosts.toml"
    assert main(["import", str(tmp_path / "first.json"), "--name", "SECOND", "--output", str(out)]) == 0
    (described,) = config.load(out)
    described = dataclasses.replace(described, samba=False, address=free_address())
    with SimulatedHost(described, tmp_path / "state") as host:
        read_again = read(host, [V2])
    assert read_again.host == "SECOND"
    named = [item for items in read_again.namespaces[V2].instances.values() for item in items]
    assert not any("FIRST" in repr(item) for item in named)


def test_an_instance_that_the_simulator_knows_nothing_of_is_served_as_recorded(
    taken: Recording, tmp_path: Path
) -> None:
    battery = CimInstance("Win32_Battery", {"DeviceID": "B1", "Name": "UPS of FIRST"}, CIMV2)
    cimv2 = taken.namespaces[CIMV2]
    richer = dataclasses.replace(cimv2, instances={**cimv2.instances, "Win32_Battery": (battery,)})
    dataclasses.replace(taken, namespaces={**taken.namespaces, CIMV2: richer}).write(tmp_path / "first.json")
    described = HostConfig(name="THIRD", address=free_address(), samba=False, recording=str(tmp_path / "first.json"))
    with SimulatedHost(described, tmp_path / "state") as host:
        session = CimSession(endpoint_of(host))
        (served,) = session.enumerate("Win32_Battery", namespace=CIMV2)
        session.close()
    assert (served["DeviceID"], served["Name"]) == ("B1", "UPS of THIRD")


def test_a_host_is_recorded_and_imported_at_once(
    original: SimulatedHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text(original.config.password + "\n")
    told = ["--from", original.config.address, "--ca-file", str(original.ca_file)]
    told += ["--password-file", str(tmp_path / "password"), "--namespace", CIMV2]
    output = tmp_path / "hosts.toml"
    assert main(["import", str(tmp_path / "first.json"), *told, "--output", str(output)]) == 0
    assert capsys.readouterr().out.startswith("root/cimv2: ")
    (described,) = config.load(output)
    assert (described.name, described.memory_mb) == ("FIRST", 16384)
    assert described.recording == str(tmp_path / "first.json")


def test_the_commands_say_in_one_line_what_is_wrong(
    tmp_path: Path, original: SimulatedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong").write_text("wrong\n")
    (tmp_path / "empty.json").write_text("{}")
    where = [original.config.address, "--insecure", "--output", str(tmp_path / "out.json")]
    known = ["--password-file", str(tmp_path / "wrong")]
    complaints = []
    for arguments in (
        ["dump", *where, *known],
        ["dump", free_address(), "--insecure", "--output", str(tmp_path / "out.json"), *known],
        ["dump", *where, "--password-file", str(tmp_path / "nowhere")],
        ["import", str(tmp_path / "nowhere.json"), "--output", str(tmp_path / "h.toml")],
        ["import", str(tmp_path / "empty.json"), "--output", str(tmp_path / "h.toml")],
    ):
        assert main(arguments) == 2
        complaints.append(capsys.readouterr().err)
    assert all(complaint.count("\n") == 1 for complaint in complaints)
    wanted = (
        "Check user name and password",
        "refused",
        "nowhere can't be read",
        "nowhere.json can't be read",
        "is no recording",
    )
    for complaint, part in zip(complaints, wanted, strict=True):
        assert part in complaint
