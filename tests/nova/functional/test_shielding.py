"""Shielded servers, with shielding data from a real Barbican, on a guarded host; and those that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

import fixtures
import pytest
from nova.tests.functional.api.client import OpenStackApiException

from compute_hyperv.cim.wql import eq, select
from compute_hyperv.host.machine_settings import MachineSettings, of_machine
from compute_hyperv.nova import shielding_data
from hyperv_simulator.config.hgs import HgsConfig
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.shielding.files import ShieldingData, SpecializationData, read
from hyperv_simulator.simulator import Simulator
from tests.nova.functional.barbican import Barbican, running_barbican, token_of
from tests.nova.functional.cloud import Cloud, Image, Observer, eventually, running_cloud
from tests.simulated import free_address

GUARDED = HgsConfig("hosting_service", "http://hgs.test/KeyProtection", "http://hgs.test/Attestation", "tpm", "passed")
FEATURES = ("Hyper-V", "HostGuardian", "FabricShieldedTools")
DATA = ShieldingData("fabric", templates=("Windows Server 2022",)).to_bytes()
SHIELDED = {
    "os_shielded_vm": "required",
    "hw_machine_type": "hyperv-gen2",
    "os_secure_boot": "required",
    "os_type": "windows",
}
SOMEBODY_ELSE = "4c6f72656d20697073756d20646f6c6f"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory) -> Iterator[Simulator]:
    """hv1 is guarded, hv2 is not."""
    hosts = [
        HostConfig(name="hv1", address=free_address(), disk_gb=100, hgs=GUARDED, features=FEATURES),
        HostConfig(name="hv2", address=free_address(), disk_gb=100, features=FEATURES),
    ]
    with Simulator(hosts, tmp_path_factory.mktemp("hosts")) as running:
        yield running


@pytest.fixture(scope="module")
def barbican(tmp_path_factory) -> Iterator[Barbican]:
    with running_barbican(tmp_path_factory.mktemp("barbican")) as running:
        yield running


class CloudWithBarbican(Cloud):
    """Its users have tokens, and a catalog with Barbican in it."""

    __test__ = False
    barbican_url: str

    def setUp(self) -> None:
        super().setUp()
        from nova.api.auth import NovaKeystoneContext

        without_token = NovaKeystoneContext._create_context
        endpoint = {"region": "RegionOne", "publicURL": self.barbican_url}

        def with_token(env, **more):
            more["service_catalog"] = [{"type": "key-manager", "name": "barbican", "endpoints": [endpoint]}]
            context = without_token(env, **more)
            context.auth_token = token_of(context.project_id)
            return context

        patch = fixtures.MonkeyPatch("nova.api.auth.NovaKeystoneContext._create_context", staticmethod(with_token))
        self.useFixture(patch)


@pytest.fixture
def cloud(barbican) -> Iterator[CloudWithBarbican]:
    CloudWithBarbican.barbican_url = barbican.url
    with running_cloud(CloudWithBarbican) as running:
        yield running


@pytest.fixture
def compute(cloud, host1):
    return cloud.start_compute(host1)


@pytest.fixture
def reference(cloud, barbican) -> str:
    """Shielding data in three pieces, which belong to the user's project."""
    middle = len(DATA) // 2
    pieces = {"2": DATA[10:middle], "1": DATA[:10], "3": DATA[middle:]}
    return barbican.store(cloud.api.project_id, pieces)


@pytest.fixture
def template_id(cloud, disk_image, reference) -> str:
    return cloud.add_image(Image(disk_image.data, "qcow2", {**SHIELDED, "img_pdk_reference": reference}))


def security_of(host: Observer, server) -> dict[str, bool]:
    machine_id = host.machine(server).machine_id
    (found,) = host.client.cim.query(select("Msvm_SecuritySettingData").where(of_machine(machine_id)))
    return {name: found[name] for name in ("TpmEnabled", "EncryptStateAndVmMigrationTraffic", "ShieldingRequested")}


def status_of_provisioning(host: Observer, server) -> str:
    query = select("Msps_ProvisioningJob").where(eq("InstanceID", host.machine(server).machine_id))
    (job,) = host.client.cim.query(query, namespace="root/msps")
    return job.text("JobStatus")


@pytest.fixture
def files_for_provisioning(monkeypatch) -> dict[str, bytes]:
    """What the service that provisions machines had before it, by the files' extensions."""
    seen = {}
    delete = shielding_data._delete

    def look_and_delete(files, told):
        for path in (told.data_path, told.specialization_path):
            if files.exists(path):
                seen[path[-3:]] = files.read(path)
        delete(files, told)

    monkeypatch.setattr(shielding_data, "_delete", look_and_delete)
    return seen


def test_a_server_is_shielded_and_provisioned_with_what_its_user_keeps_in_barbican(
    cloud, compute, host1, template_id, flavor_id, files_for_provisioning
):
    server = cloud.boot(template_id, flavor_id, networks="auto", metadata={"fsk:TimeZone": "GMT", "role": "db"})

    assert security_of(host1, server) == dict.fromkeys(security_of(host1, server), True)
    assert status_of_provisioning(host1, server) == "Complete"
    assert files_for_provisioning["pdk"] == DATA
    hostname = server["OS-EXT-SRV-ATTR:hostname"]
    pairs = {"@@ComputerName@@": hostname, "@@TimeZone@@": "GMT"}
    assert read(files_for_provisioning["fsk"]) == SpecializationData(pairs)
    machine = host1.machine(server)
    assert not {name for name in host1.files(machine.name) if name.startswith("shielding")}
    settings = MachineSettings.read(host1.client.cim, machine.machine_id)
    assert not any(pipe for number in (1, 2) for pipe in settings.serial_port(number).texts("Connection"))
    cloud.act(server, "ACTIVE", reboot={"type": "HARD"})
    cloud.act(server, "SHUTOFF", os_stop=None)
    cloud.act(server, "ACTIVE", os_start=None)

    cloud.delete(server)

    assert host1.remains() == set()


def test_a_shielded_server_gives_its_host_nothing_to_look_at(cloud, compute, host1, template_id, flavor_id):
    server = cloud.boot(template_id, flavor_id)

    for action in ({"os-getConsoleOutput": {}}, {"changePassword": {"adminPass": "Geheim-1!"}}):
        with pytest.raises(OpenStackApiException) as refusal:
            cloud.api.post_server_action(server["id"], action)
        assert refusal.value.response.status_code in (404, 409)
    cloud.api.post_server_action(server["id"], {"createImage": {"name": "copy"}})
    cloud.wait_for(server, "ACTIVE")
    eventually(lambda: "copy" not in {image["name"] for image in cloud.glance.images.values()})
    assert host1.client.snapshots.list(host1.machine(server).machine_id) == []
    cloud.act(server, "SHUTOFF", shelve=None)
    cloud.act(server, "ACTIVE", os_start=None)
    cloud.api.post_server_action(server["id"], {"rescue": {"adminPass": "Geheim-1!"}})
    eventually(lambda: "shielded" in cloud.api.get_server(server["id"]).get("fault", {}).get("message", ""))


def test_a_shielded_server_is_rebuilt_as_one(cloud, compute, host1, template_id, flavor_id):
    server = cloud.boot(template_id, flavor_id)

    cloud.act(server, "ACTIVE", rebuild={"imageRef": template_id})

    assert security_of(host1, server)["ShieldingRequested"] is True
    assert status_of_provisioning(host1, server) == "Complete"
    assert not {name for name in host1.files(host1.machine(server).name) if name.startswith("shielding")}


def test_a_server_can_be_encrypted_only(cloud, compute, host1, disk_image, reference, flavor_id):
    image = {**SHIELDED, "os_shielded_vm": "optional", "os_vtpm": "required"}
    image_id = cloud.add_image(Image(disk_image.data, "qcow2", image))

    server = cloud.boot(image_id, flavor_id, metadata={"img_pdk_reference": reference})

    assert security_of(host1, server) == {
        "TpmEnabled": True,
        "EncryptStateAndVmMigrationTraffic": True,
        "ShieldingRequested": False,
    }


def container_of_somebody_else(cloud, barbican):
    return barbican.store(SOMEBODY_ELSE, {"1": DATA})


def container_with_a_gap(cloud, barbican):
    return barbican.store(cloud.api.project_id, {"1": DATA[:10], "3": DATA[10:]})


def container_that_is_gone(cloud, barbican):
    return f"{barbican.url}/v1/containers/00000000-0000-0000-0000-000000000000"


def no_reference_at_all(cloud, barbican):
    return "a file"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (container_of_somebody_else, "not allowed"),
        (container_with_a_gap, "the secrets 1, 3"),
        (container_that_is_gone, "Not Found"),
        (no_reference_at_all, "incorrectly specified"),
    ],
)
def test_shielding_data_that_the_user_cannot_read_are_said_at_once(
    cloud, compute, host1, barbican, template_id, flavor_id, make, says
):
    metadata = {"img_pdk_reference": make(cloud, barbican)}
    host1.simulated.requests.clear()

    server = cloud.boot(template_id, flavor_id, metadata=metadata, state="ERROR")

    assert says in cloud.fault_of(server)
    assert "DefineSystem" not in {request.method for request in host1.simulated.requests}
    assert host1.remains() == set()


def test_what_is_no_shielding_data_leaves_nothing(cloud, compute, host1, barbican, template_id, flavor_id):
    metadata = {"img_pdk_reference": barbican.store(cloud.api.project_id, {"1": b"not a PDK"})}

    server = cloud.boot(template_id, flavor_id, metadata=metadata, state="ERROR")

    assert "shielding.pdk" in cloud.fault_of(server)
    assert host1.remains() == set()


def test_a_host_that_is_not_guarded_leaves_the_server_to_one_that_is(
    cloud, compute, host1, host2, template_id, flavor_id
):
    cloud.start_compute(host2)
    host2.simulated.requests.clear()

    servers = [cloud.boot(template_id, flavor_id) for _ in range(2)]

    assert {cloud.host_of(server) for server in servers} == {host1.name}
    assert "DefineSystem" not in {request.method for request in host2.simulated.requests}
    cloud.boot(template_id, flavor_id, host=host2, state="ERROR")
    assert "The host is not guarded" in cloud.stdlog.logger.output
    assert host2.remains() == set()


@pytest.mark.parametrize("method", ["PopulateFromFile", "ModifySecuritySettings", "ProvisionMachine"])
@pytest.mark.parametrize("effect", ["drop-before", "drop-after"])
def test_a_build_that_is_cut_off_leaves_neither_files_nor_a_machine(
    cloud, compute, host1, template_id, flavor_id, method, effect
):
    host1.simulated.faults.add(FaultRule(effect, method=method))

    failed = cloud.boot(template_id, flavor_id, state="ERROR")

    assert host1.remains() == set()
    cloud.delete(failed)
    cloud.boot(template_id, flavor_id)


def test_what_a_host_keeps_that_vanished_is_removed_when_it_is_back(cloud, compute, host1, template_id, flavor_id):
    cloud.delete(cloud.boot(template_id, flavor_id))  # from here on each build sends the same requests
    host1.simulated.requests.clear()
    cloud.delete(cloud.boot(template_id, flavor_id))
    host1.vanish_at("ProvisionMachine")
    cloud.boot(template_id, flavor_id, state="ERROR")
    host1.come_back()
    assert host1.remains() != set()

    cloud.report_resources()

    assert host1.remains() == set()
