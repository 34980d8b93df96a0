"""Decode a file to an upright RGB image, or say in one sentence why it cannot be.

Colours are taken as they are stored: an embedded RGB profile is not applied. Fundus cameras write
sRGB or no profile at all, and so do the data sets that the networks learn from. CMYK has no meaning
without its profile, so there it is applied, or the file is refused.
"""

import codecs
import hashlib
import io
import math
import os
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms
from PIL.ImageFile import ImageFile

from retina.errors import (
    ImageError,
    MissingFile,
    NotAPicture,
    Truncated,
    Unsupported,
)
from retina.images.dicom import SIGNATURE as DICOM
from retina.images.dicom import read_dicom
from retina.images.limits import (
    FORMATS,
    MAX_PIXELS,
    MAX_WEBP_PIXELS,
    READERS,
    Unreasonable,
    damaged,
    in_bands,
    reduction,
    refuse_bytes,
    refuse_size,
)
from retina.images.photograph import Photograph
from retina.images.prepare import Preprocessing, normalise

_REFUSED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"%PDF-"), "is a PDF document"),
    (re.compile(rb"GIF8[79]a"), "is a GIF, a format for animations and drawings"),
    (re.compile(rb".{4}ftyp(avif|avis)", re.DOTALL), "is an AVIF picture"),
    (re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL), "is a HEIC picture"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), "is a JPEG 2000 picture"),
    (re.compile(rb"PK\x03\x04"), "is a ZIP archive"),
    (
        re.compile(rb"\s*(<!--(?:(?!-->).)*-->\s*)*(<!doctype html|<html)", re.DOTALL | re.I),
        "is a web page",
    ),
    (re.compile(rb"\s*<.{0,2000}?<svg\b|\s*<svg\b", re.DOTALL | re.I), "is an SVG drawing"),
)

_GREYSCALE = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"}
_COLOUR = {"RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr", "CMYK"}

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)


def read_photograph(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    at_least: int | None = None,
    name: str | None = None,
) -> Photograph:
    """Read a photograph from a path or a file opened in binary mode.

    The EXIF orientation is applied, transparency is laid over black, a palette and 16 bits a
    channel become 8-bit RGB, CMYK is converted with its embedded profile.

    Args:
        source: A path, or a binary file, which is read from where it stands and left open.
        at_least: A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is several times
            quicker, and any image of more than 25 million pixels be reduced as much, as long as
            its shorter side keeps this many pixels and the retina half of them. None: full size.
        name: What to call the photograph; the file's own name if None.

    Raises:
        ImageError: One of its kinds, with a sentence that says what is wrong and how to mend it.
    """
    name = _base_name(_name_of(source) if name is None else name)
    start = None if isinstance(source, str | os.PathLike) else _position(source)
    data = _read_bytes(source, name)
    sha256 = hashlib.sha256(data).hexdigest()
    dicom = read_dicom(data, name, at_least) if DICOM.match(data) else None
    image = dicom.image if dicom else _open(data, name)
    del data  # of a large file, before there are its pixels too
    width, height = dicom.size if dicom else image.size
    _refuse_unfit(image, name)
    if at_least is not None:
        image.draft(None, (at_least, at_least))
    try:
        image.load()
        # Viewers of DICOM look at no EXIF inside it.
        orientation = 1 if dicom else image.getexif().get(ExifTags.Base.Orientation, 1)
        upright = _to_rgb(image, name, at_least)
        del image
    except (ImageError, MemoryError):
        raise
    except Unreasonable as error:
        raise _unreasonable(name) from error
    except Exception as error:
        raise damaged(name) from error
    if orientation in _SIDEWAYS:
        width, height = height, width
    if orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
    upright.info.clear()
    patient, eye = (dicom.patient, dicom.eye) if dicom else ("", "")
    photograph = Photograph(name, sha256, width, height, upright, patient, eye)
    if at_least is not None and upright.width < width:
        left, top, right, bottom = photograph.field_of_view.box
        retina = min(right - left, bottom - top)
        if 2 * retina < at_least:
            enough = math.ceil(at_least * min(upright.size) / (2 * retina))
            if start is not None:
                source.seek(start)  # type: ignore[union-attr]
            if start is not None or isinstance(source, str | os.PathLike):
                return read_photograph(source, at_least=enough, name=name)
    return photograph


def load_fundus(
    source: str | os.PathLike[str] | BinaryIO, *, at_least: int | None = None
) -> Image.Image:
    """Return the image of ``read_photograph``, which documents arguments and errors."""
    return read_photograph(source, at_least=at_least).image


def _name_of(source: str | os.PathLike[str] | BinaryIO) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the photograph"


def _position(file: BinaryIO) -> int | None:
    """The position of a file; None if it cannot seek."""
    seekable = getattr(file, "seekable", None)
    return file.tell() if seekable is not None and seekable() else None


def _base_name(name: str) -> str:
    base = re.split(r"[\\/]", name.rstrip("\\/"))[-1]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in base) or "."


def _read_bytes(source: str | os.PathLike[str] | BinaryIO, name: str) -> bytes:
    if not isinstance(source, str | os.PathLike):
        return source.read()
    path = Path(source)
    try:
        if path.is_dir():
            raise Unsupported(f"{name} is a folder; give the photographs in it instead.")
        if path.exists() and not path.is_file():
            raise Unsupported(f"{name} is not an ordinary file; give a {FORMATS} file.")
        refuse_bytes(path.stat().st_size, name)
        return path.read_bytes()
    except ImageError:
        raise
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise MissingFile(f"{name} does not exist; check its name and folder.") from error
    except OSError as error:
        raise ImageError(
            f"{name} cannot be read ({error.strerror}); check its permissions and its disk."
        ) from error


def _open(data: bytes, name: str) -> ImageFile:
    """Read the header of an image, without decoding its pixels."""
    if not data:
        raise NotAPicture(f"{name} is empty; copy it again from where it came.")
    head = data[:4096].removeprefix(codecs.BOM_UTF8)
    for signature, what in _REFUSED:
        if signature.match(head):
            raise Unsupported(f"{name} {what}; export the photograph as {FORMATS}.")
    for signature, kind, reader in READERS:
        if signature.match(head):
            try:
                return reader(data)
            except MemoryError:
                raise
            except Unreasonable as error:
                raise _unreasonable(name) from error
            except Exception as error:
                raise Truncated(
                    f"{name} starts like a {kind} file but is cut off or damaged; "
                    "copy or export it again."
                ) from error
    what = "holds text" if _is_text(head) else "is in no format known here"
    raise NotAPicture(
        f"{name} {what} and is not a picture, whatever its ending; give a {FORMATS} file."
    )


def _unreasonable(name: str) -> Unsupported:
    return Unsupported(
        f"{name} asks for more work than a photograph can, by its countless parts, passes or "
        f"notes; export it anew as {FORMATS}."
    )


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def _refuse_unfit(image: Image.Image, name: str) -> None:
    width, height = image.size
    refuse_size(width, height, name, MAX_WEBP_PIXELS if image.format == "WEBP" else MAX_PIXELS)
    if getattr(image, "is_animated", False):
        raise Unsupported(
            f"{name} holds several pictures (an animation or pages); save the one to be graded."
        )
    if image.mode in _GREYSCALE:
        raise Unsupported(f"{name} is greyscale; grading needs a colour fundus photograph.")
    if image.mode == "CMYK" and "icc_profile" not in image.info:
        raise Unsupported(f"{name} is CMYK without a colour profile; export it as RGB.")
    if image.mode not in _COLOUR:
        raise Unsupported(f"{name} has the colour mode {image.mode}; export it as RGB.")


def _to_rgb(image: Image.Image, name: str, at_least: int | None) -> Image.Image:
    size, factor = image.size, reduction(image.size, at_least)
    if factor == 1 and not image.has_transparency_data:
        return _converted(image, name)
    return in_bands(
        size, lambda top, end: _converted(image.crop((0, top, size[0], end)), name), factor
    )


def _converted(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "CMYK":
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
            converted = ImageCms.profileToProfile(
                image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError) as error:
            raise Unsupported(
                f"{name} is CMYK with a colour profile that cannot be used; export it as RGB."
            ) from error
        assert converted is not None
        return converted
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def prepare(
    source: str | os.PathLike[str] | BinaryIO, settings: Preprocessing
) -> npt.NDArray[np.float32]:
    """Read, crop, resize and normalise a photograph: the input of a network.

    Returns:
        (1, 3, size, size) float32.

    Raises:
        ImageError: The file cannot be used as a photograph.
    """
    photograph = read_photograph(source, at_least=settings.at_least)
    return normalise(photograph.square(settings), settings)[np.newaxis]
