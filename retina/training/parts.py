"""From a data folder to the three parts that a run sees."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from retina import distributed
from retina.datasets.cache import PreparedCache
from retina.datasets.catalog import Catalog
from retina.datasets.dataset import Augmentation, RetinopathyDataset, channel_statistics
from retina.datasets.formats import terms_of
from retina.datasets.leakage import (
    IdenticalReport,
    drop_identical,
    familiar_test_share,
    pixel_digests,
)
from retina.datasets.splits import PARTS, split
from retina.datasets.synthetic import SYNTHETIC, read_data
from retina.errors import DataError
from retina.images.prepare import Preprocessing
from retina.models.config import DataSource
from retina.scale import NUM_GRADES

DRAWN_TERMS = "drawn by this package; no terms"


@dataclass(frozen=True)
class Parts:
    """The photographs of a run, divided.

    Attributes:
        source: What the checkpoint will say of them.
        table: The catalogue's columns and ``part``; identical pictures are gone.
        remarks: Sentences on what was left out, and on what the split does not keep apart.
        cache: Where prepared squares are kept.
        sha256: Of every photograph's pixels, grade and part.
    """

    source: DataSource
    table: pd.DataFrame
    remarks: tuple[str, ...]
    cache: PreparedCache
    sha256: str

    def rows(self, part: str) -> pd.DataFrame:
        """The rows of ``train``, ``validation`` or ``test``."""
        return self.table[self.table["part"] == part]

    def preprocessing(self, image_size: int, normalisation: bool = True) -> Preprocessing:
        """The preparation, with the training part's own mean and deviation.

        The prepared squares of all parts are in the cache afterwards.

        Args:
            image_size: Side of the square, in pixels.
            normalisation: If not, pixels are only scaled to 0..1.

        Raises:
            DataError: a picture that could be read a moment ago cannot any more.
        """
        geometry = Preprocessing(size=image_size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        paths = self.table["path"].tolist()
        with distributed.first_process_first():
            for picture in self.cache.fill(paths, geometry):
                raise DataError(f"{picture.reason} It could be read a moment ago: start again.")
        if not normalisation:
            return geometry
        mean, std = channel_statistics(self.rows("train")["path"].tolist(), geometry, self.cache)
        return replace(geometry, mean=mean, std=std)

    def dataset(
        self,
        part: str,
        preprocessing: Preprocessing,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> RetinopathyDataset:
        """A part as tensors and grades."""
        rows = self.rows(part)
        return RetinopathyDataset(
            rows["path"].tolist(),
            rows["grade"].tolist(),
            preprocessing,
            augment=augmentation,
            seed=seed,
            cache=self.cache,
        )


def check_data(data: str) -> None:
    """Make sure that there is something to read, before anything else is done.

    Raises:
        DataError: there is no such folder.
    """
    if data != SYNTHETIC and not Path(data).is_dir():
        raise DataError(
            f"there is no data folder {data}: put EyePACS or APTOS 2019 there (images and the CSV "
            "from Kaggle), name another folder with --data, or try --data synthetic"
        )


def read_parts(data: str, seed: int) -> Parts:
    """Read a data folder, drop identical pictures, and split 70/10/20.

    Args:
        data: A folder, or ``synthetic`` for drawn photographs.
        seed: Of the split.

    Raises:
        DataError: nothing in it is recognised, or it is too small to split.
    """
    with distributed.first_process_first():
        catalog = read_data(data)
        digests = pixel_digests(catalog.table["path"].tolist())
    table, identical = drop_identical(catalog.table, digests)
    table = table.assign(part=split(table, seed, catalog.given_parts))
    pixels = pd.Series(digests, index=catalog.table.index, dtype="object")[table.index]
    contents = table[["image_id", "grade", "part"]].assign(pixels=pixels).sort_values("image_id")
    source = DataSource(
        name=catalog.name,
        rows=len(table),
        fingerprint=catalog.fingerprint,
        terms=DRAWN_TERMS if catalog.format == SYNTHETIC else terms_of(catalog),
        shared_patients=familiar_test_share(table, table["part"]),
    )
    return Parts(
        source,
        table,
        _remarks(catalog, table, identical),
        PreparedCache(),
        hashlib.sha256(contents.to_csv(index=False).encode()).hexdigest(),
    )


def refuse_leaks(parts: Parts) -> None:
    """Refuse a split whose test part holds patients who are in another part too.

    Raises:
        DataError: it does; the message names the share and the flag that trains all the same.
    """
    share = parts.source.shared_patients
    if share:
        raise DataError(
            f"the split that {parts.source.name} comes with leaks: {share:.0%} of its test pictures"
            " belong to a patient who is in another part too; train all the same with "
            "--allow-leaks, and this is said beside the figures"
        )


def _remarks(catalog: Catalog, table: pd.DataFrame, identical: IdenticalReport) -> tuple[str, ...]:
    counts = {
        f"labels without a picture: {catalog.labels_without_picture}": (
            catalog.labels_without_picture
        ),
        f"pictures without a label: {catalog.pictures_without_label}": (
            catalog.pictures_without_label
        ),
        f"rows of the tables that cannot be used: {catalog.unusable_rows}": catalog.unusable_rows,
        f"pictures that cannot be read, {len(identical.unreadable)}: "
        + "; ".join(picture.reason for picture in identical.unreadable[:3]): len(
            identical.unreadable
        ),
        f"{identical.files} pictures in {identical.groups} groups are identical, "
        f"{identical.conflicting_groups} of them with conflicting grades": identical.groups,
    }
    remarks = [sentence for sentence, count in counts.items() if count]
    if share := familiar_test_share(table, table["part"]):
        remarks.append(
            f"{share:.0%} of the test pictures belong to a patient who is in another part too: "
            "the test figures are too good"
        )
    for part in PARTS:
        grades = table.loc[table["part"] == part, "grade"]
        by_grade = "/".join(str((grades == grade).sum()) for grade in range(NUM_GRADES))
        remarks.append(f"{part}: {len(grades)} pictures, by grade {by_grade}")
    return tuple(remarks)
