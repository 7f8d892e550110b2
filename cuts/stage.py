"""A small cloud on one simulated host, and what can be done to a server in it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova.cmd import manage
from nova.tests.functional.api.client import OpenStackApiException
from tests.nova.functional.cloud import PATIENCE_S, Cloud, Image, Observer, Server, eventually, running_cloud
from tests.simulated import free_address

from cuts.points import Wire
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.simulator import Simulator

_GONE, CONFLICT = 404, 409


@dataclass
class Stage:
    """:param spare_port: one that no server has, unless an operation gives it to one."""

    cloud: Cloud
    host: Observer
    wire: Wire
    image_id: str
    other_image_id: str
    flavor_id: str
    spare_port: dict[str, Any]

    def request_server(self) -> Server:
        """Asks for a server and does not wait for it."""
        request = self.cloud._build_server(
            name="server", image_uuid=self.image_id, flavor_id=self.flavor_id, networks="auto"
        )
        found: Server = self.cloud.api.post_server({"server": request | {"config_drive": True}})
        return found

    def act(self, server: Server, action: dict[str, Any]) -> None:
        self.cloud.api.post_server_action(server["id"], action)

    def find(self, server: Server) -> Server | None:
        try:
            found: Server = self.cloud.admin_api.get_server(server["id"])
        except OpenStackApiException as error:
            if error.response.status_code == _GONE:
                return None
            raise
        return found

    def settled(self, server: Server, *, recorded: bool = True) -> bool:
        """Waits until Nova does nothing to the server any more; whether its last action went well.

        :param recorded: Nova keeps a record of how the action goes.
        """

        def result() -> tuple[bool] | None:
            found = self.find(server)
            if found is None:
                return (True,)
            if found["OS-EXT-STS:task_state"] is not None or found["status"] == "BUILD":
                return None
            return self._last_result(server) if recorded else (True,)

        went_well: bool = eventually(result)[0]
        return went_well

    def _last_result(self, server: Server) -> tuple[bool] | None:
        api = self.cloud.admin_api
        try:
            action = api.get_instance_actions(server["id"])[0]  # the newest
            details = api.get_instance_action_details(server["id"], action["request_id"])
        except OpenStackApiException as error:
            if error.response.status_code == _GONE:
                return None  # and the server will be gone the next time
            raise
        results = [event["result"] for event in details["events"]]
        if not results or None in results:
            return None
        return (all(result == "Success" for result in results),)

    def fault_of(self, server: Server) -> str:
        found = self.find(server) or {}
        return str(found.get("fault", {}).get("message", "Nova does not say why"))

    def make_usable(self, server: Server) -> None:
        """What an operator does with a server that an operation has left in ERROR."""
        found = self.find(server)
        if found is not None and found["status"] == "ERROR":
            self.cloud.admin_api.post_server_action(server["id"], {"os-resetState": {"state": "active"}})

    def heal_allocation(self, server: Server) -> None:
        """``nova-manage placement heal_allocations``: what an operator does whose server has lost its allocation."""
        manage.PlacementCommands().heal_allocations(instance_uuid=server["id"])

    def images_of(self, server: Server) -> list[dict[str, Any]]:
        return [
            image
            for image in self.cloud.glance.detail(None)
            if image["properties"].get("instance_uuid") == server["id"]
        ]

    def remove_images_of(self, server: Server) -> None:
        for image in self.images_of(server):
            self.cloud.glance.delete(None, image["id"])

    def is_shelved(self, server: Server) -> bool:
        """It has its image, and is on its host still."""
        return (self.find(server) or {}).get("status") == "SHELVED"

    def delete(self, server: Server) -> None:
        if self.find(server) is None:
            return
        self.cloud.api.delete_server(server["id"])
        eventually(lambda: self.find(server) is None)


@contextmanager
def stage(cloud: Cloud, host: Observer, compute: Any, image: Image) -> Iterator[Stage]:
    """:param compute: the nova-compute of the host."""
    image_id, other_image_id = cloud.add_image(image), cloud.add_image(image)
    cloud.flags(consecutive_build_service_disable_threshold=0, group="compute")
    yield Stage(
        cloud,
        host,
        Wire(host.simulated, compute.manager.driver._rooms.host.files),
        image_id,
        other_image_id,
        cloud.add_flavor(),
        cloud.neutron.create_port({"port": cloud.neutron.port_2})["port"],
    )


@contextmanager
def new_stage(folder: Path) -> Iterator[Stage]:
    """With a host and a cloud of its own."""
    config = HostConfig(name="hv1", address=free_address(), disk_gb=100)
    with Simulator([config], folder / "hosts") as simulator, running_cloud() as cloud:
        host = Observer(simulator.hosts[0])
        try:
            compute = cloud.start_compute(host)
            with stage(cloud, host, compute, generation_2_image(folder)) as made:
                yield made
        finally:
            host.close()


def generation_2_image(folder: Path) -> Image:
    """16 MiB of zeros, whose servers get adapters while they run."""
    path = folder / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"], check=True)
    return Image(path.read_bytes(), "qcow2", {"hw_machine_type": "hyperv-gen2"})


def asked_until_free(ask: Any, patience_s: float = PATIENCE_S / 6) -> bool:
    """Asks Nova, and again while it is busy with what it has just noticed; False where it refuses to the end."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            ask()
        except OpenStackApiException as error:
            if error.response.status_code != CONFLICT or time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        else:
            return True
