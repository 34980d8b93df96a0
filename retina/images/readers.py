"""Pillow's readers of the formats, held to what reading a photograph can ask for.

A file of a megabyte can ask for hours or for gigabytes: by millions of empty chunks, by EXIF whose
entries all cover the whole of it, by passes over 100 million pixels that change nothing. What asks
for more than any camera's file does fails here, as damage does.
"""

import io
import logging
import re
import warnings
from collections.abc import Callable

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import SAFEBLOCK, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

_MAX_READS = 200_000
_MAX_EXIF = 2**16  # bytes: the length of a JPEG's segment
_MAX_EXIF_SEGMENTS = 64  # of all pictures in the file
_MAX_SCANS = 50  # libjpeg's own progressive files have 10


class Unreasonable(Exception):  # noqa: N818
    """Reading a file asks for more than a photograph can."""


class Rationed(io.BytesIO):
    """Bytes that can be read so often, and four times over, and no more.

    Raises:
        Unreasonable: By ``read``, when that is used up.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads = _MAX_READS
        self._bytes = 4 * len(data) + _MAX_EXIF

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file's, but for at most ``SAFEBLOCK`` bytes at once, unless it is for all."""
        data = super().read(size if size is None else min(size, SAFEBLOCK))
        self._reads -= 1
        self._bytes -= len(data)
        if min(self._reads, self._bytes) < 0:
            raise Unreasonable("it is read too often")
        return data


class _Guarded(ImageFile):
    """A picture whose EXIF is not parsed where it is longer than JPEG allows."""

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


# What is wrong with a file is said in a sentence, and not by Pillow as well.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())

# Not Image.open, which warns of large pictures before their size can be read, and tries formats
# that are none of ours.
READERS: tuple[tuple[re.Pattern[bytes], str, Callable[[bytes], ImageFile]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG", read_jpeg),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG", lambda data: _Png(Rationed(data))),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), "TIFF", lambda data: TiffImageFile(Rationed(data))),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP", lambda data: _WebP(Rationed(data))),
    (re.compile(rb"BM"), "BMP", lambda data: BmpImageFile(Rationed(data))),
)
"""How each format begins, what it is called, and what reads its header; no other is ever tried."""
