"""The control endpoint: what a person or a test of another process does to simulated hosts while they run.

What lives here and only here: the socket, its messages, and which command does what. It is no part of what a Hyper-V
host answers; no client of a host needs it.

``<state folder>/control.sock`` is a Unix socket that only the user who runs the simulator may open. A client sends one
JSON object a line and gets one JSON object a line, in the same order:

====================================================================  =================================================
request                                                               result
====================================================================  =================================================
``{"command": "state"}``                                              a list of hosts: name, address, version, requests,
                                                                      faults, running, machines, disk_full
``{"command": "faults"}``                                             a list of rules: host, number, seen, rule
``{"command": "add-fault", "rule": {"effect": "reboot"}}``            a list of host and number
``{"command": "remove-fault", "number": 3}``                          how many were taken away
``{"command": "clear-faults"}``                                       none
``{"command": "reboot"}``                                             none; the host is away from now on
``{"command": "jump-clock", "seconds": -3600}``                       none
``{"command": "fill-disk", "full": true}``                            none
====================================================================  =================================================

Each takes ``"host": "hv1"``; without it, all hosts are meant. The answer is ``{"result": …}``, or ``{"error": "…"}``
with one line that says what to do.
"""
