"""Several data folders as one table, with the source of each photograph."""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pandas as pd

from retina.datasets.catalog import Catalog
from retina.datasets.layouts import LAB_LISTS
from retina.datasets.synthetic import SYNTHETIC, read_data
from retina.errors import DataError

# The lab's lists name photographs of EyePACS.
_PUBLIC_SETS = {name: name for name in ("APTOS", "DDR", "EyePACS", "IDRiD", "Messidor-2")} | {
    LAB_LISTS: "EyePACS"
}


def read_sources(data: Sequence[str | os.PathLike[str]]) -> list[Catalog]:
    """Read data folders, each a source of its own.

    Args:
        data: Folders, or ``synthetic``; at least one.

    Returns:
        A catalog for each, in the order given, with names that differ: of two folders called
        ``images`` the second is ``images-2``.

    Raises:
        DataError: A folder is given twice, or nothing in it is recognised.
    """
    places: set[str] = set()
    catalogs: list[Catalog] = []
    for each in data:
        place = SYNTHETIC if str(each) == SYNTHETIC else str(Path(each).resolve())
        if place in places:
            raise DataError(f"{each} is given twice: give each data folder once.")
        places.add(place)
        catalog = read_data(each)
        taken = {other.name for other in catalogs}
        names = (f"{catalog.name}-{number}" if number > 1 else catalog.name for number in count(1))
        catalogs.append(replace(catalog, name=next(name for name in names if name not in taken)))
    return catalogs


def combine(catalogs: Sequence[Catalog]) -> tuple[pd.DataFrame, "pd.Series[str] | None"]:
    """Join the tables of several sources.

    A name such as ``10_left`` may be another eye in another source, and patient ``10`` another
    patient, so each patient is named with the public data set that the source was recognised as, or
    else with the source: two folders of EyePACS share its patients, others share none.

    Args:
        catalogs: As ``read_sources`` gives them. One alone keeps its names of patients.

    Returns:
        The rows of ``Catalog.table`` with ``source``, the catalog's name, and ``public_set``, in
        the order of the sources and indexed 0, 1, 2, ...; and the given parts by that index,
        missing where a source has none of its own, or None where no source has.
    """
    tables = []
    for catalog in catalogs:
        table = catalog.table.assign(source=catalog.name, public_set=public_set(catalog))
        if len(catalogs) > 1:
            table["patient"] = f"{public_set(catalog) or catalog.name}/" + table["patient"]
        parts = catalog.given_parts
        table["given"] = pd.Series(pd.NA, table.index, dtype="str") if parts is None else parts
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    given = table.pop("given")
    return table, given if given.notna().any() else None


def public_set(catalog: Catalog) -> str:
    """The public data set that a source was recognised as; empty where it is none."""
    return _PUBLIC_SETS.get(catalog.format, "")
