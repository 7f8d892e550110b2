"""``python -m demo up [--check] | stop | status``: what ``make demo`` and ``make demo-stop`` run."""

import argparse
import os
import signal
import sys

from demo.cloud.cloud import Cloud
from demo.cloud.processes import DemoError
from demo.display import Display
from demo.environment import ENDINGS, clean_environment, interrupt, only_one_at_a_time
from demo.guest_image import image_steps
from demo.settings import STATE, endpoint_url, hosts
from demo.tour.tour import Tour

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the cloud, or use the one that runs, and show it at work")
    up.add_argument("--check", action="store_true", help="stop everything afterwards; fail if anything did not work")
    commands.add_parser("stop", help="stop the cloud")
    commands.add_parser("status", help="list the cloud's processes")
    arguments = parser.parse_args()

    if os.geteuid() != 0:
        sys.exit("The demo needs root for its Samba servers; `make demo` and `make demo-stop` ask sudo for it.")
    clean_environment(hosts())
    display = Display()
    cloud = Cloud(STATE, hosts(), display)
    if arguments.command == "stop":
        display.say("The demo cloud is stopped." if cloud.processes.stop() else "The demo cloud was not running.")
        return 0
    if arguments.command == "status":
        for row in cloud.processes.status() if cloud.processes.kept else []:
            state = "running" if row.exit_status is None else f"ended, status {row.exit_status}"
            display.say(f"{row.process_id:8d}  {row.name:20s} {state}")
        return 0
    STATE.make_folders()
    with only_one_at_a_time(STATE):
        return bring_up(cloud, display, check=arguments.check)


def bring_up(cloud: Cloud, display: Display, *, check: bool) -> int:
    for ending in ENDINGS:
        signal.signal(ending, interrupt)
    status, keep = EXIT_FAILED, False
    try:
        start(cloud, display)
        try:
            Tour(cloud.processes, STATE, hosts(), display).run()
            status = 0
        finally:
            # A failed tour leaves something to look at, an interrupted one does not.
            keep = not check
    except DemoError as error:
        display.say(f"\nThe demo failed: {error}\n\nAll logs are in {STATE.log}")
    except KeyboardInterrupt:
        status, keep = EXIT_INTERRUPTED, False
        display.say("\nInterrupted.")
    finally:
        if keep:
            cloud.processes.release()
        else:
            for ending in (signal.SIGINT, *ENDINGS):
                signal.signal(ending, signal.SIG_IGN)
            with display.step("everything stopped"):
                cloud.processes.stop()
    if keep:
        display.say(how_to_use())
    display.say(f"\n{display.elapsed_s:.0f} s in all; checks: {display.passed} passed, {display.failed} failed")
    return status


def start(cloud: Cloud, display: Display) -> None:
    if cloud.runs:
        display.heading("The demo cloud is running already; `make demo-stop` stops it")
        cloud.processes.take_possession()
        return
    display.heading("Starting OpenStack and two Hyper-V hosts")
    cloud.start(*image_steps(cloud.processes, STATE))


def how_to_use() -> str:
    return f"""
The cloud is running. Use it:
    . demo/openrc
    openstack server create --image guest --flavor tiny --network blue --use-config-drive --wait mine
    openstack console log show mine
Its addresses: keystone {endpoint_url("keystone")}, the other APIs as `openstack catalog list` shows them;
Hyper-V hosts {", ".join(f"{host.name} at {host.address}" for host in hosts())} (WinRM 5985 and 5986, SMB 445),
user Administrator, password in {STATE.root / "passwords.json"}.
Its logs: {STATE.log}
Stop it:
    make demo-stop"""


if __name__ == "__main__":
    sys.exit(main())
