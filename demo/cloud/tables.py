"""The services' tables and first records, made once per checkout: ``*-manage`` commands, as the install guides say."""

import os
import pwd
import sys

from demo.cloud.config import database_url
from demo.cloud.processes import Processes
from demo.settings import REGION, State, endpoint_url

# Within this time the slowest of them has to be done on a busy machine; on an idle one it takes 20 s.
TIMEOUT_S = 240


def make_keystone(processes: Processes, state: State) -> None:
    url = endpoint_url("keystone")
    user = pwd.getpwuid(os.geteuid()).pw_name
    owner = ["--keystone-user", user, "--keystone-group", user]
    for folder in ("fernet-keys", "credential-keys"):
        (state.data / "keystone" / folder).mkdir(parents=True, exist_ok=True)
    urls = [word for kind in ("admin", "internal", "public") for word in (f"--bootstrap-{kind}-url", url)]
    _manage(
        processes,
        "keystone.cmd.manage",
        ["--config-file", str(state.etc / "keystone" / "keystone.conf")],
        ["db_sync"],
        ["fernet_setup", *owner],
        ["credential_setup", *owner],
        ["bootstrap", "--bootstrap-password", state.passwords["admin"], "--bootstrap-region-id", REGION, *urls],
    )


def make_nova(processes: Processes, state: State) -> None:
    _manage(
        processes,
        "nova.cmd.manage",
        ["--config-file", str(state.etc / "nova" / "nova.conf")],
        ["api_db", "sync"],
        ["cell_v2", "map_cell0", "--database_connection", database_url(state, "nova_cell0")],
        ["db", "sync"],
        ["cell_v2", "create_cell", "--name", "cell1"],
    )


def make_neutron(processes: Processes, state: State) -> None:
    folder = state.etc / "neutron"
    files = ["--config-file", str(folder / "neutron.conf"), "--config-file", str(folder / "ml2_conf.ini")]
    _manage(processes, "neutron.db.migration.cli", files, ["upgrade", "heads"])


def make_placement(processes: Processes, state: State) -> None:
    file = ["--config-file", str(state.etc / "placement" / "placement.conf")]
    _manage(processes, "placement.cmd.manage", file, ["db", "sync"])


def make_glance(processes: Processes, state: State) -> None:
    file = ["--config-file", str(state.etc / "glance" / "glance-api.conf")]
    _manage(processes, "glance.cmd.manage", file, ["db_sync"])


def _manage(processes: Processes, module: str, options: list[str], *commands: list[str]) -> None:
    words = [word for command in commands for word in ("--", *options, *command)]
    name = module.partition(".")[0]
    argv = [sys.executable, "-m", "demo.cloud.manage", module, *words]
    processes.run(argv, log=f"{name}-manage", timeout_s=TIMEOUT_S)
