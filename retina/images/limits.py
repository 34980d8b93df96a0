"""Limits of size and memory that hold for photographs of every format."""

import io
import re
from collections.abc import Callable

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import SAFEBLOCK, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from retina.errors import TooLarge, TooSmall, Truncated, Unsupported

MAX_PIXELS = 100_000_000
MAX_WEBP_PIXELS = 40_000_000  # Pillow's reader keeps four copies
MAX_BYTES = 2**29
MIN_SIDE = 16
MAX_ASPECT = 10
FORMATS = "JPEG, PNG, TIFF, WebP, BMP or DICOM"
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".dcm")


def refuse_bytes(count: int, name: str) -> None:
    """Raise where a file is too large to be read into memory.

    Raises:
        TooLarge: It has more than ``MAX_BYTES``.
    """
    if count > MAX_BYTES:
        raise TooLarge(
            f"{name} is larger than {MAX_BYTES // 2**20} MiB; export the photograph as a JPEG."
        )


def refuse_size(width: int, height: int, name: str, most: int = MAX_PIXELS) -> None:
    """Raise where an image has too many pixels to be decoded safely, or too few to be graded.

    Raises:
        TooLarge: It has more than ``most`` pixels.
        TooSmall: A side has less than ``MIN_SIDE``.
        Unsupported: A side is more than ``MAX_ASPECT`` times the other; to resize such a strip
            would take memory beyond any measure.
    """
    if width * height > most:
        raise TooLarge(
            f"{name} has {width} x {height} pixels, more than {most // 1_000_000} million; "
            "export it smaller."
        )
    if min(width, height) < MIN_SIDE:
        raise TooSmall(f"{name} has only {width} x {height} pixels; give the camera's own picture.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise Unsupported(
            f"{name} is a strip of {width} x {height} pixels; give the camera's own picture."
        )


def damaged(name: str) -> Truncated:
    """The error for an image that ends too early or contradicts itself."""
    return Truncated(f"{name} is cut off or damaged; copy or export it again.")


LARGE = 25_000_000
"""Pixels, above which a picture is made smaller: more than data sets have but as JPEG."""

_BAND = 2**20  # pixels


def reduction(size: tuple[int, int], at_least: int | None) -> int:
    """The factor by which a large image is reduced: 1, 2, 4 or 8, as by the decoder of JPEG.

    Args:
        size: Its width and height.
        at_least: What the shorter side has to keep, in pixels; None: nothing may be lost.
    """
    if at_least is None or size[0] * size[1] <= LARGE:
        return 1
    return next((factor for factor in (8, 4, 2) if min(size) >= factor * at_least), 1)


def in_bands(
    size: tuple[int, int], band: Callable[[int, int], Image.Image], factor: int = 1
) -> Image.Image:
    """Assemble an image from bands.

    Args:
        size: Its width and height.
        band: Gives the rows from the first to before the second, as RGB.
        factor: How many times smaller it is to be; each pixel is then the mean of a square.
    """
    width, height = size
    step = max(1, _BAND // width // factor) * factor
    whole = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, step):
        part = band(top, min(top + step, height))
        whole.paste(part if factor == 1 else part.reduce(factor), (0, top // factor))
    return whole


_MAX_READS = 200_000
_MAX_EXIF = 2**16  # bytes: the length of a JPEG's segment
_MAX_EXIF_SEGMENTS = 64  # of all images in the file
_MAX_SCANS = 50  # libjpeg's own progressive files have 10


class Unreasonable(Exception):  # noqa: N818
    """Raised where a file needs more work than a photograph can."""


class Rationed(io.BytesIO):
    """Bytes with a limit on the number of reads, and on four times their length in all.

    Raises:
        Unreasonable: By ``read``, when that is used up.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads = _MAX_READS
        self._bytes = 4 * len(data) + _MAX_EXIF

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most ``SAFEBLOCK`` bytes at once, unless asked for all."""
        data = super().read(size if size is None else min(size, SAFEBLOCK))
        self._reads -= 1
        self._bytes -= len(data)
        if min(self._reads, self._bytes) < 0:
            raise Unreasonable("it is read too often")
        return data


class _Guarded(ImageFile):
    """An image whose EXIF is not parsed where it is longer than JPEG allows."""

    def getexif(self) -> Image.Exif:
        for name in ("exif", "Raw profile type exif"):
            if len(self.info.get(name, "")) > _MAX_EXIF:
                raise Unreasonable("its EXIF is too long")
        return super().getexif()


class _Jpeg(_Guarded, JpegImageFile):
    pass


class _Png(_Guarded, PngImageFile):
    pass


class _WebP(_Guarded, WebPImageFile):
    pass


def read_jpeg(data: bytes) -> ImageFile:
    """Read a JPEG's header.

    Raises:
        Unreasonable: It has more scans, or more EXIF, than a photograph can.
        Exception: It is damaged.
    """
    if data.count(b"\xff\xda") > _MAX_SCANS or data.count(b"Exif\0\0") > _MAX_EXIF_SEGMENTS:
        raise Unreasonable("it has too many scans or too much EXIF")
    return _Jpeg(Rationed(data))


# Not Image.open, which warns of large images before their size can be read, and tries formats
# that are none of ours.
READERS: tuple[tuple[re.Pattern[bytes], str, Callable[[bytes], ImageFile]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG", read_jpeg),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG", lambda data: _Png(Rationed(data))),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), "TIFF", lambda data: TiffImageFile(Rationed(data))),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP", lambda data: _WebP(Rationed(data))),
    (re.compile(rb"BM"), "BMP", lambda data: BmpImageFile(Rationed(data))),
)
"""How each format begins, what it is called, and what reads its header; no other is ever tried."""
