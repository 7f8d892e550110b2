"""What a simulator that can't start ends in."""


class StartError(Exception):
    """A host can't start on this machine; the message is one line, remedy included."""
