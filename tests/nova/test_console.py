"""The files that keep what guests have written."""

from __future__ import annotations

import pytest

from compute_hyperv.nova import console, names
from compute_hyperv.nova.console import KEPT_BYTES_PER_FILE, LogFile
from tests.nova.making import make_flavor, make_instance


@pytest.fixture
def log(tmp_path):
    return LogFile(tmp_path / "instance")


def test_a_log_that_was_never_written_is_empty(log):
    assert log.read() == b""


def test_a_log_keeps_what_it_is_given_in_order(log):
    log.append(b"first ")
    log.append(b"second")

    assert log.read() == b"first second"


def test_a_log_survives_a_restart(log, tmp_path):
    log.append(b"before")

    again = LogFile(tmp_path / "instance")
    again.append(b" after")

    assert again.read() == b"before after"


def test_a_log_keeps_the_newest_and_never_more_than_twice_its_limit(log):
    for number in range(40):
        log.append(b"%07d\n" % number * 8192)

    kept = log.read()
    assert kept.endswith(b"0000039\n")
    assert KEPT_BYTES_PER_FILE <= len(kept) <= 2 * KEPT_BYTES_PER_FILE


def test_a_removed_log_leaves_nothing(log, tmp_path):
    log.append(b"x" * KEPT_BYTES_PER_FILE)
    log.append(b"y")

    log.remove()

    assert list(tmp_path.iterdir()) == []
    log.remove()


def test_pipes_of_a_machine_of_which_only_the_uuid_is_known():
    assert console.possible_log_pipes("u") == (r"\\.\pipe\u_ro", r"\\.\pipe\u_rw")


# interactive_serial_port, logging_serial_port, pipe
LOG_PIPES = [(None, None, "rw"), ("1", "2", "ro"), ("2", None, "ro"), ("2", "2", "rw")]


@pytest.mark.parametrize(("interactive", "logging", "role"), LOG_PIPES)
def test_the_log_is_that_of_the_port_that_is_only_logged_else_of_the_interactive_one(interactive, logging, role):
    wishes = {"interactive_serial_port": interactive, "logging_serial_port": logging}
    instance = make_instance(image_properties={name: value for name, value in wishes.items() if value})

    assert console.log_pipe(instance) == (names.pipe(instance.uuid, role),)


def test_a_server_that_the_retired_driver_made_is_heard_however_many_ports_its_flavor_asks_for():
    instance = make_instance(flavor=make_flavor(extra_specs={"hw:serial_port_count": "4"}))

    assert console.log_pipe(instance) == (names.pipe(instance.uuid, "rw"),)
