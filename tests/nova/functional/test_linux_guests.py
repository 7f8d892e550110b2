"""What a guest with an operating system sees of what Nova does to its server, as it says itself on its serial port.

One server for all tests, as booting it is what costs time: generation 2, two processors on two NUMA nodes, a TPM,
ephemeral disk, swap disk and config drive; one may log in on COM1, and what is written to COM2 is the console log.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hyperv_simulator.guest_image.build import build
from tests.nova.functional.cloud import SWITCH, VLAN, Image, eventually
from tests.nova.functional.guests import Neighbour, Shell

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

PAUSE_S = 1.5
UPTIME = "cut -d ' ' -f 1 /proc/uptime"
SECTORS_PER_MIB = 2048


@pytest.fixture(scope="module")
def server(qemu_cloud, tmp_path_factory):
    properties = {
        "hw_machine_type": "hyperv-gen2",
        "os_type": "linux",
        "interactive_serial_port": "1",
        "logging_serial_port": "2",
    }
    disk = build(2, tmp_path_factory.mktemp("image") / "guest.vhdx", "vhdx")
    specs = {
        "hw:numa_nodes": "2",
        "hw:tpm_version": "2.0",
        "hw:tpm_model": "tpm-crb",
        "hw:tpm_secret_security": "host",
    }
    flavor_id = qemu_cloud._create_flavor(vcpu=2, memory_mb=256, disk=1, ephemeral=1, swap=64, extra_spec=specs)
    image_id = qemu_cloud.add_image(Image(disk.read_bytes(), "vhdx", properties))
    return qemu_cloud.boot(image_id, flavor_id, config_drive=True)


@pytest.fixture(scope="module")
def shell(qemu_host, server) -> Iterator[Shell]:
    shell = Shell(qemu_host, server)
    shell.log_in()
    yield shell
    shell.close()


def test_the_config_drive_says_who_the_guest_is(server, shell):
    assert shell.ask("hostname; sed -n 's/^uuid.//p' /run/meta") == f"{server['name']}.novalocal {server['id']}"


def test_processors_and_memory_are_on_the_numa_nodes_of_the_flavor(shell):
    nodes = "/sys/devices/system/node/node*"
    assert shell.ask(f"cat {nodes}/cpulist") == "0 1"
    memory_kb = [int(found) for found in shell.ask(f"awk '/MemTotal/ {{ print $4 }}' {nodes}/meminfo").split()]
    assert [0 < found <= 128 << 10 for found in memory_kb] == [True, True]


def test_there_is_a_tpm(shell):
    assert shell.ask("cat /sys/class/tpm/tpm0/tpm_version_major") == "2"


def test_all_disks_are_in_their_places_and_as_large_as_the_flavor_says(shell):
    sizes = shell.ask(
        "for disk in /sys/bus/scsi/devices/*:*:*:*; do [ -d $disk/block ] && "
        "echo ${disk##*/}=$(cat $disk/block/*/size); done"
    )

    by_place = {place.split(":", 1)[1]: int(size) // SECTORS_PER_MIB for place, size in map(split_size, sizes.split())}
    assert by_place.pop("0:3:0") < 10, "the config drive"
    assert by_place == {"0:0:0": 1024, "0:1:0": 1024, "0:2:0": 64}


def split_size(text):
    place, _, size = text.partition("=")
    return place, size


def test_the_swap_disk_can_be_swapped_to(shell):
    (name,) = shell.ask("ls /sys/bus/scsi/devices/*:0:2:0/block").split()

    assert shell.ask(f"swapon /dev/{name} && grep -c {name} /proc/swaps") == "1"


def test_what_is_written_to_the_second_serial_port_is_the_console_log(qemu_cloud, server, shell):
    shell.ask("echo said on COM2 > /dev/ttyS1")

    eventually(lambda: "said on COM2" in qemu_cloud.console_log(server))
    assert "login:" not in qemu_cloud.console_log(server), "which was said on COM1"


def test_a_paused_guest_stands_still_and_goes_on_from_where_it_was(qemu_cloud, server, shell):
    began, guest_began = time.monotonic(), float(shell.ask(UPTIME))

    qemu_cloud.act(server, "PAUSED", pause=None)
    paused = time.monotonic()
    shell.console.type("echo AWAKE-$((2+3))\n")
    time.sleep(PAUSE_S)
    assert "AWAKE-5" not in shell.console.text
    pause_s = time.monotonic() - paused
    qemu_cloud.act(server, "ACTIVE", unpause=None)

    shell.console.wait_for("^AWAKE-5")
    guest_s = float(shell.ask(UPTIME)) - guest_began
    assert guest_s < time.monotonic() - began - pause_s + 0.1, "its clock went on"


def test_a_suspended_guest_keeps_what_is_in_its_memory_only(qemu_cloud, server, shell):
    shell.console.type("kept=in-memory-$((6*7))\n")
    boot = shell.ask("cat /proc/sys/kernel/random/boot_id")

    qemu_cloud.act(server, "SUSPENDED", suspend=None)
    qemu_cloud.act(server, "ACTIVE", resume=None)

    shell.connect()
    assert shell.ask("echo $kept") == "in-memory-42"
    assert shell.ask("cat /proc/sys/kernel/random/boot_id") == boot


def test_an_attached_port_is_an_adapter_on_its_network_and_a_detached_one_is_gone(qemu_cloud, server, shell):
    port = qemu_cloud.neutron.create_port({"port": qemu_cloud.neutron.port_2})["port"]
    assert shell.ask("ls /sys/class/net") == "lo"

    qemu_cloud.api.attach_interface(server["id"], {"interfaceAttachment": {"port_id": port["id"]}})

    found = shell.ask(f"until grep -l {port['mac_address']} /sys/class/net/*/address; do usleep 100000; done")
    name = found.split("/")[4]
    with Neighbour(SWITCH, VLAN) as neighbour:
        shell.ask(f"ip link set {name} up; ip address add 10.9.0.11/24 dev {name}")
        ping = f"ping -c 1 -W 1 {neighbour.address} > /dev/null"
        assert shell.ask(f"for try in 1 2 3 4 5 6 7 8 9; do {ping} && echo met && break; done") == "met"
        assert neighbour.mac in shell.ask("cat /proc/net/arp")

    qemu_cloud.api.detach_interface(server["id"], port["id"])

    assert shell.ask("while [ -e /sys/class/net/eth0 ]; do usleep 100000; done; ls /sys/class/net") == "lo"
    eventually(lambda: qemu_cloud.api.get_port_interfaces(server["id"]) == [])


def test_a_password_that_is_set_is_the_guests(qemu_cloud, server, shell):
    qemu_cloud.api.post_server_action(server["id"], {"changePassword": {"adminPass": "N3w password"}})

    shell.console.type("exit\n")
    shell.console.wait_for(r"exit[\s\S]*login:", prompt=True)
    shell.console.type("root\n")
    shell.console.wait_for("Password:", prompt=True)
    shell.console.type("N3w password\n")
    shell.console.wait_for(r"Password:[\s\S]*# ", prompt=True)


def test_a_guest_that_is_stopped_shuts_itself_down(qemu_cloud, server, shell):
    qemu_cloud.act(server, "SHUTOFF", os_stop=None)

    shell.console.wait_for("GUEST-STOPPING")


def test_nothing_is_left_of_a_guest_that_ran(qemu_cloud, qemu_host, server):
    qemu_cloud.delete(server)

    assert qemu_host.remains() == set()
