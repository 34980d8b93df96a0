"""Simple pictures for the tests of this room."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Colour = tuple[int, int, int]


def disc(
    size: tuple[int, int],
    centre: tuple[float, float],
    radii: tuple[float, float],
    colour: Colour = (180, 90, 40),
    border: Colour = (0, 0, 0),
) -> Image.Image:
    """An ellipse of one colour on a border of another; centre and radii as (x, y) in pixels."""
    width, height = size
    y, x = np.mgrid[:height, :width] + 0.5
    inside = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 <= 1
    pixels = np.where(inside[..., None], colour, border)
    return Image.fromarray(pixels.astype(np.uint8))


def gradient(width: int = 64, height: int = 48) -> Image.Image:
    """A colour gradient in which no corner is like another, for orientation and colour."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, 255 - x * 255 // width], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_of_size(width: int, height: int, colour_type: int = 2) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    return _png(width, height, 8, colour_type, b"")


def png_16_bit(pixels: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit RGB PNG of (H, W, 3) values, which Pillow cannot write."""
    rows = pixels.astype(">u2")
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    return _png(pixels.shape[1], pixels.shape[0], 16, 2, data)


def tiff_16_bit(pixels: npt.NDArray[np.uint16]) -> bytes:
    """An uncompressed little-endian 16-bit RGB TIFF of (H, W, 3) values."""
    height, width, _ = pixels.shape
    bits, data = struct.pack("<3H", 16, 16, 16), pixels.astype("<u2").tobytes()
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 14),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
    ]
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 14 + len(data)) + bits + data + directory


def cmyk_profile(cyan: tuple[int, int, int]) -> bytes:
    """An ICC profile whose paper is white, whose black is black, and whose pure cyan is given.

    Built to ICC.1:2001-04, a lut8Type table with two grid points a channel; cyan is CIELAB, L in
    percent. All other mixtures are black.
    """
    corners = np.zeros((2, 2, 2, 2, 3), np.uint8)
    corners[...] = (0, 128, 128)
    corners[0, 0, 0, 0] = (255, 128, 128)
    corners[1, 0, 0, 0] = (round(cyan[0] * 2.55), 128 + cyan[1], 128 + cyan[2])
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity
    table += ramp * 4 + corners.tobytes() + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = struct.pack(">I4sII", 2, b"wtpt", 156, len(white))
    tags += struct.pack(">4sII", b"A2B0", 156 + len(white), len(table))
    size = 156 + len(white) + len(table)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + tags + white + table


def _png(width: int, height: int, depth: int, colour_type: int, data: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
