"""NUMA nodes, and machines that span them."""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance
from compute_hyperv.readiness.changes import plans
from compute_hyperv.readiness.context import Context
from compute_hyperv.readiness.model import Finding, Section, check, failed, not_applicable, passed
from compute_hyperv.readiness.sources import VIRTUALIZATION, Instances
from compute_hyperv.readiness.windows import COMPUTER, HYPERV_SETTINGS

NUMA = Section("numa", "NUMA spanning configuration")

NODES = Instances(
    VIRTUALIZATION,
    "Msvm_NumaNode",
    ("NodeID", "NumberOfLogicalProcessors", "CurrentlyConsumableMemoryBlocks"),
    optional=True,
)
_OFF = "Set-VMHost -NumaSpanningEnabled $false\nRestart-Service vmms"


def _node_size(context: Context) -> tuple[int, int]:
    """Logical processors and MiB of memory of one node; nodes of a machine are alike."""
    nodes = context.host.of(NODES)
    processors = min((each.integer("NumberOfLogicalProcessors", 0) for each in nodes), default=0)
    memory_mb = context.host.one(COMPUTER).integer("TotalPhysicalMemory", 0) // 1024**2
    return processors, memory_mb // max(len(nodes), 1)


@check(
    NUMA,
    "nodes",
    "NUMA nodes",
    why="Memory of another node is slower; Nova places instances with hw:numa_nodes by what the nodes have.",
    good="The nodes are known.",
    by_hand="Get-VMHostNumaNode",
    reads=(NODES, COMPUTER),
)
def nodes(context: Context) -> Finding:
    found = context.host.of(NODES)
    if not found:
        return not_applicable("Hyper-V is not installed")
    processors, memory_mb = _node_size(context)
    details = tuple(map(_told, found))
    return passed(f"{len(found)} with {processors} logical processors and {memory_mb} MiB each", details=details)


def _told(node: CimInstance) -> str:
    number = node.text("NodeID").rpartition("\\")[2]  # Microsoft:PhysicalNode\0
    free_mb = node.integer("CurrentlyConsumableMemoryBlocks", 0)  # blocks of 1 MiB
    return f"node {number}: {node.integer('NumberOfLogicalProcessors', 0)} processors, {free_mb} MiB free"


@check(
    NUMA,
    "spanning",
    "NUMA spanning",
    why="With it, a machine that fits into no node is spread over several and runs slower; without it, such a machine "
    "does not start, and memory can be left over that no machine can use.",
    good="As [hyperv] numa_spanning says; where that is not set, either. With one node it makes no difference.",
    by_hand=_OFF,
    reads=(NODES, COMPUTER, HYPERV_SETTINGS),
    changes=plans.numa_spanning,
)
def spanning(context: Context) -> Finding:
    settings = context.host.of(HYPERV_SETTINGS)
    count = len(context.host.of(NODES))
    if not settings or not count:
        return not_applicable("Hyper-V is not installed")
    if count == 1:
        return passed("one node: it makes no difference")
    enabled = settings[0].boolean("NumaSpanningEnabled", True)
    state = "on" if enabled else "off"
    wanted = context.wanted.numa_spanning
    details = _cost(context, enabled=enabled)
    if wanted is not None and wanted is not enabled:
        return failed(
            state,
            "on" if wanted else "off",
            f"Set-VMHost -NumaSpanningEnabled ${'true' if wanted else 'false'}; Restart-Service vmms; it counts for "
            "machines that start after that.",
            details=details,
        )
    return passed(state, details=details)


def _cost(context: Context, *, enabled: bool) -> tuple[str, ...]:
    """Which machines notice, and the flavors among them."""
    processors, memory_mb = _node_size(context)
    effect = "are spread over nodes and run slower" if enabled else "do not start"
    lines = [f"Machines with more than {memory_mb} MiB or {processors} processors {effect}."]
    too_big = [each for each in context.wanted.flavors if each.memory_mb > memory_mb or each.vcpus > processors]
    lines += [f"Flavor {each.name} ({each.vcpus} vCPUs, {each.memory_mb} MiB) is one of them." for each in too_big]
    if context.wanted.flavors and not too_big:
        lines.append("None of the flavors is one of them.")
    return tuple(lines)


CHECKS = (nodes, spanning)
