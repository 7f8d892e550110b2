"""Recorded hosts: a real or simulated host read over WS-Man, and simulated hosts that answer as it did.

::

    dump.read_host(session)  →  Recording  →  describe.hosts_toml   the facts, as keys of hosts.toml
                                           →  replay.begin          what the facts do not tell: instances as recorded

Rule 1: reading changes nothing on the host: Enumerate and queries only, no method, and no class whose reading does
something or reads whole disks, logs or domains.
Rule 2: what lives in the simulator stays alive: machines and switches of a recording are machines and switches that can
be started and changed; only what has no behaviour of its own is served as it was recorded.
"""
