"""Can the host be managed at all, and is what is said to it safe?"""

from __future__ import annotations

from dataclasses import dataclass

from compute_hyperv.cim.session import CimSession, Identity
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, passed

CONNECTION_SECTION = Section("connection", "Connection")
# What WinRM says of itself (MS-WSMV 2.2.4.20, IdentifyResponse).
_WINRM = "Microsoft Corporation"


@dataclass(frozen=True, slots=True)
class _Identity:
    @property
    def description(self) -> str:
        return "WS-Management: Identify"

    def read(self, session: CimSession) -> Identity:
        return session.identify()


IDENTITY = _Identity()


@check(
    CONNECTION_SECTION,
    "answers",
    "WinRM answers",
    why="Everything is done over WinRM; nothing is installed on the host.",
    good="WinRM is running, its listener can be reached, and the account is let in.",
    by_hand="winrm quickconfig -transport:https",
    reads=(IDENTITY,),
)
def answers(context: Context) -> Finding:
    identity = context.host.of(IDENTITY)
    if identity.product_vendor != _WINRM:
        return failed(
            f"{identity.product_vendor or 'something'} {identity.product_version} answers",
            "WinRM of Windows",
            "This host is not Windows: name another, or another port.",
        )
    return passed(identity.product_version or "WinRM answers")


CHECKS = ()
