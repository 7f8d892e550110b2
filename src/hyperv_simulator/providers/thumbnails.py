"""GetVirtualSystemThumbnailImage: a machine's screen, as small as it is wanted.

A machine that is off has no screen: 32775 (assumption; the code is among the documented ones). One that is saved shows
what it showed then.
"""

from __future__ import annotations

from collections.abc import Mapping

from hyperv_simulator.guests.base import GuestError
from hyperv_simulator.machines.registry import Machines
from hyperv_simulator.outcomes import FAILED, INVALID_PARAMETER, INVALID_STATE, Refused
from hyperv_simulator.providers.base import Call, Method, Outputs, done

# More pixels than any screen of a machine has, so that nobody asks for gigabytes (assumption).
_LARGEST = 1 << 12


class Thumbnails:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    def methods(self) -> Mapping[str, Method]:
        return {"GetVirtualSystemThumbnailImage": self._get}

    def _get(self, call: Call) -> Outputs:
        machine = self._machines.of(call.target_of("TargetSystem"))
        width, height = call.integer("WidthPixels"), call.integer("HeightPixels")
        if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
            raise Refused(INVALID_PARAMETER, f"{width} x {height} pixels")
        try:
            picture = machine.picture()
        except GuestError as error:
            raise Refused(FAILED, error.text) from None
        if picture is None:
            raise Refused(INVALID_STATE, "the machine has no screen")
        return done(ImageData=picture.rgb565(width, height))
