"""From data folders to the three parts that a run sees."""

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
    """The photographs of a run, divided.

    Attributes:
        source: What the checkpoint will say of them.
        table: The catalog's columns, ``source`` and ``part``; identical pictures are gone.
        remarks: Sentences on what was left out, and on what the split does not keep apart.
        cache: Where prepared squares are kept.
        sha256: Of every photograph's pixels, grade and part.
        hospitals: The names of the sources, those of one public data set together.
    """

    source: DataSource
    table: pd.DataFrame
    remarks: tuple[str, ...]
    cache: PreparedCache
    sha256: str
    hospitals: tuple[tuple[str, ...], ...] = ()

    def rows(self, part: str) -> pd.DataFrame:
        """The rows of ``train``, ``validation`` or ``test``."""
        return self.table[self.table["part"] == part]

    def without(self, sources: Collection[str]) -> "SplitData":
        """The same parts less some of several sources."""
        table = self.table[~self.table["source"].isin(sources)]
        left = [each for each in self.source.sources if each.name not in sources]
        return replace(self, source=_together(left, table), table=table)

    def preprocessing(
        self,
        image_size: int,
        normalisation: bool = True,
        colours: tuple[Triple, Triple] | None = None,
    ) -> Preprocessing:
        """The preparation; the prepared squares of all parts are in the cache afterwards.

        Args:
            image_size: Side of the square, in pixels.
            normalisation: If not, pixels are only scaled to 0..1.
            colours: Mean and deviation to normalise by; the training part's own if None.

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
        """A part as tensors and grades."""
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
    """Make sure that there is something to read, before anything else is done.

    Raises:
        DataError: there is no such folder.
    """
    for folder in data:
        if folder != SYNTHETIC and not Path(folder).is_dir():
            raise DataError(
                f"there is no data folder {folder}: put EyePACS or APTOS 2019 there (images and "
                "the CSV from Kaggle), name another folder with --data, or try --data synthetic"
            )


def read_split_data(data: Sequence[str], seed: int) -> SplitData:
    """Read data folders, drop identical pictures across all of them, and split 70/10/20.

    Args:
        data: Folders, each a source of its own, or ``synthetic`` for drawn photographs.
        seed: Of the split.

    Raises:
        DataError: a folder is given twice, nothing in one is recognised, or all together are too
            small to split.
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
    """What a checkpoint says of each source."""
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
    """One source as it is, or what several are together."""
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
        f"labels without a picture: {without_picture}": without_picture,
        f"pictures without a label: {without_label}": without_label,
        f"rows of the tables that cannot be used: {unusable}": unusable,
        f"pictures that cannot be read, {len(identical.unreadable)}: "
        + "; ".join(picture.reason for picture in identical.unreadable[:3]): len(
            identical.unreadable
        ),
        f"{identical.files} pictures in {identical.groups} groups are identical, "
        f"{identical.conflicting_groups} of them with conflicting grades": identical.groups,
        f"near-identical pairs, kept in one part: {len(alike)}": len(alike),
    }
    remarks = [sentence for sentence, count in counts.items() if count]
    if share := familiar_test_share(table, table["part"]):
        remarks.append(
            f"{share:.0%} of the test pictures belong to a patient who is in another part too: "
            "the test figures are too good"
        )
    for part in PARTS:
        rows = table[table["part"] == part]
        by_grade = "/".join(str((rows["grade"] == grade).sum()) for grade in range(NUM_GRADES))
        by_source = ""
        if len(catalogs) > 1:
            counted = (f"{(rows['source'] == each.name).sum()} of {each.name}" for each in catalogs)
            by_source = f" ({', '.join(counted)})"
        remarks.append(f"{part}: {len(rows)} pictures{by_source}, by grade {by_grade}")
    return tuple(remarks)
