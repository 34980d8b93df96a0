"""Files that may be taken for photographs: whole ones of every kind, spoilt ones, and none at all.

All are made here, from one drawn photograph and generators with fixed seeds.
"""

import io
import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from retina.datasets.synthetic import draw_fundus
from tests.images.dicom_files import dicom
from tests.images.drawing import cmyk_profile, encoded, png_16_bit, png_of_size, tiff_16_bit

ORIENTATION = 0x0112
SPOILT_EACH = 20


@dataclass(frozen=True)
class Case:
    """A file.

    Attributes:
        name: What it is called.
        data: Its bytes.
        shows: What it has to be read as; None where it is no photograph or not a whole one.
        tolerance: How far, of 255, ``shows`` may be from what is read, in the mean.
        spoilt: Whether it is a whole file with some bytes changed, which may still be read.
    """

    name: str
    data: bytes
    shows: Image.Image | None = None
    tolerance: float = 0.0
    spoilt: bool = False


@cache
def photograph() -> Image.Image:
    """A drawn fundus, of even width, as YBR_FULL_422 asks for."""
    return draw_fundus(2, seed=3, size=96).resize((120, 96))


@cache
def whole_files() -> dict[str, bytes]:
    """The photograph in each format, by the ending of its name."""
    image = photograph()
    jpeg = encoded(image, "JPEG", quality=90)
    return {
        "jpg": jpeg,
        "progressive.jpg": encoded(image, "JPEG", progressive=True, quality=90),
        "png": encoded(image),
        "tif": encoded(image, "TIFF"),
        "lzw.tif": encoded(image, "TIFF", compression="tiff_lzw"),
        "webp": encoded(image, "WebP", lossless=True),
        "lossy.webp": encoded(image, "WebP", quality=90),
        "bmp": encoded(image, "BMP"),
        "dcm": dicom(image),
        "jpeg.dcm": dicom(image, "YBR_FULL_422", jpeg=jpeg),
    }


def corpus() -> Iterator[Case]:
    """All cases but the bombs; no two have one name."""
    yield from _whole()
    yield from _turned()
    yield from _named()
    yield from _spoilt()
    yield from _refused()


def _tolerance(name: str) -> float:
    return 4.0 if any(word in name for word in ("jp", "lossy", "dcm")) else 0.0


def _whole() -> Iterator[Case]:
    image = photograph()
    for ending, data in whole_files().items():
        yield Case(f"whole.{ending}", data, image, _tolerance(ending))
        yield Case(f"suffix.{ending}.{'png' if 'jp' in ending else 'jpg'}", data, image, 4.0)
    pixels = np.asarray(image).astype(np.uint16) * 257
    yield Case("sixteen.png", png_16_bit(pixels), image, 1.0)
    yield Case("sixteen.tif", tiff_16_bit(pixels), image, 1.0)
    palette = image.quantize(256)
    yield Case("palette.png", encoded(palette), palette.convert("RGB"))
    yield Case("palette.bmp", encoded(palette, "BMP"), palette.convert("RGB"))
    half = image.copy()
    half.putalpha(128)
    dark = image.point(lambda value: value * 128 // 255)
    for kind in ("PNG", "TIFF", "WebP"):
        yield Case(f"alpha.{kind.lower()}", encoded(half, kind, lossless=True), dark, 1.0)
    paper = Image.new("CMYK", image.size)
    profile = cmyk_profile(cyan=(53, 80, 67))
    for kind in ("JPEG", "TIFF"):
        data = encoded(paper, kind, icc_profile=profile)
        yield Case(f"cmyk.{kind.lower()}", data, Image.new("RGB", image.size, "white"), 2.0)
    yield Case("planar.dcm", dicom(image, planar=1), image)
    yield Case("implicit.dcm", dicom(image, syntax=ImplicitVRLittleEndian), image)
    yield Case("big-endian.dcm", dicom(image, syntax=ExplicitVRBigEndian), image)
    yield Case("ybr.dcm", dicom(image, "YBR_FULL"), image, 2.0)
    yield Case("ybr-planar.dcm", dicom(image, "YBR_FULL", planar=1), image, 2.0)
    yield Case("ybr-422.dcm", dicom(image, "YBR_FULL_422"), image, 4.0)


def _turned() -> Iterator[Case]:
    image = photograph()
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for kind in ("JPEG", "PNG", "TIFF", "WebP"):
        for orientation, turn in back.items():
            lying = image if turn is None else image.transpose(turn)
            exif = Image.Exif()
            exif[ORIENTATION] = orientation
            lossless = {"lossless": True} if kind == "WebP" else {}
            data = encoded(lying, kind, exif=exif, **lossless)
            name = f"orientation-{orientation}.{kind.lower()}"
            yield Case(name, data, image, 4.0 if kind == "JPEG" else 0.0)


def _named() -> Iterator[Case]:
    data, image = whole_files()["png"], photograph()
    for name in (
        " leading and trailing space .png",
        "line\nbreak.png",
        "tab\tand\x7fcontrol.png",
        "Ödem ‮gnp.眼底.png",
        "=1+1;'\"&<script>.png",
        "-model.png",
        "%s%n{0}.png",
        "e" * 251 + ".png",
        "眼" * 83 + "-.png",
        b"latin-1-\xe9.png".decode("utf-8", "surrogateescape"),
    ):
        yield Case(name, data, image)


def _spoilt() -> Iterator[Case]:
    for ending, data in whole_files().items():
        generator = np.random.default_rng(len(data))
        for kept in np.linspace(0.01, 0.9, 9):
            yield Case(f"cut-{kept:.2f}.{ending}", data[: int(kept * len(data))])
        for number in range(SPOILT_EACH):
            yield Case(f"flipped-{number}.{ending}", flipped(data, generator), spoilt=True)
            yield Case(f"mutated-{number}.{ending}", mutated(data, generator), spoilt=True)


def flipped(data: bytes, generator: np.random.Generator) -> bytes:
    """One to eight bits, of which half lie in the first 512 bytes."""
    spoilt = bytearray(data)
    for count in range(int(generator.integers(1, 9))):
        place = generator.integers(min(len(data), 512) if count % 2 else len(data))
        spoilt[place] ^= 1 << int(generator.integers(8))
    return bytes(spoilt)


def mutated(data: bytes, generator: np.random.Generator) -> bytes:
    """A stretch taken out, said twice, overwritten with one byte, or moved elsewhere."""
    start = int(generator.integers(len(data)))
    length = int(2 ** generator.uniform(0, 12))
    stretch, rest = data[start : start + length], data[:start] + data[start + length :]
    match generator.integers(4):
        case 0:
            return rest
        case 1:
            return data[:start] + stretch + data[start:]
        case 2:
            filled = bytes([generator.integers(256)]) * len(stretch)
            return data[:start] + filled + data[start + length :]
        case _:
            place = int(generator.integers(len(rest) + 1))
            return rest[:place] + stretch + rest[place:]


class _Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("unpickled",)


def _refused() -> Iterator[Case]:
    image, files = photograph(), whole_files()
    for kind in ("JPEG", "PNG", "TIFF", "WebP", "BMP"):
        for width, height in ((1, 1), (1, 40_000), (40_000, 1), (15, 300), (16, 16_000)):
            if kind != "WebP" or max(width, height) < 2**14:
                strip = Image.new("RGB", (width, height), (200, 90, 40))
                yield Case(f"size-{width}-{height}.{kind.lower()}", encoded(strip, kind))
        yield Case(f"empty.{kind.lower()}", b"")
        if kind not in ("WebP",):
            yield Case(f"grey.{kind.lower()}", encoded(image.convert("L"), kind))
    for width, height in ((0, 0), (0, 100), (100, 0), (2**31 - 1, 2**31 - 1)):
        yield Case(f"says-{width}-{height}.png", png_of_size(width, height))
    yield Case("cmyk-without-profile.jpg", encoded(image.convert("CMYK"), "JPEG"))
    turned = image.rotate(90)
    for kind in ("PNG", "WebP", "TIFF", "GIF"):
        data = encoded(image, kind, save_all=True, append_images=[turned])
        yield Case(f"animated.{kind.lower()}", data)
    yield Case(
        "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="a.png"/></svg>'
    )
    yield Case("drawing.png", b'<?xml version="1.0"?><!-- eye --><svg/>')
    yield Case("page.jpg", b"<!DOCTYPE html><html><script>alert(1)</script></html>")
    yield Case("page-of-comments.jpg", b"<!---->" * 500)
    yield Case("blanks.jpg", b" " * 100_000)
    yield Case("brackets.jpg", b"<" * 100_000)
    yield Case("notes.jpg", b"The patient was seen on Monday.\n" * 300)
    yield Case("utf-16.jpg", "Notizen".encode("utf-16"))
    yield Case("zeros.jpg", bytes(5000))
    yield Case("noise.jpg", np.random.default_rng(0).bytes(5000))
    yield Case("pickle.jpg", pickle.dumps(_Trap()))
    yield Case("jpeg-in-pickle.jpg", pickle.dumps(files["jpg"]))
    yield Case("document.jpg", b"%PDF-1.7\n" + files["jpg"])
    yield Case("gif.jpg", encoded(image, "GIF"))
    for brand in (b"avif", b"heic"):
        yield Case(f"{brand.decode()}.jpg", b"\0\0\0\x1cftyp" + brand + bytes(20))
    yield Case("jpeg-2000.jpg", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("../../outside.png", files["png"])
    yield Case("archive.png", archive.getvalue())
