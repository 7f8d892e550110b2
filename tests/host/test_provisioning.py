"""Shielding machines on a guarded host, with shielding data that lie on its disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from compute_hyperv.cim.errors import CimError, InvalidRequest, MethodFailed, Unreachable
from compute_hyperv.cim.wql import select
from compute_hyperv.host import machine_definition
from compute_hyperv.host.errors import NoShieldingData, UnsupportedByHost
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.machine_settings import of_machine
from compute_hyperv.host.model import MachineState, SecureBootTemplate, Shielding
from hyperv_simulator.config.hgs import HgsConfig
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost
from hyperv_simulator.shielding.files import ShieldingData, SpecializationData, read
from tests.host.conftest import client_of, put_disks
from tests.host.specs import FOLDER, generation_2
from tests.simulated import Simulate

GUARDED = HgsConfig("hosting_service", "http://hgs.test/KeyProtection", "http://hgs.test/Attestation", "tpm", "passed")
FEATURES = ("Hyper-V", "HostGuardian", "FabricShieldedTools")
DATA = ShieldingData("fabric", templates=("Windows Server 2022",))
SHIELDING = Shielding(
    shielded=True,
    data_path=FOLDER + r"\shielding.pdk",
    specialization_path=FOLDER + r"\shielding.fsk",
    substitutions=(("@@ComputerName@@", "web"), ("@@Zone@@", "Zürich & Umgebung")),
)
METHODS = (
    "PopulateFromFile",
    "SetKeyProtector",
    "SetSecurityPolicy",
    "ModifySecuritySettings",
    "SerializeToFile",
    "ProvisionMachine",
)
SPEC = generation_2(secure_boot=SecureBootTemplate.WINDOWS, serial_ports=(), shielding=SHIELDING)


@pytest.fixture(scope="module")
def shared_simulator(simulate_here: Simulate) -> SimulatedHost:
    simulator = simulate_here(hgs=GUARDED, features=FEATURES)
    put_disks(simulator)
    return simulator


@pytest.fixture(autouse=True)
def shielding_data(simulator: SimulatedHost) -> Iterator[None]:
    folder = simulator.inside.disks.folder
    folder.to_local(SHIELDING.data_path).write_bytes(DATA.to_bytes())
    yield
    for path in (SHIELDING.data_path, SHIELDING.specialization_path):
        folder.to_local(path).unlink(missing_ok=True)


def test_a_guarded_host_can_shield_machines_and_says_so_in_two_requests(
    host: HyperVHost, simulator: SimulatedHost
) -> None:
    simulator.requests.clear()
    host.provisioning.check_host()
    assert len(simulator.requests) == 2


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"hgs": HgsConfig()}, "not guarded"),
        ({"hgs": dataclasses.replace(GUARDED, attestation="insecure")}, "not guarded"),
        ({"features": ("Hyper-V", "HostGuardian")}, "FabricShieldedTools"),
    ],
)
def test_other_hosts_say_what_they_lack(simulate_here: Simulate, settings: dict[str, object], told: str) -> None:
    other = simulate_here(**{"hgs": GUARDED, "features": FEATURES, **settings})
    with client_of(other) as client, pytest.raises(UnsupportedByHost, match=told):
        client.provisioning.check_host()
    other.stop()


@pytest.mark.parametrize("shielded", [True, False])
def test_a_machine_is_protected_and_provisioned_when_it_starts(
    host: HyperVHost, simulator: SimulatedHost, shielded: bool
) -> None:
    spec = dataclasses.replace(SPEC, shielding=dataclasses.replace(SHIELDING, shielded=shielded))
    simulator.requests.clear()

    machine_id = host.machines.create(spec)

    assert len(simulator.requests) <= 15
    (settings,) = host.cim.query(select("Msvm_SecuritySettingData").where(of_machine(machine_id)))
    assert [settings[name] for name in ("TpmEnabled", "EncryptStateAndVmMigrationTraffic", "ShieldingRequested")] == [
        True,
        True,
        shielded,
    ]
    made = simulator.inside.disks.folder.to_local(SHIELDING.specialization_path).read_bytes()
    assert read(made) == SpecializationData(dict(SHIELDING.substitutions))
    host.machines.start(machine_id)
    assert host.machines.state(machine_id) is MachineState.RUNNING
    (job,) = host.cim.query(select("Msps_ProvisioningJob"), namespace="root/msps")
    assert (job["InstanceID"], job["JobStatus"]) == (machine_id, "Complete")


def test_protection_comes_in_the_order_that_it_needs(host: HyperVHost, simulator: SimulatedHost) -> None:
    simulator.requests.clear()
    host.machines.create(SPEC)
    methods = [request.method for request in simulator.requests if request.method]
    assert tuple(methods[-len(METHODS) :]) == METHODS


@pytest.mark.parametrize("content", [None, b"", b"not a PDK", SpecializationData({"@@a@@": "b"}).to_bytes()])
def test_shielding_data_that_are_none_leave_no_machine(
    host: HyperVHost, simulator: SimulatedHost, content: bytes | None
) -> None:
    local = simulator.inside.disks.folder.to_local(SHIELDING.data_path)
    local.unlink()
    if content is not None:
        local.write_bytes(content)

    with pytest.raises(NoShieldingData, match=r"shielding\.pdk"):
        host.machines.create(SPEC)

    assert host.machines.list() == []


@pytest.mark.parametrize("effect", ["drop-before", "drop-after", "http-status", "fault"])
@pytest.mark.parametrize("method", METHODS)
def test_what_breaks_while_it_is_protected_leaves_no_machine(
    host: HyperVHost, simulator: SimulatedHost, method: str, effect: str
) -> None:
    more = {"code": 0x80041001} if effect == "fault" else {}
    simulator.faults.add(FaultRule(effect, method=method, **more))  # type: ignore[arg-type]

    with pytest.raises(CimError) as caught:
        host.machines.create(SPEC)

    assert isinstance(caught.value, Unreachable) == (effect != "fault")
    assert host.machines.list() == []


def test_a_job_that_has_failed_is_told_with_its_reason(
    host: HyperVHost, simulator: SimulatedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hyperv_simulator.shielding.provisioning._problems", lambda _machine, _data: iter(["The disk is no template."])
    )
    with pytest.raises(MethodFailed, match="The disk is no template"):
        host.machines.create(SPEC)
    assert host.machines.list() == []


@pytest.mark.parametrize("changes", [{"secure_boot": None}, {"tpm": True}])
def test_a_machine_without_secure_boot_or_with_another_tpm_cannot_be_shielded(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="shielded"):
        machine_definition.check(dataclasses.replace(SPEC, **changes), (10, 0, 20348), "host")  # type: ignore[arg-type]


def test_windows_server_2012_r2_shields_nothing() -> None:
    with pytest.raises(UnsupportedByHost, match="2016"):
        machine_definition.check(SPEC, (6, 3, 9600), "host")
