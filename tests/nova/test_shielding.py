"""Shielded servers: what they have to bring along, and what cannot be done with them; a table for each rule."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nova import exception

from compute_hyperv.host.model import SecureBootTemplate, Shielding
from compute_hyperv.nova import console, shielding
from compute_hyperv.nova.errors import InstanceRefused
from compute_hyperv.nova.passwords import Passwords
from compute_hyperv.nova.rescue import Rescue
from compute_hyperv.nova.snapshots import Snapshots
from tests.nova.making import make_flavor, make_image_meta, make_instance
from tests.nova.test_spec import FOLDER, WINDOWS_2012_R2, plan

REFERENCE = "http://barbican/v1/containers/0c6ba1bb-4c3f-4bd2-9e3e-4ef6a8d9d0b1"
OTHER = "http://barbican/v1/containers/f5b1c4b4-7f3e-4c11-8e6c-2f6f5a0f6f1e"
SHIELDED = {
    "os_shielded_vm": "required",
    "hw_machine_type": "hyperv-gen2",
    "os_secure_boot": "required",
    "os_type": "windows",
    "img_pdk_reference": REFERENCE,
}
ENCRYPTED = {**SHIELDED, "os_shielded_vm": "optional", "os_vtpm": "required"}


def server(image=SHIELDED, metadata=None, specs=None):
    instance = make_instance(image_properties=image, flavor=make_flavor(extra_specs=specs))
    instance.hostname = "web"
    instance.task_state = None
    instance.metadata = metadata or {}
    return instance


def planned(image=SHIELDED, metadata=None, specs=None, **how):
    return plan(image=image, instance=server(image, metadata, specs), **how)


# image, server metadata, how the server is protected, whether it gets a TPM whose keys are the host's
PROTECTIONS = [
    (SHIELDED, {}, "shielded", False),
    ({**SHIELDED, "os_vtpm": "required"}, {}, "shielded", False),
    ({**SHIELDED, "hw_tpm_version": "2.0"}, {}, "shielded", False),
    (ENCRYPTED, {}, "encrypted", False),
    ({**ENCRYPTED, "img_pdk_reference": ""}, {}, None, True),
    ({**ENCRYPTED, "img_pdk_reference": ""}, {"img_pdk_reference": OTHER}, "encrypted", False),
    ({**SHIELDED, "os_shielded_vm": "optional"}, {}, None, False),
    ({**SHIELDED, "os_shielded_vm": "Required"}, {}, None, False),
    ({**SHIELDED, "os_shielded_vm": "disabled"}, {"img_pdk_reference": OTHER}, None, False),
]


@pytest.mark.parametrize(("image", "metadata", "protection", "tpm"), PROTECTIONS)
def test_only_the_word_required_shields_a_server_and_that_wins_over_a_tpm(image, metadata, protection, tpm):
    machine = planned(image, metadata)

    assert shielding.wanted(server(image, metadata)) == protection
    assert machine.tpm is tpm
    assert (machine.shielding is not None) == (protection is not None)
    assert machine.shielding is None or machine.shielding.shielded == (protection == "shielded")


def test_a_shielded_machine_is_provisioned_by_files_in_its_folder_and_has_no_serial_ports():
    machine = planned()

    assert machine.shielding == Shielding(
        shielded=True,
        data_path=FOLDER + r"\shielding.pdk",
        specialization_path=FOLDER + r"\shielding.fsk",
        substitutions=(("@@ComputerName@@", "web"),),
    )
    assert machine.secure_boot is SecureBootTemplate.WINDOWS
    assert machine.serial_ports == ()


# what is different in the image, in the flavor, and what the message says
REFUSALS = [
    ({"hw_machine_type": "hyperv-gen1"}, {"os:secure_boot": "optional"}, "hyperv-gen2"),
    ({"os_secure_boot": "optional"}, {}, "os_secure_boot"),
    ({"os_type": "linux"}, {}, "os_type=linux"),
    ({"img_pdk_reference": ""}, {}, "img_pdk_reference"),
    ({"logging_serial_port": "2"}, {}, "logging_serial_port asks"),
    ({}, {"hw:serial_port_count": "1"}, "hw:serial_port_count of the flavor asks"),
]


@pytest.mark.parametrize(("changes", "specs", "says"), REFUSALS)
def test_what_a_shielded_server_lacks_is_said_before_anything_is_made(changes, specs, says):
    with pytest.raises(InstanceRefused, match=says):
        planned({**SHIELDED, **changes}, specs=specs)


def test_the_flavor_can_ask_for_the_secure_boot_that_shielding_needs():
    image = {name: value for name, value in SHIELDED.items() if name != "os_secure_boot"}
    assert planned(image, specs={"os:secure_boot": "required"}).shielding is not None


def test_a_host_before_windows_server_2016_leaves_it_to_another():
    with pytest.raises(exception.InstanceUnacceptable, match="Windows Server 2016") as refusal:
        planned(version=WINDOWS_2012_R2)
    assert not isinstance(refusal.value, InstanceRefused)


@pytest.mark.parametrize(
    ("image", "metadata", "reference"),
    [
        (SHIELDED, {}, REFERENCE),
        (SHIELDED, {"img_pdk_reference": OTHER}, OTHER),
        (SHIELDED, {"img_pdk_reference": ""}, REFERENCE),
        ({}, {"img_pdk_reference": OTHER}, OTHER),
        ({}, {}, None),
    ],
)
def test_the_servers_shielding_data_win_over_the_images(image, metadata, reference):
    assert shielding.reference(server(image, metadata), make_image_meta(image)) == reference


# server metadata, substitutions
SUBSTITUTIONS = [
    ({}, {"@@ComputerName@@": "web"}),
    ({"fsk:ComputerName": "web"}, {"@@ComputerName@@": "web"}),
    ({"fsk:ComputerName": ""}, {"@@ComputerName@@": "web"}),
    ({"fsk:TimeZone": "GMT", "role": "db"}, {"@@ComputerName@@": "web", "@@TimeZone@@": "GMT"}),
    ({"fsk:a:b": "c"}, {"@@ComputerName@@": "web", "@@a:b@@": "c"}),
]


@pytest.mark.parametrize(("metadata", "substitutions"), SUBSTITUTIONS)
def test_the_servers_metadata_say_what_goes_into_the_answer_file(metadata, substitutions):
    assert dict(planned(metadata=metadata).shielding.substitutions) == substitutions


def test_a_computer_has_the_servers_host_name():
    with pytest.raises(InstanceRefused, match="fsk:ComputerName=db, but its host name is web"):
        planned(metadata={"fsk:ComputerName": "db"})


NO_ROOM = None  # nothing of the room is used: no host is asked


@pytest.mark.parametrize("image", [SHIELDED, ENCRYPTED])
class TestOperations:
    def test_its_disk_is_not_rescued(self, image):
        with pytest.raises(exception.InstanceNotRescuable, match="shielded"):
            Rescue.enter(NO_ROOM, None, server(image), [], make_image_meta(), "password")

    def test_no_image_is_made_of_it(self, image, tmp_path):
        snapshots = Snapshots(NO_ROOM, NO_ROOM, NO_ROOM, tmp_path / "work")
        with pytest.raises(exception.InstanceUnacceptable, match="start nowhere"):
            snapshots.take(None, server(image), "image", None)

    def test_it_has_no_console_log(self, image, tmp_path):
        logs = console.ConsoleLogs(None, tmp_path)
        with pytest.raises(exception.ConsoleNotAvailable, match="shielded"):
            logs.show(server(image))
        logs.watch("uuid", console.log_pipe(server(image)))
        assert logs._watches == {}


def test_a_shielded_guest_takes_no_password_from_its_host():
    with pytest.raises(exception.SetAdminPasswdNotSupported, match="shielded"):
        Passwords.set(NO_ROOM, server(), "password")


def test_an_encrypted_guest_may_take_a_password_from_its_host():
    guest = SimpleNamespace(items=lambda _: {})
    room = Passwords(SimpleNamespace(guest_exchange=guest), SimpleNamespace(machine_id=lambda _: "ID"))
    with pytest.raises(exception.InstanceAgentNotEnabled):
        room.set(server(ENCRYPTED), "password")
