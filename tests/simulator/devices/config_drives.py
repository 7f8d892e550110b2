"""Config drives as Nova writes them: an ISO with the volume id config-2."""

from __future__ import annotations

import io
import json

import pycdlib


def config_drive(name: str, uuid: str, mac: str, address: str, user_data: str = "") -> bytes:
    """:param mac: with colons."""
    link = {"id": "tap1", "vif_id": "vif1", "type": "hyperv", "mtu": 1400, "ethernet_mac_address": mac}
    network = {
        "id": "network0",
        "type": "ipv4",
        "link": "tap1",
        "ip_address": address,
        "netmask": "255.255.255.0",
        "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.9.0.1"}],
        "network_id": "net1",
    }
    files = {
        "meta_data.json": json.dumps({"uuid": uuid, "hostname": f"{name}.novalocal", "meta": {"uuid": "not this"}}),
        "network_data.json": json.dumps({"links": [link], "networks": [network], "services": []}),
        "user_data": user_data,
    }
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="config-2")
    for folder, long in (("/OPENSTAC", "openstack"), ("/OPENSTAC/LATEST", "openstack/latest")):
        image.add_directory(folder, joliet_path=f"/{long}", rr_name=long.rpartition("/")[2])
    for number, (file, text) in enumerate(files.items()):
        data = text.encode()
        image.add_fp(
            io.BytesIO(data),
            len(data),
            f"/OPENSTAC/LATEST/FILE{number}.;1",
            rr_name=file,
            joliet_path=f"/openstack/latest/{file}",
        )
    out = io.BytesIO()
    image.write_fp(out)
    image.close()
    return out.getvalue()
