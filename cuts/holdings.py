"""What the host, Placement, Neutron, Glance and Nova hold for a server, to be compared with what they should.

Names and numbers that every server has of its own are replaced, so that two servers to which the same has happened hold
the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tests.nova.functional.cloud import INSTANCES_PATH, Cloud, Observer, Server

_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# Beside a file that is being written; the next attempt removes what an interrupted one has left (host/files.py).
_UNFINISHED = ".part"
_CACHE = "_base"


@dataclass(frozen=True)
class Holding:
    """:param machines: state and health of every machine on the host.
    :param files: below the instances folder, the image cache excepted.
    :param allocation: of the server, by resource class.
    :param used: by anybody on the host, as Placement sees it.
    :param images: how many there are, by status.
    :param nova: the server's status and, where it is on a host, its power state; empty where it is gone.
    """

    machines: tuple[str, ...] = ()
    nics: int = 0
    ports: int = 0
    files: frozenset[str] = frozenset()
    allocation: tuple[tuple[str, int], ...] = ()
    used: tuple[tuple[str, int], ...] = ()
    images: tuple[tuple[str, int], ...] = ()
    nova: str = ""

    def differences(self, expected: Holding) -> list[str]:
        """In words; empty where nothing differs."""
        return [
            f"{field.name}: {_shown(getattr(self, field.name))}, not {_shown(getattr(expected, field.name))}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(expected, field.name)
        ]


def holding(cloud: Cloud, host: Observer, server: Server) -> Holding:
    """For the one server that is there."""
    found = cloud.api.api_get(f"/servers/{server['id']}", check_response_status=[200, 404]).body.get("server")
    machine = host.machine(server)
    return Holding(
        machines=tuple(f"{each.state.name} {'healthy' if each.healthy else 'ill'}" for each in host.machines()),
        nics=len(host.client.machines.nics(machine.machine_id)) if machine else 0,
        ports=sum(port.get("device_id") == server["id"] for port in cloud.neutron.list_ports(is_admin=True)["ports"]),
        files=frozenset(_files(host, machine.name if machine else "")),
        allocation=_resources(cloud._get_allocations_by_server_uuid(server["id"])),
        used=tuple(sorted(_used(cloud).items())),
        images=tuple(sorted(Counter(image["status"] for image in cloud.glance.detail(None)).items())),
        nova=_as_nova_sees(found) if found else "",
    )


def _files(host: Observer, name: str, *folder: str) -> list[str]:
    found = []
    for entry in host.client.files.list("\\".join((INSTANCES_PATH, *folder))):
        path = (*folder, entry.name)
        if path == (_CACHE,) or entry.name.endswith(_UNFINISHED):
            continue
        if entry.is_folder:
            found += _files(host, name, *path)
        shown = "\\".join(path).replace(name, "<name>") if name else "\\".join(path)
        found.append(_GUID.sub("<id>", shown))
    return found


def _as_nova_sees(server: Server) -> str:
    status = str(server["status"])
    return status if status == "SHELVED_OFFLOADED" else f"{status} {server['OS-EXT-STS:power_state']}"


def _resources(allocations: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    total: Counter[str] = Counter()
    for allocation in allocations.values():
        total.update(allocation["resources"])
    return tuple(sorted(total.items()))


def _used(cloud: Cloud) -> dict[str, int]:
    total: Counter[str] = Counter()
    for provider in cloud.placement.get("/resource_providers").body["resource_providers"]:
        total.update(cloud._get_provider_usages(provider["uuid"]))
    return {name: amount for name, amount in total.items() if amount}


def _shown(value: Any) -> str:
    if isinstance(value, frozenset | tuple):
        return "{" + ", ".join(sorted(str(each) for each in value)) + "}" if value else "nothing"
    return str(value) or "nothing"
