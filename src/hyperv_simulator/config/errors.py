"""What a wrong hosts.toml ends in."""


class ConfigError(Exception):
    """hosts.toml (or a value given in code) is wrong; the message is one line, remedy included."""
