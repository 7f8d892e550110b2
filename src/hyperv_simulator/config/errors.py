"""What a wrong hosts.toml ends in."""


class ConfigError(Exception):
    """hosts.toml (or a value given in code) is wrong.

    Where a table's own checks raise it (or a ``ValueError``), the message begins with the key that it is about, so that
    the reader finds the key's line: "memory_mb is 1; write a whole number, 512 or more".

    :param problems: one line each, remedy included.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
