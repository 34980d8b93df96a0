"""Files that are small, or allowed to be large, and ask for much time or memory to be read."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.images.dicom_files import dicom
from tests.images.drawing import cmyk_profile, encoded
from tests.reliability.pictures import Case, photograph, whole_files

SIDE = 10_000
"""Of a picture of as many pixels as are read at all."""


def small_bombs() -> Iterator[Case]:
    """Bombs of up to a few megabytes; each is to be refused at once."""
    jpeg, png = whole_files()["jpg"], whole_files()["png"]
    zeros = zlib.compress(bytes(1 << 27), 9)
    name = b"XML:com.adobe.xmp\0\1\0\0\0"
    yield Case("iccp.png", _with_chunks(png, _chunk(b"iCCP", b"x\0\0" + zeros)))
    yield Case("ztxt.png", _with_chunks(png, _chunk(b"zTXt", b"x\0\0" + zeros)))
    yield Case("xmp.png", _with_chunks(png, _chunk(b"iTXt", name + zeros)))
    megabyte = zlib.compress(bytes(1_000_000), 9)
    texts = [_chunk(b"zTXt", b"%d\0\0" % number + megabyte) for number in range(100)]
    yield Case("many-ztxt.png", _with_chunks(png, *texts))
    entries = exif_of_overlaps(65_000, 1 << 20)
    yield Case("exif.png", _with_chunks(png, _chunk(b"eXIf", entries)))
    yield Case("exif.webp", encoded(photograph(), "WebP", exif=entries))
    raw = b"\nexif\n%d\n" % len(entries) + entries.hex().encode()
    packed = zlib.compress(raw[:999_000])
    yield Case(
        "raw-exif.png", _with_chunks(png, _chunk(b"zTXt", b"Raw profile type exif\0\0" + packed))
    )
    parts = [
        _segment(0xE1, b"Exif\0\0" + entries[start : start + 65_000])
        for start in range(0, 1 << 20, 65_000)
    ]
    yield Case("exif-in-segments.jpg", jpeg[:2] + b"".join(parts) + jpeg[2:])
    yield Case("exif-headers.jpg", jpeg[:2] + _segment(0xE1, b"Exif\0\0" * 10_000) * 3 + jpeg[2:])
    yield Case("tags.tif", tiff_of_overlaps())
    for tag, kind, count, value in (
        (256, 4, 1, 2**32 - 1), (257, 4, 1, 2**31), (258, 3, 1, 65535), (259, 3, 1, 65535),
        (277, 3, 1, 65535), (277, 3, 1, 0), (273, 4, 2**30, 14), (279, 4, 2**30, 14),
        (278, 4, 1, 0), (273, 4, 1, 2**32 - 1), (262, 3, 1, 65535), (317, 3, 1, 65535),
    ):  # fmt: skip
        yield Case(
            f"tag-{tag}-{count}-{value}.tif", tiff_with((tag, kind, count, value)), spoilt=True
        )
    for side in (2**14, 2**16, 2**20, 2**31):
        tiles = [(322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 14), (325, 4, 1, 9000)]
        yield Case(f"tile-{side}.tif", tiff_with((259, 3, 1, 8), *tiles))
    yield Case("offset.tif", b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 60) + bytes(999))
    yield Case("scans.jpg", jpeg_of_scans((1000, 1000), 5_000))
    yield Case("nested.dcm", _nested_dicom())


def large_bombs() -> Iterator[Case]:
    """Bombs of up to a hundred megabytes, and pictures as large as are read at all."""
    jpeg, png, files = whole_files()["jpg"], whole_files()["png"], whole_files()
    yield Case("chunks.png", _with_chunks(png, _chunk(b"prVt", b"") * 8_000_000))
    yield Case("fill.jpg", jpeg[:2] + b"\xff" * 90_000_000 + jpeg[2:])
    yield Case("segments.jpg", jpeg[:2] + _segment(0xE5, b"") * 20_000_000 + jpeg[2:])
    exif = _segment(0xE1, b"Exif\0\0" + bytes(65_000))
    yield Case("exif-of-95-megabytes.jpg", jpeg[:2] + exif * 1_500 + jpeg[2:])
    yield Case("runs.bmp", _bmp_of_runs(SIDE, b"\1\7" * 40_000_000))
    elements = struct.pack("<HH2sH", 9, 16, b"LO", 0) * 10_000_000
    yield Case("elements.dcm", _with_elements(files["dcm"], elements))
    yield Case("appended.jpg", jpeg + bytes(90_000_000), photograph(), 3.0)
    plain = (90, 40, 10)
    for name, depth, colour in (
        ("rgb", 8, 2),
        ("rgba", 8, 6),
        ("rgb-16", 16, 2),
        ("rgba-16", 16, 6),
    ):
        yield _plain(f"{name}.png", _flat_png(SIDE, SIDE, depth, colour))
    table = _chunk(b"PLTE", bytes(range(256)) * 3) + _chunk(b"tRNS", b"\x80" * 200)
    yield _plain("palette.png", _flat_png(SIDE, SIDE, 8, 3, table))
    turn = Image.Exif()
    turn[0x0112] = 6
    turned = _chunk(b"eXIf", turn.tobytes()[6:])
    yield _plain("rgba-turned.png", _flat_png(SIDE, SIDE, 8, 6, turned))
    image = Image.new("RGB", (SIDE, SIDE), plain)
    yield _plain("large.jpg", encoded(image, "JPEG", subsampling=0))
    yield _plain("large-scans.jpg", jpeg_of_scans((SIDE, SIDE), 40))
    yield _plain("large.bmp", encoded(image, "BMP"))
    yield _plain("large.tif", encoded(image, "TIFF"))
    yield _plain("large-lzw.tif", encoded(image, "TIFF", compression="tiff_lzw"))
    yield _plain("large-planar.dcm", dicom(image, planar=1))
    yield _plain("large-ybr.dcm", dicom(image, "YBR_FULL"))
    yield _plain("large-422.dcm", dicom(image, "YBR_FULL_422"))
    small = image.crop((0, 0, 10_000, 4_000))
    yield _plain("large.webp", encoded(small, "WebP", method=0, quality=1))
    yield Case("larger.webp", encoded(image, "WebP", method=0, quality=1))
    yield Case("larger.png", _flat_png(SIDE, SIDE + 1, 8, 2))
    strip = image.crop((0, 0, 10_000, 999))
    yield Case("strip.png", encoded(strip))
    del image, small, strip
    cmyk = Image.new("CMYK", (SIDE, SIDE), (10, 200, 30, 4))
    profile = cmyk_profile(cyan=(53, 80, 67))
    yield _plain("cmyk.jpg", encoded(cmyk, "JPEG", icc_profile=profile))
    yield _plain("cmyk-lzw.tif", encoded(cmyk, "TIFF", icc_profile=profile, compression="tiff_lzw"))
    alpha = cmyk.convert("RGBA")
    del cmyk
    yield _plain("rgba.tif", encoded(alpha, "TIFF", compression="tiff_adobe_deflate"))


def exif_of_overlaps(count: int, length: int) -> bytes:
    """EXIF of ``length`` bytes, of which ``count`` entries each claim nearly all."""
    entries = [struct.pack("<HHII", tag, 7, length - 8, 8) for tag in range(count)]
    head = b"II*\0" + struct.pack("<IH", 8, count)
    return (head + b"".join(entries) + bytes(4)).ljust(length, b"\0")


def tiff_with(*changed: tuple[int, int, int, int], length: int = 0) -> bytes:
    """An uncompressed TIFF of 64 x 48 with tags changed or added, up to ``length`` bytes."""
    pixels = np.random.default_rng(0).bytes(64 * 48 * 3)
    tags = {
        256: (4, 1, 64), 257: (4, 1, 48), 258: (3, 3, 8), 259: (3, 1, 1), 262: (3, 1, 2),
        273: (4, 1, 14), 277: (3, 1, 3), 278: (4, 1, 48), 279: (4, 1, len(pixels)),
    }  # fmt: skip
    tags |= {tag: rest for tag, *rest in changed}  # type: ignore[misc]
    if 322 in tags:
        tags = {tag: rest for tag, rest in tags.items() if tag not in (273, 278, 279)}
    directory = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<I", 14 + len(pixels)) + struct.pack("<3H", 8, 8, 8)
    ends = struct.pack("<H", len(tags)) + directory + bytes(4)
    return (head + pixels + ends).ljust(length, b"\0")


def tiff_of_overlaps() -> bytes:
    """A TIFF of a megabyte, of whose tags 20,000 each say that nearly all of it is theirs."""
    length = 1 << 20
    return tiff_with(*((tag, 7, length - 8, 8) for tag in range(40_000, 60_000)), length=length)


def jpeg_of_scans(size: tuple[int, int], further: int) -> bytes:
    """A progressive JPEG whose last scan, a few bytes long, comes again and again."""
    data = encoded(Image.new("RGB", size, (90, 40, 10)), "JPEG", progressive=True, subsampling=0)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * further + data[-2:]


def _plain(name: str, data: bytes) -> Case:
    """A picture of one colour: it is read, and the gate refuses it."""
    return Case(name, data, Image.new("RGB", (1, 1)))


def _chunk(name: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def _with_chunks(png: bytes, *chunks: bytes) -> bytes:
    return png[:33] + b"".join(chunks) + png[33:]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _flat_png(width: int, height: int, depth: int, colour: int, chunks: bytes = b"") -> bytes:
    """A PNG whose every byte is 90, made without its pixels in memory."""
    channels = {2: 3, 3: 1, 6: 4}[colour]
    row = b"\0" + b"\x5a" * (width * channels * depth // 8)
    compress = zlib.compressobj(1)
    packed = b"".join(compress.compress(row) for _ in range(height)) + compress.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + chunks
    return start + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _bmp_of_runs(side: int, runs: bytes) -> bytes:
    """A BMP with a palette, run-length encoded."""
    start = 54 + 1024
    head = struct.pack("<IHHI", start + len(runs), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + head + info + bytes(range(256)) * 4 + runs


def _with_elements(file: bytes, elements: bytes) -> bytes:
    """A DICOM file with further elements before those of its group 0x0010."""
    place = file.index(struct.pack("<HH", 0x0010, 0x0010))
    return file[:place] + elements + file[place:]


def _nested_dicom() -> bytes:
    sequence = struct.pack("<HH2sHI", 0x0009, 0x1010, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return _with_elements(whole_files()["dcm"], (sequence + item) * 50_000)
