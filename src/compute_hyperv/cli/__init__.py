"""``compute-hyperv``: readiness of hosts, for an operator at a terminal.

Built on cliff, as OpenStack's own commands are.

``app`` is the frame, ``targets`` makes hosts of arguments; each command has a file of its own.
"""
