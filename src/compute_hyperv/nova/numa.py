"""The host's NUMA nodes, as Nova's scheduler fits servers to them.

Nodes have no dedicated processors and no large pages, since Hyper-V gives neither to single machines: a server that
asks for such goes to another host. The smallest page has to be there, because Nova counts a server's memory in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from nova.objects import network_metadata, numa

from compute_hyperv.host.model import NumaNode

SMALL_PAGE_KB = 4


def host_topology(nodes: Sequence[NumaNode]) -> str | None:
    """In the form that ``ComputeDriver.get_available_resource`` asks for; None where the host tells of no nodes."""
    if not nodes:
        return None
    cells = []
    first_free = 0
    for node in nodes:
        # Nova wants each processor in one node only, and no source says that Hyper-V's numbers go on across nodes.
        processors = set(range(first_free, first_free + len(node.processors)))
        first_free += len(processors)
        cells.append(_cell(node, processors))
    return str(numa.NUMATopology(cells=cells)._to_json())


def _cell(node: NumaNode, processors: set[int]) -> numa.NUMACell:
    pages = numa.NUMAPagesTopology(
        size_kb=SMALL_PAGE_KB, total=node.memory_mb * 1024 // SMALL_PAGE_KB, used=0, reserved=0
    )
    return numa.NUMACell(
        id=node.number,
        cpuset=processors,
        pcpuset=set(),
        memory=node.memory_mb,
        cpu_usage=0,
        memory_usage=0,
        pinned_cpus=set(),
        siblings=[],
        mempages=[pages],
        network_metadata=network_metadata.NetworkMetadata(physnets=set(), tunneled=False),
        socket=None,
    )
