"""Folders of small drawn photographs for the tests of this room."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from retina.datasets.synthetic import draw_fundus


def write_pictures(folder: Path, names: Iterable[str], size: int = 48) -> list[str]:
    """Draw a different photograph for each name, which may carry sub-folders and has an ending."""
    paths = []
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_fundus(seed % 5, seed, size).save(path)
        paths.append(str(path))
    return paths


def write_table(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="")


def table_of(grades: Mapping[str, int], patients: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A catalog's table without pictures: grade, and patient if not alone, by image_id."""
    ids = list(grades)
    return pd.DataFrame(
        {
            "image_id": ids,
            "path": [f"{image_id}.png" for image_id in ids],
            "grade": list(grades.values()),
            "patient": [(patients or {}).get(image_id, image_id) for image_id in ids],
            "eye": "",
        }
    )
