"""root/MSCluster: a failover cluster of simulated hosts.

``state`` is the cluster itself, one object for all of its nodes; each node has a ``Member`` that shows it in the node's
own repository and does there what the cluster decides.
"""

MSCLUSTER = "root/mscluster"
