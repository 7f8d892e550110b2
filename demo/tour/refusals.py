"""What is asked for wrongly is refused with the reason, and leaves nothing."""

import json

from demo.guests import Guest
from demo.tour.guide import Guide, expect
from demo.tour.line import Line
from demo.tour.names import FLAVOR, WRONG_IMAGE

VALIDATES_PROPERTIES = "2.86"


class Refusals:
    """:param guest: a server that is not to be."""

    def __init__(self, guide: Guide, guest: Guest) -> None:
        self._guide = guide
        self._openstack = guide.openstack
        self._guest = guest

    def line(self) -> Line:
        return (
            Line()
            .then("a flavor with a wrong property: the API says what is wrong", self._wrong_flavor)
            .then("a server from an image with a wrong property: it says what is wrong", self._wrong_image)
        )

    def _wrong_flavor(self) -> str:
        """By the API itself: the client asks for a version of it that looks at no properties (openstacksdk 4.22)."""
        compute = self._guide.api.compute
        flavor = compute.find_flavor(FLAVOR, ignore_missing=False)
        path, wrong = f"/flavors/{flavor.id}/os-extra_specs", {"hyperv:low_mmio": "512"}
        answer = compute.post(path, json={"extra_specs": wrong}, microversion=VALIDATES_PROPERTIES)
        reason = next(iter(answer.json().values()))["message"]
        clear = all(name in reason for name in wrong)
        expect(answer.status_code == 400 and clear, f"the answer is {answer.status_code}, {reason}")
        found = compute.find_flavor(FLAVOR, get_extra_specs=True, ignore_missing=False).extra_specs
        expect(not found, f"flavor {FLAVOR} has {found} now")
        return f"POST {path} {json.dumps(wrong)}\n{answer.status_code}: {reason}"

    def _wrong_image(self) -> str:
        formats = ("--disk-format", "raw", "--container-format", "bare", "--property", "hw_machine_type=hyperv-gen3")
        # What is in it does not matter: it is refused before it is fetched.
        shown = [self._openstack.show("image", "create", WRONG_IMAGE, *formats, "--file", "/etc/os-release")]
        shown.append(self._guide.create(self._guest, FLAVOR, image=WRONG_IMAGE))
        watch, side = self._guide.watch, self._guide.sides[self._guest.host.name]
        server_id = watch.server_id(self._guest)
        get = self._guide.api.compute.get_server
        server = watch.wait(lambda: (found := get(server_id)).status == "ERROR" and found, "the refusal")
        reason = server.fault["message"]
        expect("hyperv-gen3" in reason and "hyperv-gen2" in reason, f"the reason is not clear: {reason}")
        expect(side.find(server.id) is None, f"{side.name} has a machine for it")
        expect(not (left := side.files_of(server.instance_name)), f"{side.name} has {left}")
        shown += [f"ERROR: {reason}", self._openstack.show("server", "delete", self._guest.name)]
        watch.gone(server.id)
        return "\n".join(shown)
