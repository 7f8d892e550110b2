"""What administrators are shown of a server: from the host, through Nova's API."""

from __future__ import annotations


def test_a_server_tells_how_it_does(cloud, host1, image_id, flavor_id):
    # Nova has forgotten in the schema of its answer that hyperv is among its drivers; by default it only warns of that.
    cloud.flags(response_validation="warn", group="api")
    cloud.start_compute(host1)
    server = cloud.boot(image_id, flavor_id, networks="auto")

    found = cloud.admin_api.api_get(f"/servers/{server['id']}/diagnostics").body
    assert (found["driver"], found["hypervisor_os"], found["state"]) == ("hyperv", "windows", "running")
    assert found["memory_details"] == {"maximum": 128, "used": 128}
    assert found["cpu_details"] == [{"id": 0, "time": None, "utilisation": 0}]
    assert (found["num_cpus"], found["num_nics"], found["num_disks"]) == (1, 1, 1)
    (nic,) = found["nic_details"]
    assert nic["mac_address"].replace(":", "").upper() == host1.nics(server)[0].mac_address
    counted = ("octets", "packets", "drop", "errors")
    assert [nic[f"rx_{name}"] for name in counted] == [nic[f"tx_{name}"] for name in counted] == [0, 0, 0, None]
    assert found["disk_details"][0]["read_bytes"] is None  # metrics are off

    cloud.admin_api.microversion = "2.47"
    old = cloud.admin_api.api_get(f"/servers/{server['id']}/diagnostics").body
    cloud.admin_api.microversion = cloud.microversion
    assert (old["memory_used"], old["cpu0_utilisation"], old["driver"]) == (128, 0, "hyperv")
    cloud.delete(server)
