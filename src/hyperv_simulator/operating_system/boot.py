"""What ``bcdedit`` keeps of the running system's boot entry; it counts from the next start on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_DEFAULTS: Mapping[str, str] = {"nx": "OptOut", "bootmenupolicy": "Standard", "hypervisorlaunchtype": "Auto"}


class BootSettings:
    """The entry ``{current}``.

    :param at_start: the settings with which Windows has started.
    """

    def __init__(self, kept: Mapping[str, str], changed: Callable[[Any], None]) -> None:
        self._kept = dict(kept)
        self._changed = changed
        self.at_start: Mapping[str, str] = self.settings

    @property
    def settings(self) -> dict[str, str]:
        return {**_DEFAULTS, **self._kept}

    def set(self, name: str, value: str) -> None:
        self._kept[name.lower()] = value.capitalize()
        self._changed(self._kept)

    def delete(self, name: str) -> bool:
        """Back to the default; whether there was anything to take back."""
        if name.lower() not in self._kept:
            return False
        del self._kept[name.lower()]
        self._changed(self._kept)
        return True
