"""Options of the mechanism driver: group ``[ml2_hyperv]`` of the file that neutron-server reads (``ml2_conf.ini``).

Which virtual switch serves a physical network is not said here: each nova-compute knows the switches of its own host
(``[hyperv] physical_network_vswitch_mappings``).
"""

from oslo_config import cfg

GROUP = "ml2_hyperv"

OPTIONS = (
    cfg.ListOpt(
        "hosts",
        default=["*"],
        help="""
Names of the hosts whose ports this driver binds: shell patterns, matched against the host name of nova-compute
(``[DEFAULT] host``) without regard to case. A host on which Neutron knows an L2 agent of another kind is never bound
by this driver, whatever stands here; so the default is right unless the cloud has compute hosts that are neither
Hyper-V nor served by an agent.

Examples: ``hv*``, ``*.hyperv.example.org``.
""",
    ),
    cfg.ListOpt(
        "physical_networks",
        default=["*"],
        help="""
Physical networks that the Hyper-V hosts are connected to: shell patterns. A network segment on any other physical
network is left to the other mechanism drivers.
""",
    ),
)


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTIONS, GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Entry point ``oslo.config.opts``: what the sample file and the documentation are made of."""
    return [(GROUP, list(OPTIONS))]
