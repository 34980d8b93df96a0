"""The examples of the page: drawn ones, or photographs of one's own."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from retina.datasets.synthetic import draw_fundus
from retina.errors import InputError, SettingsError
from retina.images.decode import read_photograph
from retina.scale import GRADES
from retina.web import text

MAX_OWN = 12
_DRAWN_SIZE = 640
_DRAWN_SEEDS = (21, 30, 64, 111, 133)
"""By grade, chosen for how much they show: both eyes, several cameras, each lesion somewhere."""
_THUMBNAIL_SIDE = 240


@dataclass(frozen=True)
class Example:
    """A photograph that a click puts in the place of an upload.

    Attributes:
        path: The file.
        caption: What the gallery calls it.
        thumbnail: What the gallery shows, since a browser shows no TIFF.
    """

    path: Path
    caption: str
    thumbnail: Image.Image


def drawn_examples(folder: Path) -> list[Example]:
    """Draw one fundus photograph of each grade into ``folder``."""

    def drawn(grade: int) -> Example:
        path = folder / f"drawn-grade-{grade}.png"
        picture = draw_fundus(grade, _DRAWN_SEEDS[grade], _DRAWN_SIZE)
        picture.save(path, compress_level=1)  # The page waits; 6 would take as long as drawing.
        return Example(path, text.drawn_example(grade), _thumbnail(path))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(drawn, (grade.number for grade in GRADES)))


def own_examples(source: Path, folder: Path) -> list[Example]:
    """Copy the first ``MAX_OWN`` photographs, by name, from ``source`` into ``folder``.

    Raises:
        SettingsError: ``source`` is no folder, or none of its files is a photograph.
    """
    if not source.is_dir():
        raise SettingsError(f"--examples {source} is not a folder: name one with photographs")
    examples: list[Example] = []
    for file in sorted(path for path in source.iterdir() if path.is_file()):
        if len(examples) == MAX_OWN:
            break
        try:
            thumbnail = _thumbnail(file)
        except InputError:
            continue
        examples.append(Example(Path(shutil.copy(file, folder)), file.name, thumbnail))
    if not examples:
        raise SettingsError(f"--examples {source} holds no photograph that can be read")
    return examples


def _thumbnail(path: Path) -> Image.Image:
    image = read_photograph(path, at_least=_THUMBNAIL_SIDE).image
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    return image
