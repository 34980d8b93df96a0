"""DICOM files, written by pydicom, of a patient whose name must show up nowhere."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    OphthalmicPhotography8BitImageStorage,
    generate_uid,
)

PATIENT_ID = "4711-0815"
PRIVATE = (PATIENT_ID, "Doe^Jane", "Doe", "Jane", "19510417", "Infirmary", "Who^Dr", "20261125")
"""What a file of ``dicom`` holds and nobody may see."""


def samples(image: Image.Image, photometric: str, planar: int = 0) -> bytes:
    """Uncompressed Pixel Data of a picture, by DICOM PS3.3 C.7.6.3.1.2, in NumPy."""
    pixels = np.asarray(image if photometric == "RGB" else image.convert("YCbCr"))
    if photometric == "YBR_FULL_422":
        return _halved(pixels)
    return (pixels.transpose(2, 0, 1) if planar else pixels).tobytes()


def _halved(pixels: npt.NDArray[np.uint8]) -> bytes:
    light = pixels[..., 0].reshape(-1, 2)
    colour = pixels[:, ::2, 1:].reshape(-1, 2)
    return np.hstack([light, colour]).tobytes()


def dicom(
    image: Image.Image,
    photometric: str = "RGB",
    planar: int = 0,
    syntax: UID = ExplicitVRLittleEndian,
    kind: UID = OphthalmicPhotography8BitImageStorage,
    jpeg: bytes | None = None,
    vr: str = "OB",
    **changes: Any,
) -> bytes:
    """A DICOM file of a picture.

    Args:
        image: RGB.
        photometric: How its colours are called and, uncompressed, stored.
        planar: 0: pixel by pixel; 1: channel by channel.
        syntax: The transfer syntax; baseline JPEG if ``jpeg`` is given and no other.
        kind: The SOP class.
        jpeg: The picture as JPEG, which becomes the Pixel Data.
        vr: Of the Pixel Data, where it is explicit.
        changes: Elements by keyword; None takes one out.
    """
    if jpeg is not None and syntax == ExplicitVRLittleEndian:
        syntax = JPEGBaseline8Bit
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = kind
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyDate = "20261125"
    dataset.InstitutionName = "Infirmary"
    dataset.ReferringPhysicianName = "Who^Dr"
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = PATIENT_ID
    dataset.PatientBirthDate = "19510417"
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = photometric
    dataset.PlanarConfiguration = planar
    dataset.Rows, dataset.Columns = image.height, image.width
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    pixels = samples(image, photometric, planar) if jpeg is None else encapsulate([jpeg])
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OW" if syntax == ImplicitVRLittleEndian else vr
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
