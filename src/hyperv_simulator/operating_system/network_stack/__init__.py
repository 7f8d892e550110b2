"""root/StandardCimv2 and its older relatives: adapters, addresses, teams, the firewall.

Physical adapters are stored; what follows from switches (``vEthernet`` adapters, who has which address) is computed
whenever somebody asks, so it can't disagree with Hyper-V's side.
"""

STANDARD = "root/standardcimv2"
CIMV2 = "root/cimv2"
