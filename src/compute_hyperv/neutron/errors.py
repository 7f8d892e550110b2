"""Why a port is not bound."""


class PortRefused(Exception):
    """Hyper-V cannot have such a port; the message says what to change."""
