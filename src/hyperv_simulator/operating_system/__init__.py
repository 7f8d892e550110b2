"""Windows around Hyper-V: what a host's operating system tells of itself, and what can be changed about it.

One file per area, with the area's instances and the provider of its methods: computer, network, services. Hyper-V's own
classes are in ``instances`` (what is there) and ``providers`` (what it does).
"""
