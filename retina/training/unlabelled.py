"""Photographs to learn from without their labels.

Of a labelled folder only the training part is seen, divided as ``train.py`` of the same seed
divides it, so that what is trained later can be tested on the rest.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retina.datasets.cache import PreparedCache
from retina.datasets.channels import channel_statistics
from retina.datasets.folder import scan
from retina.errors import DataError
from retina.images.prepare import Preprocessing
from retina.training.parts import check_data, read_parts


@dataclass(frozen=True)
class Pictures:
    """The photographs to learn from.

    Attributes:
        paths: Of all of them; those of the first folder first.
        first: How many the first folder holds; the student's normalisation is theirs.
        names: Of the folders.
    """

    paths: tuple[str, ...]
    first: int
    names: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the files' names."""
        names = "\n".join(Path(path).name for path in self.paths)
        return hashlib.sha256(names.encode()).hexdigest()


def find_pictures(data: Sequence[str], unlabelled: Sequence[str], seed: int) -> Pictures:
    """The training parts of labelled folders, and all photographs of unlabelled ones.

    Args:
        data: Folders as for ``train.py``, or ``synthetic``.
        unlabelled: Folders of which every photograph is taken; tables in them are not read.
        seed: Of the split.

    Raises:
        DataError: a folder is missing or holds nothing that can be used, or none is given.
    """
    folders: list[tuple[str, list[str]]] = []
    for folder in data:
        check_data([folder])
        parts = read_parts([folder], seed)
        folders.append((parts.source.name, parts.rows("train")["path"].tolist()))
    for folder in unlabelled:
        found = scan(folder)
        if not found.pictures:
            raise DataError(f"there is no photograph in {folder}: name another folder")
        folders.append((found.root.name, [str(found.root / name) for name in found.pictures]))
    if not folders:
        raise DataError("there is nothing to learn from: name folders with --data or --unlabelled")
    paths = [path for _, members in folders for path in members]
    return Pictures(tuple(paths), len(folders[0][1]), tuple(name for name, _ in folders))


def prepare(pictures: Pictures, image_size: int, cache: PreparedCache) -> Preprocessing:
    """Fill the cache; the preparation carries the first folder's own mean and deviation.

    Raises:
        DataError: a photograph cannot be read.
    """
    geometry = Preprocessing(size=image_size)
    for picture in cache.fill(pictures.paths, geometry):
        raise DataError(f"{picture.path}: {picture.reason} Take it out of its folder.")
    mean, std = channel_statistics(pictures.paths[: pictures.first], geometry, cache)
    return replace(geometry, mean=mean, std=std)
