"""Why a test does not pass, where that is known: a table of what tempest says, or which test it is, and the reason.

A test that fails without a row here is a defect, and ``make tempest`` fails.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from demo.tempest.results import Result


@dataclass(frozen=True)
class Reason:
    """:param test: a pattern that the test's name contains.  :param said: one that tempest's own reason contains.
    :param outcome: the kind of result that it explains.
    """

    outcome: str
    because: str
    test: str = ""
    said: str = ""

    def explains(self, name: str, result: Result) -> bool:
        return (
            result.outcome == self.outcome
            and re.search(self.test, name) is not None
            and re.search(self.said, result.reason, re.IGNORECASE) is not None
        )


_VOLUMES = "Cinder is not part of this cloud: volumes are not supported by the driver yet."
_MOVES = "Moving a server between hosts, resizing it included, is not supported by the driver yet."
_CONSOLES = "Graphical consoles are not supported by the driver yet."
_BUSES = "A Hyper-V machine of generation 2 has SCSI disks only; the driver refuses any other bus."
_GUEST = "It logs in to guests, or waits for an answer of theirs; the guests here are state machines."

TABLE = (
    Reason("skip", _VOLUMES, said=r"cinder|volume"),
    Reason("skip", _MOVES, said=r"migrat|resize"),
    Reason("skip", _MOVES, test=r"migrat|resize", said=r"not available|not enabled|not supported"),
    Reason("skip", _CONSOLES, said=r"vnc|spice|serial|console"),
    Reason("skip", "Image signatures need Barbican and signed images.", said=r"certificate|barbican"),
    Reason("skip", _BUSES, said=r"ide bus"),
    Reason("fail", _BUSES, test=r"rescue_disk_(usb|virtio)", said=r"boots from SCSI only"),
    Reason("skip", _GUEST, said=r"valid|ssh|password|guest"),
    Reason("skip", "It tests a microversion that the API does not have any more, or not yet.", said=r"microversion"),
    Reason("skip", "Tempest skips it itself, because of a bug in OpenStack that it names.", said=r"bug|launchpad"),
    Reason("skip", "nova-network is gone, and its API with it.", said=r"nova-network|nova network"),
    Reason(
        "skip",
        "Neutron has the security groups, and takes what nova-network did not.",
        said=r"neutron (allows|does not)",
    ),
    Reason("skip", "Networks are made automatically only where there is none for everybody.", said=r"shared networks"),
    Reason("skip", "Quotas are in Nova's database, as is the default, not in Keystone.", said=r"unified"),
)


def explanation(name: str, result: Result, table: Iterable[Reason] = TABLE) -> str | None:
    """Why the test did not pass; None where the table does not say."""
    return next((reason.because for reason in table if reason.explains(name, result)), None)
