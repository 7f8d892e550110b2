"""``python -m demo.tempest [--regex R] [--concurrency N] [--docs]``: what ``make tempest`` runs."""

import argparse
import importlib.metadata
import os
import signal
import sys
import time

from demo.cloud.cloud import Cloud
from demo.cloud.processes import DemoError
from demo.display import Display
from demo.environment import ENDINGS, clean_environment, interrupt, only_one_at_a_time
from demo.settings import CHECKOUT, hosts
from demo.tempest import results
from demo.tempest.prepare import prepare
from demo.tempest.report import Report
from demo.tempest.results import NOT_RUN
from demo.tempest.run import EVERYTHING, Tempest
from demo.tempest.settings import STATE

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
PAGE = CHECKOUT / "docs" / "tempest.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.tempest", description=__doc__)
    parser.add_argument("--regex", default=EVERYTHING, help="which tests; all of the compute API's if not given")
    parser.add_argument("--concurrency", type=int, default=2, help="how many at once")
    parser.add_argument("--minutes", type=float, default=180, help="what has not run then, does not")
    parser.add_argument("--docs", action="store_true", help=f"write {PAGE.relative_to(CHECKOUT)}")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("The simulated hosts need root for their Samba servers; `make tempest` asks sudo for it.")
    computes = hosts(STATE)
    clean_environment(computes)
    display = Display()
    cloud = Cloud(STATE, computes, display)
    STATE.make_folders()
    for ending in ENDINGS:
        signal.signal(ending, interrupt)
    with only_one_at_a_time(STATE):
        try:
            return _run(cloud, display, arguments)
        except DemoError as error:
            display.say(f"\nTempest could not be run: {error}\n\nAll logs are in {STATE.log}")
            return EXIT_FAILED
        except KeyboardInterrupt:
            display.say("\nInterrupted.")
            return EXIT_INTERRUPTED
        finally:
            for ending in (signal.SIGINT, *ENDINGS):
                signal.signal(ending, signal.SIG_IGN)
            with display.step("everything stopped"):
                cloud.processes.stop()


def _run(cloud: Cloud, display: Display, arguments: argparse.Namespace) -> int:
    display.heading("Starting OpenStack and two Hyper-V hosts")
    cloud.start()
    with display.step("images, flavors, networks"):
        prepared = prepare(STATE)
    display.heading(f"Tempest; its own log is {STATE.log}/tempest-debug.log")
    started = time.monotonic()
    with display.live(), display.step(arguments.regex):
        tempest = Tempest(cloud.processes, STATE, prepared, len(hosts(STATE)))
        outcome = tempest.run(arguments.regex, arguments.concurrency, arguments.minutes * 60)
    report = Report(
        results.by_test(outcome.tests, outcome.results),
        arguments.regex,
        time.monotonic() - started,
        arguments.concurrency,
        importlib.metadata.version("tempest"),
    )
    display.console.print(report.table())
    page = PAGE if arguments.docs else STATE.root / PAGE.name
    page.write_text(report.page(), encoding="utf-8")
    display.say(f"Each test that did not pass is in {page}, with the reason.")
    for name in report.defects:
        display.say(f"fails for no known reason: {name}")
    return 0 if report.tests and not report.defects and not report.count(NOT_RUN) else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
