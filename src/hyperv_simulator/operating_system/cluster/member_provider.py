"""What every provider of a cluster's classes begins with: the node that is asked, and its cluster."""

from __future__ import annotations

from hyperv_simulator.operating_system.cluster import MSCLUSTER
from hyperv_simulator.operating_system.cluster.member import Member
from hyperv_simulator.providers.base import Provider


class MemberProvider(Provider):
    namespace = MSCLUSTER

    def __init__(self, member: Member) -> None:
        self._member = member
        self._cluster = member.cluster
