"""The config drive, read back by others: pycdlib, xorriso and qemu-img."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pycdlib
import pytest
from nova import context, exception, objects
from nova.api.metadata import base as metadata_base
from nova.network import model
from nova.tests.unit import fake_instance

from compute_hyperv.nova import config_drive
from compute_hyperv.nova.images import vhd
from compute_hyperv.nova.options import CONF


@pytest.fixture(autouse=True)
def nova(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    CONF([], project="nova", default_config_files=[], default_config_dirs=[])
    objects.register_all()
    # What in the metadata needs a running Neutron or a database, and has nothing to do with how the drive is made.
    monkeypatch.setattr(metadata_base.security_group_api, "get_instance_security_groups", lambda *_: [])
    monkeypatch.setattr(metadata_base, "_format_instance_mapping", lambda _: {"ami": "sda1", "root": "/dev/sda"})
    yield
    CONF.reset()
    for name, group in (("config_drive_format", None), ("config_drive_inject_password", "hyperv")):
        CONF.clear_override(name, group=group)


@pytest.fixture
def instance() -> objects.Instance:
    instance = fake_instance.fake_instance_obj(
        context.get_admin_context(),
        expected_attrs=["metadata", "system_metadata"],
        hostname="web1",
        display_name="web1",
        uuid="0f0e5b58-8a5c-4e0c-9d6b-1f0ce0e7d5a1",
        user_data=base64.b64encode(b"#!/bin/sh\n").decode(),
        metadata={"role": "web"},
    )
    instance.ec2_ids = objects.EC2Ids(instance_id="i-1", ami_id="ami-1", kernel_id=None, ramdisk_id=None)
    instance.device_metadata = None
    instance.numa_topology = None
    return instance


@pytest.fixture
def network_info() -> model.NetworkInfo:
    subnet = model.Subnet(
        cidr="10.0.0.0/24",
        gateway=model.IP("10.0.0.1"),
        ips=[model.FixedIP(address="10.0.0.5", version=4)],
        version=4,
        dns=[],
    )
    network = model.Network(id="n", label="net", subnets=[subnet], injected=False, mtu=1450)
    return model.NetworkInfo([model.VIF(id="port-1", address="fa:16:3e:00:00:01", network=network, type="hyperv")])


def read_back(image: bytes, **where: str) -> bytes:
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    try:
        output = io.BytesIO()
        iso.get_file_from_iso_fp(output, **where)
        return output.getvalue()
    finally:
        iso.close()


def test_metadata_network_data_user_data_and_files_are_on_the_drive(
    instance: objects.Instance, network_info: model.NetworkInfo
) -> None:
    image = config_drive.build(instance, [("/etc/motd", b"hello")], None, network_info, "iso")
    metadata = json.loads(read_back(image, rr_path="/openstack/latest/meta_data.json"))
    assert (metadata["uuid"], metadata["hostname"], metadata["meta"]) == (
        instance.uuid,
        "web1.novalocal",
        {"role": "web"},
    )
    network = json.loads(read_back(image, rr_path="/openstack/latest/network_data.json"))
    assert network["links"][0]["ethernet_mac_address"] == "fa:16:3e:00:00:01"
    assert network["networks"][0]["ip_address"] == "10.0.0.5"
    assert read_back(image, rr_path="/openstack/latest/user_data") == b"#!/bin/sh\n"
    place = metadata["files"][0]["content_path"]
    assert metadata["files"][0]["path"] == "/etc/motd"
    assert read_back(image, rr_path=f"/openstack{place}") == b"hello"


def test_windows_and_linux_guests_see_the_same_names(
    instance: objects.Instance, network_info: model.NetworkInfo
) -> None:
    image = config_drive.build(instance, [], None, network_info, "iso")
    path = "/ec2/2009-04-04/meta-data.json"
    assert read_back(image, joliet_path=path) == read_back(image, rr_path=path) != b""


def test_other_tools_find_the_label_and_every_file(
    tmp_path: Path, instance: objects.Instance, network_info: model.NetworkInfo
) -> None:
    image = tmp_path / "configdrive.iso"
    image.write_bytes(config_drive.build(instance, [], None, network_info, "iso"))
    report = subprocess.run(
        ["xorriso", "-indev", str(image), "-pvd_info", "-find", "/", "-type", "f"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Volume Id    : config-2" in report.stdout
    assert "'/openstack/2018-08-27/network_data.json'" in report.stdout


@pytest.mark.parametrize(("inject", "expected"), [(True, "s3cret"), (False, None)])
def test_password_is_on_the_drive_only_if_the_operator_wants_it(
    instance: objects.Instance, network_info: model.NetworkInfo, inject: bool, expected: str | None
) -> None:
    CONF.set_override("config_drive_inject_password", inject, group="hyperv")
    image = config_drive.build(instance, [], "s3cret", network_info, "iso")
    metadata = json.loads(read_back(image, rr_path="/openstack/latest/meta_data.json"))
    assert metadata.get("admin_pass") == expected


def test_drive_as_a_disk_is_a_fixed_vhd_that_begins_with_the_iso(
    tmp_path: Path, instance: objects.Instance, network_info: model.NetworkInfo
) -> None:
    disk = tmp_path / "configdrive.vhd"
    disk.write_bytes(config_drive.build(instance, [], None, network_info, "vhd"))
    with disk.open("rb") as file:
        structure = vhd.read(file, disk.stat().st_size)
    assert structure.kind == "fixed"
    subprocess.run(["qemu-img", "convert", "-f", "vpc", "-O", "raw", str(disk), str(tmp_path / "raw")], check=True)
    raw = (tmp_path / "raw").read_bytes()
    assert len(raw) == structure.virtual_size_bytes
    assert b"config-2" in raw[32768 : 32768 + 2048]
    assert json.loads(read_back(raw, rr_path="/openstack/latest/meta_data.json"))["uuid"] == instance.uuid


def test_vfat_is_refused_as_the_retired_driver_did(instance: objects.Instance, network_info: model.NetworkInfo) -> None:
    CONF.set_override("config_drive_format", "vfat")
    with pytest.raises(exception.ConfigDriveUnsupportedFormat):
        config_drive.build(instance, [], None, network_info, "iso")


def test_names_that_plain_iso_9660_cannot_tell_apart_stay_two_files() -> None:
    files = {"a/" + "x" * 40 + ".json": b"1", "a/" + "X" * 40 + ".json": b"2", "a/b-c": b"3", "a/b_c": b"4", "e": b""}
    image = config_drive.iso_image(files)
    assert {path: read_back(image, rr_path=f"/{path}") for path in files} == files


@pytest.mark.parametrize("size", [3 << 20, 64 << 20, 1 << 30, 40 << 30, 300 << 30, 2040 << 30])
def test_footer_of_a_fixed_vhd_promises_its_size_and_a_geometry_within_it(size: int) -> None:
    footer = vhd.fixed_footer(size)
    cylinders, heads, sectors = int.from_bytes(footer[56:58], "big"), footer[58], footer[59]
    assert int.from_bytes(footer[48:56], "big") == size
    assert 0 < cylinders * heads * sectors * 512 <= size
    assert footer[64:68] == (~(sum(footer) - sum(footer[64:68])) & 0xFFFFFFFF).to_bytes(4, "big")
