import contextlib
import hashlib
import io
import os
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, ImageOps

from retina.datasets.synthetic import draw_fundus
from retina.errors import (
    ImageError,
    InputError,
    MissingFile,
    NotAPicture,
    TooLarge,
    TooSmall,
    Truncated,
    Unsupported,
)
from retina.images.decode import load_fundus, read_photograph
from retina.images.field_of_view import crop_to_retina
from retina.images.photograph import Photograph
from retina.images.prepare import Preprocessing
from tests.images.drawing import (
    cmyk_profile,
    disc,
    encoded,
    gradient,
    png_16_bit,
    png_of_size,
    tiff_16_bit,
)


def read(data: bytes, at_least: int | None = None) -> Photograph:
    return read_photograph(io.BytesIO(data), at_least=at_least, name="eye.jpg")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WebP"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, kind: str) -> None:
    data = encoded(gradient(), kind, **({"lossless": True} if kind == "WebP" else {}))
    path = tmp_path / "eye"
    path.write_bytes(data)
    photograph = read_photograph(path)
    assert (pixels(photograph.image) == pixels(gradient())).all()
    assert (photograph.name, photograph.width, photograph.height) == ("eye", 64, 48)
    assert photograph.sha256 == hashlib.sha256(data).hexdigest()


def test_a_string_a_path_and_a_file_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "eye.jpg"
    path.write_bytes(encoded(gradient(), "JPEG"))
    with path.open("rb") as file:
        photographs = [read_photograph(path), read_photograph(str(path)), read_photograph(file)]
        assert not file.closed
    assert {p.name for p in photographs} == {"eye.jpg"}
    assert len({p.sha256 for p in photographs}) == 1
    assert len({p.image.tobytes() for p in photographs}) == 1
    assert load_fundus(path).tobytes() == photographs[0].image.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WebP"])
def test_the_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(gradient(), kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    photograph = read(data)
    assert photograph.image.tobytes() == expected.convert("RGB").tobytes()
    assert (photograph.width, photograph.height) == photograph.image.size
    assert photograph.image.size == ((64, 48) if orientation <= 4 else (48, 64))


def test_a_reduced_jpeg_keeps_its_size_on_record_and_enough_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(disc((1200, 900), (600, 450), (440, 440)), "JPEG", exif=exif)
    photograph = read(data, at_least=200)
    assert photograph.image.size == (225, 300)
    assert (photograph.width, photograph.height) == (900, 1200)
    full = read(data).image.resize((225, 300), Image.Resampling.BOX)
    assert np.abs(pixels(photograph.image) - pixels(full)).mean() < 1
    assert read(data, at_least=901).image.size == (900, 1200)


def test_nothing_of_the_files_metadata_stays_on_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = "patient's name"
    assert read(encoded(gradient(), "JPEG", exif=exif, comment=b"name")).image.info == {}


def test_sixteen_bit_colour_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 20 * 20 * 3).reshape(20, 20, 3).astype(np.uint16)
    for data in (png_16_bit(values), tiff_16_bit(values)):
        assert np.abs(pixels(read(data).image) - values / 257).max() <= 1


def test_transparency_is_laid_over_black() -> None:
    image = Image.new("RGBA", (32, 32), (200, 100, 50, 128))
    image.paste((200, 100, 50, 0), (0, 0, 16, 32))
    result = read(encoded(image)).image
    assert result.getpixel((4, 4)) == (0, 0, 0)
    assert result.getpixel((24, 4)) == (100, 50, 25)


def test_a_palette_becomes_rgb_and_its_transparent_entry_black() -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    assert read(encoded(image)).image.getpixel((3, 3)) == (10, 200, 30)
    assert read(encoded(image, transparency=1)).image.getpixel((3, 3)) == (0, 0, 0)


def test_a_colour_file_whose_channels_are_equal_is_read() -> None:
    assert read(encoded(gradient().convert("L").convert("RGB"))).image.mode == "RGB"


def test_cmyk_needs_a_profile_that_works() -> None:
    image = Image.new("CMYK", (32, 32), (0, 128, 200, 10))
    with pytest.raises(Unsupported, match=r"^eye\.jpg is CMYK without a colour profile"):
        read(encoded(image, "JPEG"))
    with pytest.raises(Unsupported, match="profile that cannot be used"):
        read(encoded(image, "JPEG", icc_profile=b"no profile"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with pytest.raises(Unsupported, match="profile that cannot be used"):
        read(encoded(image, "JPEG", icc_profile=srgb))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted_with_its_profile(kind: str) -> None:
    profile = cmyk_profile(cyan=(53, 80, 67))  # CIELAB of sRGB's pure red
    image = Image.new("CMYK", (48, 48), (0, 0, 0, 0))
    image.paste((255, 0, 0, 0), (0, 0, 16, 48))
    image.paste((0, 0, 0, 255), (32, 0, 48, 48))
    result = read(encoded(image, kind, icc_profile=profile)).image
    for x, expected in ((8, (255, 0, 0)), (24, (255, 255, 255)), (40, (0, 0, 0))):
        assert np.abs(np.subtract(pixels(result)[24, x], expected)).max() <= 12


def test_greyscale_modes_are_refused() -> None:
    grey = gradient().convert("L")
    sixteen = Image.fromarray(np.zeros((32, 32), np.uint16))
    floating = Image.new("F", (32, 32))
    files = [
        encoded(grey, "JPEG"),
        encoded(grey.convert("1")),
        encoded(grey.convert("LA")),
        encoded(sixteen),
        encoded(sixteen, "TIFF"),
        encoded(floating, "TIFF"),
    ]
    for data in files:
        with pytest.raises(Unsupported, match=r"^eye\.jpg is greyscale"):
            read(data)


@pytest.mark.parametrize("kind", ["PNG", "WebP", "TIFF"])
def test_several_pictures_in_one_file_are_refused(kind: str) -> None:
    frames = [gradient(), gradient().rotate(180)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(Unsupported, match="several pictures"):
        read(data)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", NotAPicture, "is empty"),
        (b"The patient was seen on Monday.\n" * 300, NotAPicture, "holds text"),
        ("Ödem".encode() * 1500, NotAPicture, "holds text"),
        (bytes(range(256)), NotAPicture, "no format known"),
        (b"\xe4\xb0" * 99, NotAPicture, "no format known"),
        (b"\0" * 128 + b"DICM" + b"\2\0", Truncated, "damaged"),
        (b"%PDF-1.7\n", Unsupported, "PDF"),
        (b"GIF89a\1\0", Unsupported, "GIF"),
        (b"\0\0\0\x1cftypavif", Unsupported, "AVIF"),
        (b"\0\0\0\x18ftypheic", Unsupported, "HEIC"),
        (b"PK\x03\x04", Unsupported, "ZIP"),
        (b"<!DOCTYPE html><html></html>", Unsupported, "web page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', Unsupported, "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg/>', Unsupported, "SVG"),
    ],
)
def test_what_is_no_picture_gets_a_sentence_of_its_own(
    data: bytes, kind: type[ImageError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read(data)
    message = str(caught.value)
    assert message.startswith("eye.jpg ")
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF", "BMP"])
@pytest.mark.parametrize("kept", [0.01, 0.3, 0.6, 0.95])
def test_a_cut_off_file_is_refused_at_any_scale(kind: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for at_least in (None, 50):
        with pytest.raises(Truncated, match=r"^eye\.jpg .*cut off or damaged.*again\.$"):
            read(data[: int(len(data) * kept)], at_least)


def test_nobody_told_pillow_to_fill_in_what_is_missing() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_any_damage_is_our_error_or_a_picture() -> None:
    generator = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in ("JPEG", "PNG", "WebP", "TIFF", "BMP"):
            original = encoded(gradient(), kind)
            for _ in range(60):
                data = bytearray(original)
                for position in generator.integers(0, min(len(data), 300), 4):
                    data[position] = generator.integers(256)
                with contextlib.suppress(ImageError):
                    assert read(bytes(data)).image.mode == "RGB"


def test_too_many_pixels_are_refused_before_decoding_and_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for width, height in ((10_001, 10_000), (60_000, 60_000)):
            with pytest.raises(TooLarge, match="more than 100 million"):
                read(png_of_size(width, height))
        with pytest.raises(Truncated):
            read(png_of_size(10_000, 10_000))


def test_a_large_picture_within_the_limit_gives_no_warning() -> None:
    data = encoded(Image.new("RGB", (9_600, 9_600), (90, 40, 10)), "JPEG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photograph = read(data, at_least=64)
    assert (photograph.width, photograph.height) == (9_600, 9_600)


def test_too_few_pixels_are_refused() -> None:
    with pytest.raises(TooSmall, match="only 15 x 40 pixels"):
        read(encoded(gradient(15, 40)))
    assert read(encoded(gradient(16, 16))).width == 16


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"^gone\.jpg does not exist"):
        read_photograph(tmp_path / "Mrs Miller" / "gone.jpg")
    with pytest.raises(MissingFile):
        read_photograph("nul\0byte.jpg")
    (tmp_path / "patients").mkdir()
    with pytest.raises(Unsupported, match=r"^patients is a folder"):
        read_photograph(f"{tmp_path}/patients/")
    with pytest.raises(ImageError, match="cannot be read"):
        read_photograph("x" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(Unsupported, match="not an ordinary file"):
        read_photograph(tmp_path / "pipe.jpg")


def test_a_file_without_permission_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "eye.jpg"
    path.write_bytes(b"x")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert stat.S_ISREG(path.stat().st_mode)
    with pytest.raises(ImageError, match=r"^eye\.jpg cannot be read \(Permission denied\)"):
        read_photograph(path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/Mrs Miller/a.jpg", "a.jpg"),
        ("C:\\patients\\Miller\\a.jpg", "a.jpg"),
        ("line\nbreak.jpg", "line\N{REPLACEMENT CHARACTER}break.jpg"),
    ],
)
def test_names_show_no_folder_and_stay_on_one_line(name: str, shown: str) -> None:
    assert read_photograph(io.BytesIO(encoded(gradient())), name=name).name == shown
    with pytest.raises(InputError) as caught:
        read_photograph(io.BytesIO(b""), name=name)
    assert str(caught.value).startswith(f"{shown} is empty")


def test_threads_read_side_by_side() -> None:
    files = [encoded(gradient(64 + i), "JPEG") for i in range(8)] + [
        b"",
        png_of_size(20_000, 9_000),
    ]

    def outcome(data: bytes) -> str:
        try:
            return str(read(data).image.size)
        except ImageError as error:
            return type(error).__name__

    expected = [outcome(data) for data in files]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(outcome, files * 5)) == expected * 5


def test_a_small_retina_is_decoded_large_enough_for_its_square(tmp_path: Path) -> None:
    eye = crop_to_retina(draw_fundus(3, seed=2, size=990)).resize((990, 990))
    frame = Image.new("RGB", (2060, 2060))
    frame.paste(eye, (535, 535))
    frame.save(tmp_path / "eye.jpg", quality=95)
    settings = Preprocessing(size=512)
    assert settings.at_least == 1024 <= 2060 / 2  # so that it may be decoded at half size
    with (tmp_path / "eye.jpg").open("rb") as file:
        photographs = [
            read_photograph(tmp_path / "eye.jpg", at_least=settings.at_least),
            read_photograph(file, at_least=settings.at_least),
        ]
    expected = read_photograph(tmp_path / "eye.jpg").square(settings)
    for photograph in photographs:
        assert photograph.image.size == (2060, 2060)
        assert photograph.square(settings).tobytes() == expected.tobytes()
