"""``hosts.toml`` to plain values: what the simulated hosts are like.

What lives here and only here: the keys of the file, their defaults, and every check that needs nothing but the file.
One file per table of a host; a host's own keys are in ``host``.
Rule 1: a key is declared once, as a field of a dataclass; reading, type checks and error texts follow from the field.
Rule 2: a wrong file ends in one ``ConfigError`` whose message names the host, the key, the value and what to write.
Rule 3: no I/O but reading the file. Whether a port is free is found out by whoever listens on it.
"""
