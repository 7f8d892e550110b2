"""What a screen shows, and how Hyper-V hands it out: RGB565, little endian, rows from the top, without a header.

Source: hyperv-ops 11; GetVirtualSystemThumbnailImage's page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a host whose screens nobody looks at need not wait for it
    from PIL.Image import Image

Colour = tuple[int, int, int]
_LINE_HEIGHT = 18
_MARGIN = 8


@dataclass(frozen=True, slots=True)
class Picture:
    """:param rgb: three bytes per pixel."""

    width: int
    height: int
    rgb: bytes

    @classmethod
    def read(cls, file: Path) -> Picture:
        """A picture in a file of any usual format."""
        from PIL import Image

        with Image.open(file) as image:
            return cls._of(image.convert("RGB"))

    @classmethod
    def of_text(cls, lines: Sequence[str], width: int, height: int, *, ink: Colour, paper: Colour) -> Picture:
        """The last lines that there is room for, as a text console shows them."""
        from PIL import Image, ImageDraw, ImageFont

        image = Image.new("RGB", (width, height), paper)
        draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
        for number, line in enumerate(lines[-((height - _MARGIN) // _LINE_HEIGHT) :]):
            draw.text((_MARGIN, _MARGIN + number * _LINE_HEIGHT), line, fill=ink, font=font)
        return cls._of(image)

    @classmethod
    def _of(cls, image: Image) -> Picture:
        return cls(image.width, image.height, image.tobytes())

    def save(self, file: Path) -> None:
        """As the file's extension says."""
        from PIL import Image

        Image.frombytes("RGB", (self.width, self.height), self.rgb).save(file, compress_level=1)

    def rgb565(self, width: int, height: int) -> bytes:
        """Scaled to the size that is asked for: 2 * width * height bytes."""
        from PIL import Image

        scaled = Image.frombytes("RGB", (self.width, self.height), self.rgb).resize((width, height))
        red, green, blue = (band.tobytes() for band in scaled.split())
        found = bytearray(2 * width * height)
        found[0::2] = bytes((g << 3 & 0xE0) | b >> 3 for g, b in zip(green, blue, strict=True))
        found[1::2] = bytes((r & 0xF8) | g >> 5 for r, g in zip(red, green, strict=True))
        return bytes(found)
