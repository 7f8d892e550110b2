"""The image cache on a simulated host, over real SMB and WS-Man; Glance is a local file."""

from __future__ import annotations

import datetime as dt
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nova import exception, objects
from nova.virt import images

from compute_hyperv.cim.errors import Unreachable
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.nova.config_drive import iso_image
from compute_hyperv.nova.images import cache
from compute_hyperv.nova.images.cache import ImageCache
from compute_hyperv.nova.options import CONF
from hyperv_simulator.fault_rules import Effect, FaultRule
from hyperv_simulator.host import SimulatedHost
from tests.nova.images import image_builders as build

BASE = r"C:\OpenStack\Instances\_base"
MIB = build.MIB
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.usefixtures("nova_settings")


class Glance:
    """One image, and how often it was asked for."""

    def __init__(self, path: Path) -> None:
        self.id = str(uuid.uuid4())
        self.path = path
        self.disk_format = "qcow2"
        self.downloads = 0

    @property
    def meta(self) -> objects.ImageMeta:
        return objects.ImageMeta(id=self.id, disk_format=self.disk_format)

    def download(self, _context: Any, _image_id: str, dest_path: str, trusted_certs: Any = None) -> None:
        self.downloads += 1
        shutil.copyfile(self.path, dest_path)

    def get(self, _context: Any, image_id: str, **_options: Any) -> dict[str, Any]:
        return {"id": image_id, "disk_format": self.disk_format, "properties": {}}


@pytest.fixture
def glance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Glance:
    raw = build.guest_disk(tmp_path / "raw")
    build.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, tmp_path / "image.qcow2")
    glance = Glance(tmp_path / "image.qcow2")
    monkeypatch.setattr(images.IMAGE_API, "download", glance.download)
    monkeypatch.setattr(cache.IMAGE_API, "get", glance.get)
    return glance


@pytest.fixture
def new_cache(hyperv_host: HyperVHost, tmp_path: Path) -> Callable[..., ImageCache]:
    """A cache as another service on another machine has it: with a work folder of its own."""

    def make(name: str = "one", base: str = BASE) -> ImageCache:
        return ImageCache(hyperv_host, base, tmp_path / "work" / name)

    return make


@pytest.fixture
def images_cache(new_cache: Callable[..., ImageCache]) -> ImageCache:
    return new_cache()


def names(host: HyperVHost) -> set[str]:
    return {entry.name for entry in host.files.list(BASE)} if host.files.exists(BASE) else set()


def make_older(host: HyperVHost, path: str, by: dt.timedelta) -> None:
    host.files.touch(path, dt.datetime.now(dt.UTC) - by)


def instance(root_gb: int) -> objects.Instance:
    return objects.Instance(flavor=objects.Flavor(root_gb=root_gb))


def test_image_becomes_a_vhdx_under_the_retired_drivers_name(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost, tmp_path: Path
) -> None:
    image = images_cache.fetch(None, glance.meta)
    assert image == cache.CachedImage(rf"{BASE}\{glance.id}.vhdx", "vhdx", 8 * MIB)
    assert names(hyperv_host) == {f"{glance.id}.vhdx"}
    assert list((tmp_path / "work" / "one").glob("image-*")) == []


def test_cached_image_costs_no_download_and_no_winrm_request(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost
) -> None:
    first = images_cache.fetch(None, glance.meta)
    before = hyperv_host.cim.requests
    assert images_cache.fetch(None, glance.meta) == first
    assert (glance.downloads, hyperv_host.cim.requests) == (1, before)


def test_service_that_starts_anew_asks_the_host_about_the_file_and_downloads_nothing(
    new_cache: Callable[..., ImageCache], glance: Glance, hyperv_host: HyperVHost
) -> None:
    first = new_cache().fetch(None, glance.meta)
    before = hyperv_host.cim.requests
    assert new_cache().fetch(None, glance.meta) == first
    assert glance.downloads == 1
    assert hyperv_host.cim.requests <= before + 2  # settings and state of the disk


def test_vhd_that_the_retired_driver_left_is_used(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost, tmp_path: Path
) -> None:
    (tmp_path / "old.vhd").write_bytes(build.fixed_vhd(4 * MIB))
    hyperv_host.files.make_folder(BASE)
    hyperv_host.files.upload(tmp_path / "old.vhd", rf"{BASE}\{glance.id}.vhd")
    image = images_cache.fetch(None, glance.meta)
    assert (image.format, image.virtual_size_bytes, glance.downloads) == ("vhd", 4 * MIB, 0)


def test_differencing_disk_in_the_cache_is_refused(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost
) -> None:
    hyperv_host.files.make_folder(BASE)
    hyperv_host.disks.create_dynamic(rf"{BASE}\other.vhdx", 64 * MIB)
    hyperv_host.disks.create_differencing(rf"{BASE}\{glance.id}.vhdx", rf"{BASE}\other.vhdx")
    with pytest.raises(exception.ImageUnacceptable, match="depends on"):
        images_cache.fetch(None, glance.meta)


def test_hostile_image_never_reaches_the_host(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost, tmp_path: Path
) -> None:
    glance.disk_format = "vhdx"
    glance.path.write_bytes(build.vhdx(has_parent=True, parent_locator=True))
    with pytest.raises(exception.ImageUnacceptable, match="parent locator"):
        images_cache.fetch(None, glance.meta)
    assert names(hyperv_host) == set()
    assert list((tmp_path / "work" / "one").glob("image-*")) == []


@pytest.mark.parametrize("cached", [False, True])
def test_image_larger_than_the_flavors_disk_is_refused(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost, cached: bool
) -> None:
    build.qemu_img("create", "-f", "qcow2", glance.path, "2G")
    if cached:
        images_cache.fetch(None, glance.meta, instance=instance(root_gb=0))
    with pytest.raises(exception.FlavorDiskSmallerThanImage):
        images_cache.fetch(None, glance.meta, instance=instance(root_gb=1))
    assert names(hyperv_host) == ({f"{glance.id}.vhdx"} if cached else set())


def test_iso_stays_what_it_is_and_is_fetched_once(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost
) -> None:
    glance.disk_format = "iso"
    glance.path.write_bytes(iso_image({"README": b"boot me"}))
    images_cache.fetch(None, glance.meta)
    image = images_cache.fetch(None, glance.meta)
    assert image == cache.CachedImage(rf"{BASE}\{glance.id}.iso", "iso", glance.path.stat().st_size)
    assert hyperv_host.files.read(image.path) == glance.path.read_bytes()
    assert (names(hyperv_host), glance.downloads) == ({f"{glance.id}.iso"}, 1)


def test_disk_that_claims_to_be_an_iso_never_reaches_the_host(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost
) -> None:
    glance.disk_format = "iso"
    with pytest.raises(exception.ImageUnacceptable, match="content is qcow2"):
        images_cache.fetch(None, glance.meta)
    assert names(hyperv_host) == set()


def test_image_whose_id_is_no_uuid_is_refused(images_cache: ImageCache) -> None:
    with pytest.raises(exception.ImageUnacceptable):
        images_cache.fetch(None, objects.ImageMeta(disk_format="raw"))


def test_threads_that_want_the_same_image_download_it_once(images_cache: ImageCache, glance: Glance) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(lambda _: images_cache.fetch(None, glance.meta), range(6)))
    assert len(found) == 1
    assert glance.downloads == 1


def test_services_that_race_for_the_same_image_end_with_one_file(
    new_cache: Callable[..., ImageCache], glance: Glance, hyperv_host: HyperVHost
) -> None:
    caches = [new_cache(f"service-{number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = set(pool.map(lambda one: one.fetch(None, glance.meta), caches))
    assert len(found) == 1
    assert names(hyperv_host) == {f"{glance.id}.vhdx"}


@pytest.mark.parametrize("effect", ["drop-before", "drop-after", "fault", "http-status"])
def test_attempt_that_fails_at_the_host_leaves_nothing_and_the_next_one_succeeds(
    images_cache: ImageCache,
    glance: Glance,
    hyperv_host: HyperVHost,
    simulated_files: SimulatedHost,
    effect: Effect,
) -> None:
    simulated_files.faults.add(
        FaultRule(effect, method="GetVirtualHardDiskSettingData", times=0, code=0x80041001 if effect == "fault" else 0)
    )
    with pytest.raises(exception.NovaException):
        images_cache.fetch(None, glance.meta)
    assert names(hyperv_host) == set()
    simulated_files.faults.clear()
    images_cache.fetch(None, glance.meta)
    assert names(hyperv_host) == {f"{glance.id}.vhdx"}


def test_file_server_that_goes_away_during_the_upload_leaves_no_image(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost
) -> None:
    def go_away(sent: int, size: int) -> None:
        raise Unreachable("the line went dead")

    upload = hyperv_host.files.upload
    hyperv_host.files.upload = lambda local, path: upload(local, path, progress=go_away)  # type: ignore[method-assign]
    with pytest.raises(exception.HypervisorUnavailable, match="the line went dead"):
        images_cache.fetch(None, glance.meta)
    assert names(hyperv_host) == set()


def test_wrong_signature_stops_before_the_host(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise exception.CertificateValidationFailed(cert_uuid="c", reason="not trusted")

    monkeypatch.setattr(images.IMAGE_API, "download", refuse)
    with pytest.raises(exception.CertificateValidationFailed):
        images_cache.fetch(None, glance.meta, trusted_certs=objects.TrustedCerts(ids=["c"]))
    assert names(hyperv_host) == set()


def test_preparing_says_whether_there_was_something_to_do(images_cache: ImageCache, glance: Glance) -> None:
    assert images_cache.prepare(None, glance.id) is True
    assert images_cache.prepare(None, glance.id) is False


def test_use_is_noted_in_the_time_stamp_once_it_is_an_hour_old(
    images_cache: ImageCache, glance: Glance, hyperv_host: HyperVHost
) -> None:
    path = images_cache.fetch(None, glance.meta).path
    make_older(hyperv_host, path, DAY)
    images_cache.fetch(None, glance.meta)
    entry = hyperv_host.files.stat(path)
    assert entry is not None
    assert dt.datetime.now(dt.UTC) - entry.modified_at < dt.timedelta(minutes=5)


IN_USE, UNUSED = str(uuid.uuid4()), str(uuid.uuid4())
AGEING = {
    f"{IN_USE}.vhdx": True,
    f"{IN_USE}_40.vhd": True,
    f"{UNUSED}.vhdx": False,
    f"{UNUSED}.iso": False,
    f"{UNUSED}_40.vhd": False,
    f"{UNUSED}.0a1b2c3d.partial.vhdx": False,
    f"{UNUSED}.0a1b2c3d.partial.vhdx.11223344.part": False,
    f"{UNUSED}.0a1b2c3d.partial.iso": False,
    "ephemeral0_10_ext4.vhdx": False,
    "swap_512.vhdx": False,
    "swap_512.0a1b2c3d.partial.vhdx": False,
    f"{UNUSED}-cache.lock": True,
    "golden.vhdx": True,
}


@pytest.fixture
def old_files(hyperv_host: HyperVHost) -> None:
    hyperv_host.files.make_folder(BASE)
    for name in AGEING:
        hyperv_host.files.write(rf"{BASE}\{name}", b"x")
        make_older(hyperv_host, rf"{BASE}\{name}", 2 * DAY)


@pytest.mark.usefixtures("old_files")
def test_ageing_removes_what_nobody_uses_and_nothing_else(images_cache: ImageCache, hyperv_host: HyperVHost) -> None:
    images_cache.age(None, {IN_USE})
    assert names(hyperv_host) == {name for name, stays in AGEING.items() if stays}
    entry = hyperv_host.files.stat(rf"{BASE}\{IN_USE}.vhdx")
    assert entry is not None
    assert dt.datetime.now(dt.UTC) - entry.modified_at < dt.timedelta(minutes=5)


@pytest.mark.usefixtures("old_files")
def test_ageing_leaves_what_was_used_lately(images_cache: ImageCache, hyperv_host: HyperVHost) -> None:
    make_older(hyperv_host, rf"{BASE}\{UNUSED}.vhdx", DAY / 2)
    images_cache.age(None, set())
    assert f"{UNUSED}.vhdx" in names(hyperv_host)


@pytest.mark.usefixtures("old_files")
def test_ageing_removes_no_image_where_the_operator_wants_none_removed(
    images_cache: ImageCache, hyperv_host: HyperVHost
) -> None:
    CONF.set_override("remove_unused_base_images", False, group="image_cache")
    try:
        images_cache.age(None, set())
    finally:
        CONF.clear_override("remove_unused_base_images", group="image_cache")
    assert names(hyperv_host) == {name for name in AGEING if "partial" not in name}


@pytest.mark.usefixtures("old_files")
def test_ageing_removes_no_image_from_a_folder_that_other_hosts_may_use(
    new_cache: Callable[..., ImageCache], hyperv_host: HyperVHost, simulated_files: SimulatedHost
) -> None:
    share = rf"\\{simulated_files.config.address}\C$\OpenStack\Instances\_base"
    new_cache(base=share).age(None, set())
    assert names(hyperv_host) == {name for name in AGEING if "partial" not in name}


def test_ageing_a_cache_that_does_not_exist_yet_does_nothing(images_cache: ImageCache) -> None:
    images_cache.age(None, set())
