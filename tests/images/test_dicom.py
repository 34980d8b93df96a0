import io
import logging
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    OphthalmicPhotography16BitImageStorage,
    OphthalmicTomographyImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    VLPhotographicImageStorage,
)

from retina.datasets.synthetic import draw_fundus
from retina.errors import ImageError, TooLarge, TooSmall, Truncated, Unsupported
from retina.images.decode import prepare, read_photograph
from retina.images.photograph import Photograph
from retina.images.prepare import Preprocessing
from tests.images.dicom_files import PATIENT_ID, PRIVATE, dicom
from tests.images.drawing import encoded

# Unlike in width and height, even in width for the halved colours.
EYE = draw_fundus(3, seed=1, size=64).crop((1, 0, 89, 63))

LAYOUTS = [("RGB", 0), ("RGB", 1), ("YBR_FULL", 0), ("YBR_FULL", 1), ("YBR_FULL_422", 0)]
SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def read(data: bytes, at_least: int | None = None) -> Photograph:
    return read_photograph(io.BytesIO(data), at_least=at_least, name="eye.dcm")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def farthest(image: Image.Image, data: bytes) -> int:
    """The largest difference from what pydicom decodes and converts to RGB."""
    return int(np.abs(pixels(image) - pixel_array(io.BytesIO(data))).max())


@pytest.mark.parametrize(("photometric", "planar"), LAYOUTS)
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_uncompressed_pixels_are_what_pydicom_reads(
    syntax: UID, photometric: str, planar: int
) -> None:
    data = dicom(EYE, photometric, planar, syntax)
    photograph = read(data)
    assert (photograph.width, photograph.height) == photograph.image.size == (88, 63)
    assert photograph.image.mode == "RGB"
    if photometric == "RGB":
        assert photograph.image.tobytes() == EYE.tobytes()
    assert farthest(photograph.image, data) <= (photometric != "RGB")


def test_words_of_a_big_endian_file_are_turned() -> None:
    swapped = bytearray(EYE.tobytes())
    swapped[0::2], swapped[1::2] = swapped[1::2], swapped[0::2]
    data = dicom(EYE, syntax=ExplicitVRBigEndian, vr="OW", PixelData=bytes(swapped))
    assert read(data).image.tobytes() == EYE.tobytes()
    assert farthest(EYE, data) == 0


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_a_jpeg_is_the_picture_that_it_is_outside(photometric: str, subsampling: str) -> None:
    jpeg = encoded(EYE, "JPEG", quality=90, subsampling=subsampling)
    data = dicom(EYE, photometric, jpeg=jpeg)
    assert read(data).image.tobytes() == Image.open(io.BytesIO(jpeg)).tobytes()
    assert farthest(read(data).image, data) == 0


def test_a_jpeg_of_red_green_and_blue_is_converted_never() -> None:
    marked = encoded(EYE, "JPEG", quality=95, keep_rgb=True)
    adobe = b"\xff\xee\x00\x0eAdobe"
    start = marked.index(adobe)
    bare = marked[:start] + marked[start + 16 :]
    for ids in (b"\x01\x22\x00\x02\x11\x01\x03", b"R\x11\x00G\x11\x00B"):
        jpeg = bare.replace(b"R\x11\x00G\x11\x00B", ids) if ids[0] == ord("R") else bare
        image = read(dicom(EYE, "RGB", jpeg=jpeg)).image
        assert np.abs(pixels(image) - pixels(EYE)).mean() < 3
    assert np.abs(pixels(read(dicom(EYE, "RGB", jpeg=marked)).image) - pixels(EYE)).mean() < 3


def test_a_cameras_jpeg_that_is_called_rgb_is_believed_itself() -> None:
    jpeg = encoded(EYE, "JPEG", quality=95)
    assert read(dicom(EYE, "RGB", jpeg=jpeg)).image.tobytes() == (
        read(dicom(EYE, "YBR_FULL_422", jpeg=jpeg)).image.tobytes()
    )


@pytest.mark.parametrize(
    "file",
    [
        "SC_jpeg_no_color_transform.dcm",
        "SC_jpeg_no_color_transform_2.dcm",
        "SC_rgb_dcmtk_+eb+cr.dcm",
        "SC_rgb_dcmtk_+eb+cy+np.dcm",
        "SC_rgb_dcmtk_+eb+cy+s2.dcm",
        "SC_rgb_dcmtk_+eb+cy+s4.dcm",
        "SC_rgb_jpeg_app14_dcmd.dcm",
        "SC_rgb_jpeg_dcmd.dcm",
        "SC_rgb_jpeg_lossy_gdcm.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
    ],
)
def test_files_of_other_writers_are_what_pydicom_reads(file: str) -> None:
    path = get_testdata_file(file)
    assert isinstance(path, str)
    data = Path(path).read_bytes()
    assert farthest(read(data).image, data) <= 1


def test_a_jpeg_is_decoded_smaller_where_that_will_do() -> None:
    large = EYE.resize((1260, 900), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # for viewers of JPEG; those of DICOM do not look
    data = dicom(large, "YBR_FULL_422", jpeg=encoded(large, "JPEG", exif=exif))
    photograph = read(data, at_least=200)
    assert (photograph.width, photograph.height) == large.size
    assert photograph.image.height == 225
    whole = read(data).image.resize(photograph.image.size, Image.Resampling.BOX)
    assert np.abs(pixels(photograph.image) - pixels(whole)).mean() < 1
    assert photograph.image.info == {}


@pytest.mark.parametrize("kind", [VLPhotographicImageStorage, SecondaryCaptureImageStorage])
def test_other_kinds_of_photograph_are_read(kind: UID) -> None:
    assert read(dicom(EYE, kind=kind)).image.tobytes() == EYE.tobytes()


def test_the_network_is_shown_what_a_png_shows_it() -> None:
    settings = Preprocessing(size=64)
    png, file = io.BytesIO(encoded(EYE)), io.BytesIO(dicom(EYE))
    assert prepare(png, settings).tobytes() == prepare(file, settings).tobytes()


@pytest.mark.parametrize(
    ("changes", "eye"),
    [
        ({"ImageLaterality": "R"}, "right"),
        ({"ImageLaterality": "L"}, "left"),
        ({"Laterality": "L"}, "left"),
        ({"ImageLaterality": "R", "Laterality": "L"}, "right"),
        ({"ImageLaterality": "", "Laterality": "L"}, "left"),
        ({"ImageLaterality": "B", "Laterality": "L"}, ""),
        ({}, ""),
    ],
)
def test_the_eye_is_the_images_or_else_the_seriess(changes: dict[str, Any], eye: str) -> None:
    assert read(dicom(EYE, **changes)).eye == eye


def test_a_patient_is_one_pseudonym_whatever_the_photograph() -> None:
    first, second = read(dicom(EYE)), read(dicom(EYE.rotate(180), "YBR_FULL"))
    other = read(dicom(EYE, PatientID="4711-0816"))
    elsewhere = read(dicom(EYE, IssuerOfPatientID="Elsewhere"))
    assert first.patient == second.patient != ""
    assert len({first.patient, other.patient, elsewhere.patient}) == 3
    assert read(dicom(EYE, PatientID="")).patient == ""
    assert read(dicom(EYE, PatientID=None)).patient == ""


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"kind": OphthalmicPhotography16BitImageStorage}, Unsupported, "Photography 16 Bit"),
        ({"kind": OphthalmicTomographyImageStorage}, Unsupported, "Ophthalmic Tomography"),
        ({"kind": UID("1.2.3.4")}, Unsupported, "one that DICOM does not list"),
        ({"NumberOfFrames": 5}, Unsupported, "holds 5 frames"),
        ({"PhotometricInterpretation": "MONOCHROME2"}, Unsupported, "is greyscale"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, Unsupported, "neither as RGB nor"),
        ({"SamplesPerPixel": 4}, Unsupported, "neither as RGB nor"),
        ({"BitsAllocated": 16}, Unsupported, "has 16 bits a channel"),
        ({"jpeg": b"stream", "syntax": JPEG2000Lossless}, Unsupported, "JPEG 2000"),
        ({"jpeg": b"stream", "syntax": JPEGLSLossless}, Unsupported, "JPEG-LS"),
        ({"jpeg": b"stream", "syntax": RLELossless}, Unsupported, "RLE"),
        ({"syntax": DeflatedExplicitVRLittleEndian}, Unsupported, "deflated"),
        ({"BurnedInAnnotation": "YES"}, Unsupported, "may name the patient"),
        ({"PixelData": None}, Unsupported, "without pixels"),
        ({"PixelData": b"\0" * 100}, Truncated, "cut off or damaged"),
        ({"PixelData": b"\0" * 88 * 63 * 6}, Truncated, "cut off or damaged"),
        ({"jpeg": b"no picture"}, Truncated, "cut off or damaged"),
        ({"Rows": 62}, Truncated, "cut off or damaged"),
        ({"Rows": 62, "jpeg": encoded(EYE, "JPEG")}, Truncated, "cut off or damaged"),
        ({"photometric": "YBR_FULL_422", "PlanarConfiguration": 1}, Truncated, "damaged"),
        ({"Rows": 60_000, "Columns": 60_000}, TooLarge, "more than 100 million"),
        ({"Rows": 15}, TooSmall, "only 88 x 15"),
        ({"Columns": None}, TooSmall, "only 0 x 63"),
    ],
)
def test_all_else_is_refused_with_the_reason(
    changes: dict[str, Any], kind: type[ImageError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read(dicom(EYE, **changes))
    message = str(caught.value)
    assert message.startswith("eye.dcm ")
    assert message.endswith(".")


def test_a_directory_of_a_disc_is_named() -> None:
    path = get_testdata_file("DICOMDIR")
    assert isinstance(path, str)
    with pytest.raises(Unsupported, match="table of contents of a disc"):
        read_photograph(path)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("jpeg", [None, encoded(EYE, "JPEG")], ids=["uncompressed", "JPEG"])
def test_a_cut_off_file_is_refused_wherever_it_ends(jpeg: bytes | None) -> None:
    data = dicom(EYE, "RGB", jpeg=jpeg)
    start = data.index(b"\xe0\x7f\x10\x00O")
    ends = [132, 140, 300, start - 3, start, start + 9, start + 200, len(data) - 9]
    for end in ends:
        with pytest.raises((Truncated, Unsupported), match="cut off"):
            read(data[:end])


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_any_damage_is_our_error_or_a_picture() -> None:
    generator = np.random.default_rng(0)
    outcomes = set()
    for original in (dicom(EYE), dicom(EYE, "YBR_FULL_422", jpeg=encoded(EYE, "JPEG"))):
        start = original.index(b"\xe0\x7f\x10\x00O")
        for _ in range(100):
            data = bytearray(original)
            for position in generator.integers(132, start + 20, 4):
                data[position] = generator.integers(256)
            try:
                outcomes.add(read(bytes(data)).image.mode)
            except ImageError as error:
                outcomes.add(type(error).__name__)
    assert {"RGB", "Truncated", "Unsupported"} <= outcomes


def _hidden(text: str) -> None:
    for value in PRIVATE:
        assert value not in text


def test_nothing_that_names_a_person_leaves_the_file(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    odd: dict[str, Any] = {"ImageLaterality": "R", "SpecificCharacterSet": "ISO_IR 100"}
    photograph = read(dicom(EYE, **odd))
    assert (photograph.image.info, photograph.patient) != ({}, "")
    _hidden(repr(photograph) + repr(vars(photograph.image)))
    _hidden(caplog.text + "".join(capfd.readouterr()))


def test_no_error_repeats_what_the_file_says(recwarn: pytest.WarningsRecorder) -> None:
    # Where errors quote: the values that are looked at, here all holding the patient's number.
    name = PATIENT_ID
    spoilt: list[dict[str, Any]] = [
        {keyword: name}
        for keyword in ("PhotometricInterpretation", "ImageLaterality", "BurnedInAnnotation")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, about what this test writes
        files = [dicom(EYE, **changes) for changes in spoilt]
    files.append(dicom(EYE).replace(b"1.2.840.10008.5.1.4.1.1.77.1.5.1", name.encode().ljust(32)))
    files.append(dicom(EYE).replace(b"1.2.840.10008.1.2.1\0", name.encode().ljust(20)))
    files += [dicom(EYE)[:end] for end in (300, 400, 500, 600)]
    for data in files:
        try:
            read(data)
        except ImageError as error:
            _hidden("".join(traceback.format_exception(error)))
    for warning in recwarn:
        _hidden(str(warning.message))


def test_without_pydicom_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom.filereader", None)
    with pytest.raises(Unsupported, match=r"^eye\.dcm is a DICOM file: run `pip install pydicom`"):
        read(dicom(EYE))
    assert read(encoded(EYE)).image.size == EYE.size


def test_pydicom_is_loaded_by_nothing_but_a_dicom_file(tmp_path: Path) -> None:
    EYE.save(tmp_path / "eye.png")
    code = (
        "import sys; from retina.images.decode import read_photograph; "
        f"read_photograph({str(tmp_path / 'eye.png')!r}); sys.exit('pydicom' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
