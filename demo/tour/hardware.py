"""Servers with hardware of their own: one that is rich in it, one that trusts no loader, one that boots from a DVD."""

import re

from compute_hyperv.cim.wql import like, select
from demo.guests import Boot, Guest
from demo.tour.guide import Guide, expect
from demo.tour.line import Line
from demo.tour.names import AGGREGATE, DVD, FLAVOR, VLANS

REFUSED_LOADER = re.compile(r"BdsDxe: failed to load [^\r\n]*Access Denied")
FROM_DVD = re.compile(r"BdsDxe: starting [^\r\n]*CD-ROM[^\r\n]*")
TAG = "lan"


class Rich:
    """The flavor is in `names`: what it asks for is what the guest, or the host, has to show."""

    def __init__(self, guide: Guide, guest: Guest) -> None:
        self._guide = guide
        self._watch = guide.watch
        self._guest = guest

    def line(self) -> Line:
        name = self._guest.name
        return (
            Line()
            .then(f"server {name}: 2 processors in 2 NUMA nodes, a TPM, 2 serial ports", self._boot)
            .then(f"{name} has an ephemeral disk and swap, formatted", self._has_disks)
            .then(f"{name} knows its network's MTU, and its adapter by its tag", self._knows_adapter)
            .then(f"{name} is limited on its host as its flavor says", self._is_limited)
            .then(f"{name} speaks on its second serial port", self._speaks)
        )

    def _boot(self) -> str:
        ephemeral = ("--ephemeral", "size=1,format=ext4")
        command = self._guide.create(self._guest, "rich", *ephemeral, tag=TAG, wish="hardware")
        boot = self._watch.until(self._guest, "its hardware", lambda boot: boot.all_of("ports") and boot)
        seen = {word: boot.all_of(word) for word in ("processors", "nodes", "tpm", "ports")}
        wanted = {"processors": ["2"], "nodes": ["2"], "tpm": ["TPM2"], "ports": ["2"]}
        expect(seen == wanted, f"{self._guest.name} sees {seen}, not {wanted}")
        return f"{command}\nthe guest sees {', '.join(f'{word} {what[0]}' for word, what in seen.items())}"

    def _has_disks(self) -> str:
        boot = self._boot_so_far()
        sizes = {slot: size for slot, size, _ in (disk.split(" ") for disk in boot.all_of("disk"))}
        found = sorted((kind, sizes[slot]) for slot, kind in (content.split(" ") for content in boot.all_of("content")))
        wanted = [("ext4", "1024"), ("swap", "64")]
        expect(found == wanted, f"{self._guest.name} could use {found}, not {wanted}")
        return "the guest has mounted an ext4 disk of 1024 MiB and uses 64 MiB of swap"

    def _knows_adapter(self) -> str:
        boot = self._boot_so_far()
        (mtu,) = boot.all_of("mtu")
        expect(mtu == str(VLANS[self._guest.network].mtu), f"its MTU is {mtu}")
        mac = boot.all_of("nics")[0].partition("=")[2] if boot.all_of("nics") else ""
        tagged = dict(line.split(" ", 1) for line in boot.all_of("tagged"))
        tags = {place.split(".")[1]: value for place, value in tagged.items() if ".tags." in place}
        (number,) = tags
        told = (tags[number], tagged[f"devices.{number}.mac"])
        expect(told == (TAG, mac), f"its metadata tell of the device {told}, its adapter is {mac}")
        return f"MTU {mtu}; metadata: {tagged[f'devices.{number}.type']} {mac} is {TAG}"

    def _is_limited(self) -> str:
        side = self._guide.side_of(self._guest)
        machine_id = side.machine(self._watch.server_id(self._guest)).machine_id
        limits = {
            drive.iops_limit for drive in side.hyperv.drives.layout(machine_id).drives if "config" not in drive.path
        }
        wanted = select("Msvm_ProcessorSettingData", ["Limit", "Weight"])
        (processor,) = side.hyperv.cim.query(wanted.where(like("InstanceID", f"Microsoft:{machine_id}%")))
        found = (limits, processor.integer("Limit"), processor.integer("Weight"))
        expect(found == ({500}, 50000, 200), f"{side.name} limits it by {found}")
        return f"on {side.name}: IOPSLimit 500 of each disk, processors Limit 50000 (50 %), Weight 200 of 100"

    def _speaks(self) -> str:
        side = self._guide.side_of(self._guest)
        pipe = f"{self._watch.server_id(self._guest)}_com2"
        with side.hyperv.pipes.open(pipe) as stream:
            said = stream.read(timeout_s=60)
        expect(self._guest.name.encode() in said, f"on {pipe} there came {said!r}")
        return rf"\\{side.name}\pipe\{pipe}: {said.decode().split(chr(10))[0].strip()}"

    def _boot_so_far(self) -> Boot:
        return self._watch.until(self._guest, "its adapter", lambda boot: boot.all_of("nics") and boot)


class Sealed:
    def __init__(self, guide: Guide, guest: Guest) -> None:
        self._guide = guide
        self._guest = guest

    def line(self) -> Line:
        return Line().then(
            f"server {self._guest.name} with secure boot: it refuses a loader that nobody signed", self._boot
        )

    def _boot(self) -> str:
        """Deleted at once: firmware that finds nothing to boot does not rest."""
        command = self._guide.create(self._guest, "sealed")
        said = self._guide.watch.console_with(self._guest, REFUSED_LOADER)
        self._guide.watch.status(self._guest, "ACTIVE")
        server_id = self._guide.watch.server_id(self._guest)
        deleted = self._guide.openstack.show("server", "delete", self._guest.name)
        self._guide.watch.gone(server_id)
        return f"{command}\n{said}\n{deleted}"


class Dvd:
    """A host gets an image before it is needed, and a server boots from it."""

    def __init__(self, guide: Guide, guest: Guest) -> None:
        self._guide = guide
        self._guest = guest

    def line(self) -> Line:
        return (
            Line()
            .then(f"image {DVD} is fetched to {self._guest.host.name} before it is needed", self._fetch)
            .then(f"server {self._guest.name} boots from it, with an empty disk behind", self._boot)
        )

    def _fetch(self) -> str:
        openstack, host = self._guide.openstack, self._guest.host.name
        image = self._guide.api.image.find_image(DVD, ignore_missing=False)
        shown = [
            openstack.show("aggregate", "create", AGGREGATE),
            openstack.show("aggregate", "add", "host", AGGREGATE, host),
            openstack.show("aggregate", "cache", "image", AGGREGATE, DVD),
        ]
        file = self._guide.watch.wait(
            lambda: [name for name in self._guide.sides[host].cached() if name.lower() == f"{image.id}.iso"],
            f"{DVD} in the cache of {host}",
        )
        return "\n".join([*shown, f"on {host}: {file[0]}"])

    def _boot(self) -> str:
        watch = self._guide.watch
        command = self._guide.create(self._guest, FLAVOR, image=DVD)
        boot = watch.until(self._guest, "its drives", lambda boot: boot.all_of("dvd") and boot)
        expect(boot.marks[0].startswith(self._guest.name), f"the first disk is not empty: {boot.marks[0]}")
        return f"{command}\n{watch.console_with(self._guest, FROM_DVD)}"
