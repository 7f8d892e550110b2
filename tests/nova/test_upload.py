"""What is told to Glance about an image, and that an upload that lost something is noticed."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from compute_hyperv.host.model import DriveLayout
from compute_hyperv.nova import snapshots
from compute_hyperv.nova.errors import HostOperationFailed
from compute_hyperv.nova.images import upload
from compute_hyperv.nova.options import CONF

INSTANCE = SimpleNamespace(project_id="project")


class RemoteFile(io.BytesIO):
    def __init__(self, content):
        super().__init__(content)
        self.size_bytes = len(content)


class Glance:
    def __init__(self, takes):
        self._takes = takes

    def update(self, _context, _image_id, metadata, data, purge_props):
        self.metadata = metadata
        assert not purge_props
        return {"size": len(data.read()[: self._takes])}


def send(glance, check=lambda: None):
    files = SimpleNamespace(reading=lambda _: RemoteFile(b"0123456789"))
    image = upload.Image("image", "vhdx", 2)
    upload.upload(None, glance, files, r"C:\x.vhdx", image, INSTANCE, None, check)


def test_an_image_boots_again_in_the_generation_that_it_was_taken_from():
    glance = Glance(takes=10)
    send(glance)
    assert glance.metadata["properties"]["hw_machine_type"] == "hyperv-gen2"
    assert (glance.metadata["disk_format"], glance.metadata["container_format"]) == ("vhdx", "bare")


def test_an_upload_that_glance_has_not_got_all_of_fails():
    with pytest.raises(HostOperationFailed, match="7 of the 10 bytes"):
        send(Glance(takes=7))


def test_an_upload_that_is_called_off_ends():
    def called_off():
        raise KeyError

    with pytest.raises(KeyError):
        send(Glance(takes=10), called_off)


@pytest.mark.parametrize(
    ("wanted", "generation", "got"),
    [("vhdx", 1, "vhdx"), ("vhd", 1, "vhd"), ("vhd", 2, "vhdx"), ("qcow2", 2, "qcow2"), ("raw", 1, "raw")],
)
def test_formats(monkeypatch, wanted, generation, got):
    monkeypatch.setattr(snapshots, "CONF", SimpleNamespace(hyperv=SimpleNamespace(snapshot_image_format=wanted)))
    assert snapshots._format(DriveLayout(generation, ())) == got


def test_every_choice_of_checkpoints_is_known():
    choices = next(opt for opt in CONF.hyperv._group._opts.values() if opt["opt"].name == "snapshot_checkpoint_type")
    assert set(snapshots.CONSISTENCY) == set(choices["opt"].type.choices)
