"""Read an image, the eye and a pseudonym of the patient from a DICOM file, and nothing else.

Read are one photograph in 8-bit colour, uncompressed or as baseline JPEG, of three kinds:
ophthalmic photography, VL photographs (cameras from before that kind existed) and secondary
captures (what archives make of exported photographs). Whether it shows a fundus is for the quality
gate to say, as with any other file.

Only the elements of ``_TAGS`` are read at all, names and dates are passed over; no error repeats
what one of them holds. Elements are named as in DICOM PS3.6; PS3.3 C.7.6.3 says what they mean.
"""

import hmac
import os
import re
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING

from PIL import Image

from retina.errors import ImageError, Unsupported
from retina.files import user_cache_folder, user_data_folder
from retina.images.limits import Rationed, damaged, in_bands, read_jpeg, reduction, refuse_size

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


SIGNATURE = re.compile(rb".{128}DICM", re.DOTALL)
_PREAMBLE = 132

_PHOTOGRAPHS = (
    "1.2.840.10008.5.1.4.1.1.77.1.5.1",  # Ophthalmic Photography 8 Bit Image Storage
    "1.2.840.10008.5.1.4.1.1.77.1.4",  # VL Photographic Image Storage
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture Image Storage
)
_DIRECTORY = "1.2.840.10008.1.3.10"
_IMPLICIT, _EXPLICIT, _BIG_ENDIAN, _JPEG = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50",
)
_DEFLATED = "1.2.840.10008.1.2.1.99"
_YBR = ("YBR_FULL", "YBR_FULL_422")
_COLOURS = ("RGB", *_YBR)

_MEDIA_KIND, _TRANSFER_SYNTAX = 0x00020002, 0x00020010
_TAGS = [
    _KIND := 0x00080016,  # SOP Class UID
    _PATIENT_ID := 0x00100020,
    _ISSUER := 0x00100021,  # of Patient ID
    _LATERALITY := 0x00200060,  # of the series
    _IMAGE_LATERALITY := 0x00200062,
    _CHANNELS := 0x00280002,  # Samples per Pixel
    _PHOTOMETRIC := 0x00280004,  # Interpretation
    _PLANAR := 0x00280006,  # Configuration
    _FRAMES := 0x00280008,  # Number of Frames
    _ROWS := 0x00280010,
    _COLUMNS := 0x00280011,
    _BITS_ALLOCATED := 0x00280100,
    _BURNED_IN := 0x00280301,  # Annotation
]
_PIXELS = 0x7FE00010  # Pixel Data

_EYES = {"R": "right", "L": "left"}

# An Adobe marker that says "these are red, green and blue" (ITU-T T.872, 6.5.3: transform 0).
_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

_silence = Lock()


@dataclass(frozen=True)
class DicomPhotograph:
    """What is read from a DICOM file.

    Attributes:
        image: RGB; of a JPEG only the header is read, so that it can be decoded at a reduced scale.
        size: Width and height in the file, of which ``image`` may be a half, quarter or eighth.
        patient: A pseudonym; empty where the file holds no patient's number.
        eye: ``"left"``, ``"right"``, or ``""`` where the file does not say.
    """

    image: Image.Image
    size: tuple[int, int]
    patient: str
    eye: str


def read_dicom(data: bytes, name: str, at_least: int | None = None) -> DicomPhotograph:
    """Read a DICOM file.

    Args:
        data: The file; ``SIGNATURE`` matches it.
        name: What errors call it.
        at_least: As for ``read_photograph``.

    Raises:
        ImageError: It holds no photograph that can be graded, or is damaged; or pydicom, which
            reads it, is not installed.
    """
    try:
        from pydicom.filereader import read_dataset
    except ImportError as error:
        raise Unsupported(
            f"{name} is a DICOM file: run `pip install pydicom` to read it, or export the "
            "photograph as JPEG or PNG."
        ) from error
    file = Rationed(data)
    file.seek(_PREAMBLE)
    try:
        # Not dcmread: it inflates a deflated file, however large that becomes.
        with _without_warnings():
            meta = read_dataset(file, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
        header = _Elements(meta, big_endian=False)
        if header.text(_MEDIA_KIND) == _DIRECTORY:
            raise Unsupported(f"{name} is the table of contents of a disc; give its photographs.")
        syntax = header.text(_TRANSFER_SYNTAX)
        if syntax == _DEFLATED:
            raise _unsupported(name, "is a deflated DICOM file")
        big_endian = syntax == _BIG_ENDIAN
        pixels = _PixelData()
        with _without_warnings():
            dataset = read_dataset(
                file,
                syntax == _IMPLICIT,
                not big_endian,
                stop_when=pixels.begin,
                specific_tags=_TAGS,
            )
        pixels.samples = memoryview(data)[file.tell() + pixels.header :][: pixels.length]
        elements = _Elements(dataset, big_endian)
        _refuse_unfit(elements, syntax, name)
        if not pixels.samples:
            raise _unsupported(name, "is a DICOM file without pixels, or cut off before them")
        size = elements.number(_COLUMNS), elements.number(_ROWS)
        refuse_size(*size, name)
        if syntax == _JPEG:
            image = _from_jpeg(elements, pixels.samples, size)
        else:
            image = _from_samples(elements, pixels, size, reduction(size, at_least))
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise damaged(name) from error
    eye = elements.text(_IMAGE_LATERALITY) or elements.text(_LATERALITY)
    return DicomPhotograph(image, size, _patient(elements), _EYES.get(eye, ""))


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppress the warnings of pydicom: they quote odd values, which may name a patient."""
    with _silence, warnings.catch_warnings():  # one thread at a time: filters are the process's
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class _Elements:
    """The raw values of a data set, neither converted nor checked."""

    dataset: "Dataset"
    big_endian: bool

    def raw(self, tag: int) -> bytes:
        element = self.dataset.get_item(tag) if tag in self.dataset else None
        return element.value if element and isinstance(element.value, bytes) else b""

    def text(self, tag: int) -> str:
        return self.raw(tag).strip(b" \0").decode("latin-1")

    def number(self, tag: int) -> int:
        return int.from_bytes(self.raw(tag), "big" if self.big_endian else "little")


class _PixelData:
    """The pixels, not copied, as pydicom would."""

    vr: str | None = None
    header = 0  # bytes before them
    length = 0
    samples = memoryview(b"")

    def begin(self, tag: int, vr: str | None, length: int) -> bool:
        """Tell pydicom to stop where they begin."""
        if tag != _PIXELS:
            return False
        self.vr, self.length = vr, length
        self.header = 12 if vr in ("OB", "OW", "UN") else 8
        return True

    def part(self, start: int, stop: int, swapped: bool) -> bytes:
        """Samples, of which a big-endian file may have swapped each two."""
        if not swapped:
            return bytes(self.samples[start:stop])
        even = start - start % 2
        pairs = bytearray(self.samples[even : stop + stop % 2])
        pairs[0::2], pairs[1::2] = pairs[1::2], pairs[0::2]
        return bytes(pairs[start - even : stop - even])


def _patient(elements: _Elements) -> str:
    number, issuer = (elements.raw(tag).strip(b" \0") for tag in (_PATIENT_ID, _ISSUER))
    return pseudonym(number + b"\0" + issuer) if number else ""


def _refuse_unfit(elements: _Elements, syntax: str, name: str) -> None:
    kind = elements.text(_KIND)
    if not kind:
        raise damaged(name)
    if kind not in _PHOTOGRAPHS:
        raise _unsupported(name, f"is DICOM of a kind that is not read here, {_registered(kind)}")
    frames = int(elements.text(_FRAMES) or 1)
    if frames != 1:
        raise Unsupported(f"{name} holds {frames} frames; save the one to be graded.")
    colours = elements.text(_PHOTOMETRIC)
    if colours.startswith("MONOCHROME"):
        raise Unsupported(f"{name} is greyscale; grading needs a colour fundus photograph.")
    bits = elements.number(_BITS_ALLOCATED)
    if bits != 8:
        raise _unsupported(name, f"has {bits} bits a channel instead of 8")
    if syntax not in (_IMPLICIT, _EXPLICIT, _BIG_ENDIAN, _JPEG):
        raise _unsupported(name, f"is compressed in a way not read here, {_registered(syntax)}")
    if colours not in _COLOURS or elements.number(_CHANNELS) != 3:
        raise _unsupported(name, f"has its colours neither as RGB nor as {' or '.join(_YBR)}")
    if elements.text(_BURNED_IN) == "YES":
        raise _unsupported(name, "has text in the picture that may name the patient", " without it")


def _from_jpeg(elements: _Elements, samples: memoryview, size: tuple[int, int]) -> Image.Image:
    from pydicom.encaps import get_frame

    jpeg = get_frame(bytes(samples), 0, number_of_frames=1)
    image = read_jpeg(jpeg)
    # What the JPEG says of its own colours holds, and where it says nothing, the data set does:
    # many files are called RGB and hold what any camera's JPEG holds.
    silent = not image.info.keys() & {"jfif", "adobe_transform"}
    if silent and elements.text(_PHOTOMETRIC) == "RGB":
        image = read_jpeg(jpeg[:2] + _ADOBE_RGB + jpeg[2:])
    if image.size != size:
        raise ValueError("the JPEG has another size than the data set says")
    return image


def _from_samples(
    elements: _Elements, pixels: _PixelData, size: tuple[int, int], factor: int
) -> Image.Image:
    width, height = size
    colours, planes = elements.text(_PHOTOMETRIC), elements.number(_PLANAR) == 1
    halved = colours == "YBR_FULL_422"
    count = width * height
    length = 2 * count if halved else 3 * count
    if len(pixels.samples) != length + length % 2 or (halved and (planes or width % 2)):
        raise ValueError("the pixels are more or fewer than the data set says")
    mode = "RGB" if colours == "RGB" else "YCbCr"
    swapped = elements.big_endian and pixels.vr == "OW"

    def band(top: int, end: int) -> Image.Image:
        first, last = top * width, end * width
        if halved:
            return _from_halved(pixels.part(2 * first, 2 * last, swapped), width)
        size = width, end - top
        if not planes:
            return Image.frombytes(mode, size, pixels.part(3 * first, 3 * last, swapped))
        rows = [
            pixels.part(start + first, start + last, swapped) for start in (0, count, 2 * count)
        ]
        return Image.merge(mode, [Image.frombytes("L", size, row) for row in rows])

    return in_bands(size, lambda top, end: band(top, end).convert("RGB"), factor)


def _from_halved(samples: bytes, width: int) -> Image.Image:
    """Decode rows that hold two pixels in four bytes: Y, Y, Cb, Cr."""
    light = bytearray(len(samples) // 2)
    light[0::2], light[1::2] = samples[0::4], samples[1::4]
    size = width, len(light) // width
    colour = [
        Image.frombytes("L", (width // 2, size[1]), samples[start::4]).resize(
            size, Image.Resampling.NEAREST
        )
        for start in (2, 3)
    ]
    return Image.merge("YCbCr", [Image.frombytes("L", size, bytes(light)), *colour])


def _registered(uid: str) -> str:
    """The name of an identifier in DICOM PS3.6; never the identifier itself."""
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    known = UID(uid, validation_mode=IGNORE).name
    return "one that DICOM does not list" if known == uid else known


def _unsupported(name: str, what: str, how: str = " as JPEG or PNG") -> Unsupported:
    return Unsupported(f"{name} {what}; export the photograph{how}.")


KEY_FILE = "patients.key"
_KEY_BYTES = 32
_DIGITS = 16
_lock = Lock()


def pseudonym(identity: bytes) -> str:
    """Compute a pseudonym: the first 64 bits of an HMAC-SHA-256, as 16 hexadecimal digits.

    Args:
        identity: What tells one patient from all others.
    """
    with _lock:
        key = _key(user_data_folder() / KEY_FILE, user_cache_folder() / KEY_FILE)
    return hmac.digest(key, identity, "sha256").hex()[:_DIGITS]


@cache
def _key(path: Path, earlier: Path) -> bytes:
    """The key in ``path``, made if there is none; where it cannot be kept, one for this process.

    Args:
        path: The file.
        earlier: Where versions before 0.2 kept it; moved from there.
    """
    fresh = secrets.token_bytes(_KEY_BYTES)
    with suppress(OSError):
        if _is_damaged(path):
            path.unlink()
        if not path.exists():
            with suppress(FileNotFoundError):
                fresh = fresh if _is_damaged(earlier) else earlier.read_bytes()
            _make(path, fresh)
        key = path.read_bytes()
        with suppress(OSError):
            if path != earlier and earlier.read_bytes() == key:
                earlier.unlink()
        return key
    return fresh


def _is_damaged(path: Path) -> bool:
    return path.exists() and path.stat().st_size != _KEY_BYTES


def _make(path: Path, key: bytes) -> None:
    """Write the key atomically, unless another process has written one meanwhile.

    Raises:
        OSError: the disk refused.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:  # which only this user may enter
        temporary = Path(folder, KEY_FILE)
        temporary.touch(mode=0o600)
        temporary.write_bytes(key)
        with suppress(FileExistsError):
            os.link(temporary, path)  # a rename would take the place of another's key
