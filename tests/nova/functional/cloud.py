"""A small OpenStack in one process: Nova's API, scheduler, conductor and computes with Placement, all real, from Nova's
own functional tests; Keystone, Neutron, Glance and Cinder are Nova's fixtures. The computes drive simulated Hyper-V
hosts over real sockets.

All that depends on Nova's test code is here: it is no stable interface, so a new release is met in this file.
"""

from __future__ import annotations

import copy
import io
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fixtures
import nova.conf
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import integrated_helpers

from compute_hyperv.cim.endpoint import Endpoint
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.host.model import MachineSpec, MachineSummary, Memory, Nic, Processor
from compute_hyperv.host.smb.endpoint import SmbEndpoint
from compute_hyperv.nova.driver import HyperVDriver
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.host import SimulatedHost

CONF = nova.conf.CONF

INSTANCES_PATH = r"C:\OpenStack\Instances"
VLAN = 100
SWITCH = "external"

# How long anything that a test waits for may take.
PATIENCE_S = 60.0

Server = dict[str, Any]

_UNAME = os.uname


class Observer:
    """Sees a simulated host as a second client of it would: what is there, whoever made it."""

    def __init__(self, host: SimulatedHost) -> None:
        self.simulated = host
        config = host.config
        self._client = HyperVHost(
            Endpoint(
                config.address,
                config.http_port,
                "http",
                username=config.username,
                password=config.password,
            ),
            SmbEndpoint(config.address, config.smb_port, config.username, config.password),
        )

    @property
    def name(self) -> str:
        """By which its nova-compute is known: its address, so that ``[hyperv] server`` needs not be set."""
        return self.simulated.config.address

    def machines(self) -> list[MachineSummary]:
        return self._client.machines.list(with_notes=True)

    def machine(self, server: Server) -> MachineSummary | None:
        return next((machine for machine in self.machines() if machine.notes[:1] == (server["id"],)), None)

    def nics(self, server: Server) -> list[Nic]:
        machine = self.machine(server)
        assert machine is not None
        return self._client.machines.nics(machine.machine_id)

    def files(self, *folder: str) -> set[str]:
        """Names in a folder below the instances folder; empty where there is no such folder."""
        path = "\\".join((INSTANCES_PATH, *folder))
        return {entry.name for entry in self._client.files.list(path)} if self._client.files.exists(path) else set()

    def remains(self) -> set[str]:
        """What builds have left: names of machines and of folders, the image cache excepted."""
        return {machine.name for machine in self.machines()} | (self.files() - {"_base"})

    def create_foreign_machine(self, name: str) -> str:
        """One that Nova has nothing to do with. Returns its id."""
        memory = Memory(startup_mb=64, minimum_mb=64, maximum_mb=64)
        folder = rf"C:\Machines\{name}"
        self._client.files.make_folder(folder)
        return self._client.machines.create(MachineSpec(name, (), 1, folder, memory, Processor(1)))

    def guest_writes(self, server: Server, data: bytes) -> None:
        """What a guest would send to its serial port, once somebody listens: before, Windows throws it away."""
        pipe = self.simulated.inside.pipes._pipes[f"{server['id']}_rw"]
        eventually(lambda: pipe.connected)
        pipe.write(data)

    def notices(self) -> None:
        """Waits until the host has looked at its machines, as it does every two seconds for whoever watches them: what
        comes and goes between two looks nobody is told of."""
        eventually(lambda: all(watch.due_in_s is None for watch in self.simulated.events._watches))

    def vanish_at(self, method: str) -> None:
        """From the next invocation of the method on, WinRM does not answer anybody.

        Call it before a build that sends the same requests as the last one since ``simulated.requests`` was cleared.
        """
        requests = list(self.simulated.requests)
        position = next(number for number, request in enumerate(requests, 1) if request.method == method)
        self.simulated.faults.add(FaultRule("drop-before", nth=position, times=0))

    def come_back(self) -> None:
        self.simulated.faults.clear()

    @property
    def client(self) -> HyperVHost:
        """For what a test does to the host itself."""
        return self._client

    def close(self) -> None:
        self._client.close()


@dataclass(frozen=True)
class Image:
    """What a test puts into Glance."""

    data: bytes
    disk_format: str
    properties: dict[str, str]


class Cloud(integrated_helpers.ProviderUsageBaseTestCase):
    """Used as a fixture, not as a test case: see ``conftest.running_cloud``."""

    __test__ = False
    compute_driver = "compute_hyperv.driver.HyperVDriver"
    microversion = "latest"

    def runTest(self) -> None:  # noqa: N802 (unittest's name)
        """A test case needs one; this one is only set up and torn down."""

    def setUp(self) -> None:
        # The wheel of Nova puts the file there, and not where Nova's tests expect it.
        self.flags(api_paste_config=str(Path(sys.prefix) / "etc/nova/api-paste.ini"), group="wsgi")
        # Nova's tests don't wait for a compute's last steps. The last one closes the thread pools of the process for
        # good, which only Nova's fixture prevents: one that came after it would let all later tests fail.
        self.flags(manager_shutdown_timeout=int(PATIENCE_S))
        self._find_databases_without_locks()
        super().setUp()
        # Nova's tests may not ask what machine they run on; loading libsmbclient does.
        self.useFixture(fixtures.MonkeyPatch("os.uname", _UNAME))
        self.flags(
            username="Administrator",
            password="Passw0rd!",
            # Nova's fixtures replace urllib3's HTTPS connections by some that know no certificates.
            winrm_scheme="http",
            physical_network_vswitch_mappings=[f"physnet1:{SWITCH}"],
            instances_path=INSTANCES_PATH,
            winrm_timeout=5,
            group="hyperv",
        )
        self.flags(instances=-1, cores=-1, ram=-1, group="quota")
        self._give_each_compute_an_identity()
        self._bind_ports_as_our_mechanism_driver_does()
        self._have_glance_take_uploads()

    def _find_databases_without_locks(self) -> None:
        """With one cell, what is not targeted at a cell means that one.

        Nova's fixture points a global at the cell in use instead, under a lock that can wait for the lock of a database
        while that waits for it: twenty builds at once stand still for ever now and then.
        """

        def connection(databases: Any, context: Any) -> Any:
            return getattr(context, "db_connection", None) or databases._default_ctxt_mgr

        def target(databases: Any, context: Any, cell: Any) -> Any:
            return databases._real_target_cell(context, cell)

        for name, replacement in (("_wrap_get_context_manager", connection), ("_wrap_target_cell", target)):
            self.useFixture(fixtures.MockPatchObject(nova_fixtures.CellDatabases, name, replacement))

    def _give_each_compute_an_identity(self) -> None:
        """Nova keeps the node's UUID once for each process; here several computes share one."""

        def identity(driver: HyperVDriver) -> str:
            return str(uuid.uuid5(uuid.NAMESPACE_DNS, driver.get_available_nodes()[0]))

        class WithIdentity(HyperVDriver):
            def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
                return {identity(self): self.get_available_nodes()[0]}

            def get_available_resource(self, nodename: str) -> dict[str, Any]:
                return super().get_available_resource(nodename) | {"uuid": identity(self)}

        self.useFixture(fixtures.MonkeyPatch("nova.virt.compute_hyperv.driver.HyperVDriver", WithIdentity))

    def _bind_ports_as_our_mechanism_driver_does(self) -> None:
        binding = {
            "binding:vif_type": "hyperv",
            "binding:vif_details": {
                "physical_network": "physnet1",
                "vlan": str(VLAN),
                "port_filter": False,
                "connectivity": "l2",
            },
        }
        self.neutron.default_port = {**copy.deepcopy(self.neutron.default_port), **binding}
        for port in self.neutron._ports.values():
            port.update(copy.deepcopy(binding))

    def _have_glance_take_uploads(self) -> None:
        """Nova's fixture throws away what is uploaded to an image that exists, and finds all images whatever is asked
        for."""
        real = self.glance.update

        def update(context: Any, image_id: str, metadata: Any, data: Any = None, purge_props: bool = False) -> Any:
            image = real(context, image_id, metadata, purge_props=purge_props)
            if data is not None:
                content = b"".join(iter(lambda: data.read(1 << 16), b""))
                self.glance._imagedata[image_id] = content
                image["size"] = len(content)
            return image

        def detail(_context: Any, filters: Any = None, **_order: Any) -> list[dict[str, Any]]:
            wanted = {key.removeprefix("property-"): value for key, value in (filters or {}).items()}
            newest_first = reversed(list(self.glance.images.values()))
            return [image for image in newest_first if wanted.items() <= {**image, **image["properties"]}.items()]

        self.useFixture(fixtures.MockPatchObject(self.glance, "update", update))
        self.useFixture(fixtures.MockPatchObject(self.glance, "detail", detail))

    # Computes

    def start_compute(self, host: Observer) -> Any:
        return self._start_compute(host.name)

    def restart_compute(self, host: Observer) -> Any:
        """A new process in all but name: nothing but the database and the files survives."""
        service = self.restart_compute_service(self.computes[host.name], keep_hypervisor_state=False)
        self.computes[host.name] = service
        return service

    def report_resources(self) -> None:
        """The periodic task that Nova runs every minute."""
        self._run_periodics()

    # Images and flavors

    def add_image(self, image: Image) -> str:
        metadata = {
            "name": "image",
            "container_format": "bare",
            "disk_format": image.disk_format,
            "size": len(image.data),
            "status": "active",
            "min_ram": 0,
            "min_disk": 0,
            "properties": dict(image.properties),
            "visibility": "public",
            "protected": False,
            "is_public": True,
        }
        return self.glance.create(None, metadata, data=io.BytesIO(image.data))["id"]

    def image(self, image_id: str) -> dict[str, Any]:
        return self.glance.images[image_id]

    def content_of(self, image_id: str) -> bytes:
        return self.glance._imagedata[image_id]

    def add_flavor(
        self, *, memory_mb: int = 128, disk: int = 1, ephemeral: int = 0, swap: int = 0, extra_specs: dict | None = None
    ) -> str:
        return self._create_flavor(
            memory_mb=memory_mb, vcpu=1, disk=disk, ephemeral=ephemeral, swap=swap, extra_spec=extra_specs
        )

    # Servers

    def boot(
        self,
        image_id: str,
        flavor_id: str,
        *,
        host: Observer | None = None,
        networks: Any = "none",
        config_drive: bool = False,
        metadata: dict[str, str] | None = None,
        state: str | None = "ACTIVE",
    ) -> Server:
        """Create a server and wait until it has the state; None waits for the end of the build, however it ends."""
        request = self._build_server(
            name="server",
            image_uuid=image_id,
            flavor_id=flavor_id,
            networks=networks,
            host=host.name if host else None,
        )
        if config_drive:
            request["config_drive"] = True
        if metadata:
            request["metadata"] = metadata
        server = self.api.post_server({"server": request})
        return self.wait_for(server, state)

    def wait_for(self, server: Server, state: str | None) -> Server:
        """The server once it has the state and no task is going on. Fails at once when it ends in ERROR instead."""

        def arrived() -> Server | None:
            found = self.admin_api.get_server(server["id"])
            if found["OS-EXT-STS:task_state"] is not None or found["status"] == "BUILD":
                return None
            assert state in (None, "ERROR") or found["status"] != "ERROR", self.stdlog.logger.output
            return found if state in (None, found["status"]) else None

        return eventually(arrived)

    def delete(self, server: Server) -> None:
        self.api.delete_server(server["id"])
        eventually(lambda: server["id"] not in {found["id"] for found in self.api.get_servers()})

    def act(self, server: Server, state: str, **action: Any) -> Server:
        """A server action, and the state that it ends in."""
        self.api.post_server_action(server["id"], {name.replace("_", "-"): value for name, value in action.items()})
        return self.wait_for(server, state)

    def console_log(self, server: Server) -> str:
        answer = self.api.api_post(f"/servers/{server['id']}/action", {"os-getConsoleOutput": {}})
        return answer.body["output"]

    def fault_of(self, server: Server) -> str:
        return self.api.get_server(server["id"])["fault"]["message"]

    def host_of(self, server: Server) -> str:
        return self.admin_api.get_server(server["id"])["OS-EXT-SRV-ATTR:host"]


class CloudWithDevices(Cloud):
    """Its scheduler fits servers to NUMA nodes and PCI devices, and NVMe disks may be given away."""

    __test__ = False

    def setUp(self) -> None:
        filters = [*CONF.filter_scheduler.enabled_filters, "NUMATopologyFilter", "PciPassthroughFilter"]
        self.flags(enabled_filters=filters, group="filter_scheduler")
        device = {"vendor_id": "144d", "product_id": "a820"}
        alias = {**device, "name": "nvme", "device_type": "type-PCI"}
        self.flags(device_spec=[json.dumps(device)], alias=[json.dumps(alias)], group="pci")
        super().setUp()


def eventually(look: Callable[[], Any], patience_s: float = PATIENCE_S, pause_s: float = 0.05) -> Any:
    """What ``look`` returns once that is true."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause_s)
    return found


@contextmanager
def running_cloud(kind: type[Cloud] = Cloud) -> Iterator[Cloud]:
    cloud = kind("runTest")
    try:
        cloud.setUp()
        yield cloud
    finally:
        cloud.doCleanups()
