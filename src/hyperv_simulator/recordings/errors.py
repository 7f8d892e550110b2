"""What a recording that can't be used ends in."""


class RecordingError(Exception):
    """The file or the host can't be recorded or replayed; the message is one line, remedy included."""
