"""The photographs of a run: data folders, split into training, validation and test."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from retina import distributed
from retina.datasets.cache import PreparedCache, channel_statistics
from retina.datasets.catalog import Catalog, terms_of
from retina.datasets.dataset import Augmentation, RetinopathyDataset
from retina.datasets.duplicates import IdenticalReport, alike_rows, drop_identical, look_at
from retina.datasets.parallel import Unreadable
from retina.datasets.sources import combine, public_set, read_sources
from retina.datasets.splits import PARTS, familiar_test_share, split
from retina.datasets.synthetic import SYNTHETIC
from retina.errors import DataError
from retina.images.prepare import Preprocessing, Triple
from retina.models.config import DataSource
from retina.scale import NUM_GRADES

DRAWN_TERMS = "drawn by this package; no terms"


@dataclass(frozen=True)
class SplitData:
    """The photographs of a run, split into training, validation and test.

    Attributes:
        source: The description of the data in the checkpoint.
        table: The columns of the catalog, ``source`` and ``part``; without identical images.
        remarks: Sentences on what was left out, and on patients in more than one split.
        cache: The cache of preprocessed images.
        sha256: Hash of the pixels, grade and split of all photographs.
        hospitals: The names of the sources, grouped by public data set.
    """

    source: DataSource
    table: pd.DataFrame
    remarks: tuple[str, ...]
    cache: PreparedCache
    sha256: str
    hospitals: tuple[tuple[str, ...], ...] = ()

    def rows(self, part: str) -> pd.DataFrame:
        """The rows of a split: ``train``, ``validation`` or ``test``."""
        return self.table[self.table["part"] == part]

    def without(self, sources: Collection[str]) -> "SplitData":
        """The same splits, without some of the sources."""
        table = self.table[~self.table["source"].isin(sources)]
        left = [each for each in self.source.sources if each.name not in sources]
        return replace(self, source=_together(left, table), table=table)

    def preprocessing(
        self,
        image_size: int,
        normalisation: bool = True,
        colours: tuple[Triple, Triple] | None = None,
    ) -> Preprocessing:
        """Return the preprocessing, having filled the cache with all photographs.

        Args:
            image_size: Side of the square, in pixels.
            normalisation: Whether to normalise; otherwise pixels are only scaled to [0, 1].
            colours: Mean and standard deviation to normalise by; None for those of the training
                split.

        Raises:
            DataError: A photograph has become unreadable.
        """
        geometry = Preprocessing(size=image_size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        paths = self.table["path"].tolist()
        with distributed.first_process_first():
            for picture in self.cache.fill(paths, geometry):
                raise DataError(f"{picture.reason} It was readable a moment ago: start again.")
        if not normalisation:
            return geometry
        mean, std = colours or channel_statistics(
            self.rows("train")["path"].tolist(), geometry, self.cache
        )
        return replace(geometry, mean=mean, std=std)

    def dataset(
        self,
        part: str,
        preprocessing: Preprocessing,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> RetinopathyDataset:
        """Return a split as a dataset."""
        rows = self.rows(part)
        return RetinopathyDataset(
            rows["path"].tolist(),
            rows["grade"].tolist(),
            preprocessing,
            augment=augmentation,
            seed=seed,
            cache=self.cache,
            sources=rows["source"].tolist(),
        )


def check_split(data: Sequence[str]) -> None:
    """Check that the data folders exist.

    Raises:
        DataError: One does not.
    """
    for folder in data:
        if folder != SYNTHETIC and not Path(folder).is_dir():
            raise DataError(
                f"there is no data folder {folder}: put EyePACS or APTOS 2019 there (images and "
                "the CSV from Kaggle), name another folder with --data, or try --data synthetic"
            )


def read_split_data(data: Sequence[str], seed: int) -> SplitData:
    """Read data folders, drop images that occur in them more than once, and split them 70/10/20.

    Args:
        data: Folders, each a source of its own, or ``synthetic`` for drawn photographs.
        seed: The seed of the split.

    Raises:
        DataError: A folder is given twice or has no known layout, or there are too few photographs
            to split.
    """
    with distributed.first_process_first():
        catalogs = read_sources(data)
        everything, given = combine(catalogs)
        looks = look_at(everything["path"].tolist())
    digests = [look if isinstance(look, Unreadable) else look.digest for look in looks]
    table, identical = drop_identical(everything, digests)
    alike = alike_rows(table, dict(enumerate(looks)))
    table = table.assign(part=split(table, seed, given, alike))
    pixels = pd.Series(digests, index=everything.index, dtype="object")[table.index]
    columns = ["image_id", "grade", "part", *(["source"] if len(catalogs) > 1 else [])]
    contents = table[columns].assign(pixels=pixels).sort_values(columns)
    return SplitData(
        _together(_sources(catalogs, table), table),
        table,
        _remarks(catalogs, table, identical, alike),
        PreparedCache(),
        hashlib.sha256(contents.to_csv(index=False).encode()).hexdigest(),
        _hospitals(catalogs),
    )


def _sources(catalogs: Sequence[Catalog], table: pd.DataFrame) -> list[DataSource]:
    """Describe each source for the checkpoint."""
    sources = []
    for catalog in catalogs:
        rows = table[table["source"] == catalog.name]
        sources.append(
            DataSource(
                name=catalog.name,
                rows=len(rows),
                fingerprint=catalog.fingerprint,
                terms=DRAWN_TERMS if catalog.format == SYNTHETIC else terms_of(catalog),
                shared_patients=familiar_test_share(rows, rows["part"]),
                public_set=public_set(catalog) if len(catalogs) > 1 else "",
            )
        )
    return sources


def _together(sources: Sequence[DataSource], table: pd.DataFrame) -> DataSource:
    """Describe several sources as one."""
    if len(sources) == 1:
        return replace(sources[0], public_set="")
    fingerprints = "".join(f"{source.name},{source.fingerprint}\n" for source in sources)
    return DataSource(
        name=" + ".join(source.name for source in sources),
        rows=len(table),
        fingerprint=hashlib.sha256(fingerprints.encode()).hexdigest(),
        terms="; ".join(dict.fromkeys(source.terms for source in sources)),
        shared_patients=familiar_test_share(table, table["part"]),
        sources=tuple(sources),
    )


def _hospitals(catalogs: Sequence[Catalog]) -> tuple[tuple[str, ...], ...]:
    names: dict[str, list[str]] = {}
    for catalog in catalogs:
        names.setdefault(public_set(catalog) or catalog.name, []).append(catalog.name)
    return tuple(map(tuple, names.values()))


def refuse_leaks(parts: SplitData) -> None:
    """Refuse a split with patients in both the test split and another.

    Raises:
        DataError: There are such patients.
    """
    share = parts.source.shared_patients
    if share:
        raise DataError(
            f"the split that {parts.source.name} comes with leaks: {share:.0%} of its test "
            "photographs belong to a patient who is in another split too; give --allow-leaks to "
            "train anyway, and the reports will say so"
        )


def _remarks(
    catalogs: Sequence[Catalog],
    table: pd.DataFrame,
    identical: IdenticalReport,
    alike: Sequence[tuple[int, int]],
) -> tuple[str, ...]:
    without_picture = sum(catalog.labels_without_picture for catalog in catalogs)
    without_label = sum(catalog.pictures_without_label for catalog in catalogs)
    unusable = sum(catalog.unusable_rows for catalog in catalogs)
    counts = {
        f"labels without a photograph: {without_picture}": without_picture,
        f"photographs without a label: {without_label}": without_label,
        f"unusable rows in the label tables: {unusable}": unusable,
        f"unreadable photographs: {len(identical.unreadable)}. "
        + " ".join(picture.reason for picture in identical.unreadable[:3]): len(
            identical.unreadable
        ),
        f"identical photographs: {identical.files} in {identical.groups} groups, "
        f"{identical.conflicting_groups} of which have conflicting grades": identical.groups,
        f"pairs of near-identical photographs, kept in the same split: {len(alike)}": len(alike),
    }
    remarks = [sentence for sentence, count in counts.items() if count]
    if share := familiar_test_share(table, table["part"]):
        remarks.append(
            f"{share:.0%} of the test photographs belong to a patient who is in another split too: "
            "the test metrics are too optimistic"
        )
    for part in PARTS:
        rows = table[table["part"] == part]
        by_grade = "/".join(str((rows["grade"] == grade).sum()) for grade in range(NUM_GRADES))
        by_source = ""
        if len(catalogs) > 1:
            counted = (f"{(rows['source'] == each.name).sum()} of {each.name}" for each in catalogs)
            by_source = f" ({', '.join(counted)})"
        remarks.append(f"{part}: {len(rows)} photographs{by_source}; grades 0/1/2/3/4: {by_grade}")
    return tuple(remarks)
