"""What is refused as a photograph: the kinds of error, and the limits that hold for any format."""

from retina.errors import TooLarge, TooSmall, Truncated, Unsupported

MAX_PIXELS = 100_000_000
MAX_WEBP_PIXELS = 40_000_000  # Pillow's reader keeps four copies
MAX_BYTES = 2**29
MIN_SIDE = 16
MAX_ASPECT = 10
FORMATS = "JPEG, PNG, TIFF, WebP, BMP or DICOM"


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
    """Raise where a picture has too many pixels to be decoded safely, or too few to be graded.

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
    """The error for a picture that ends too early or contradicts itself."""
    return Truncated(f"{name} is cut off or damaged; copy or export it again.")
