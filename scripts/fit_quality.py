"""Fit the quality gate, cross-validated: ``python -m scripts.fit_quality --data DIR``.

DIR holds ``quality/{good,bad,outlier}`` (DRIMDB) and ``aptos2019``; ``eyepacs``, ``eyepacs400`` and
``idrid_camera`` are measured where they are there, and never fitted on. Prints the table
of ``docs/quality.md`` and writes ``retina/images/quality.json``.
"""

import argparse
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from retina.datasets.splits import read_split
from retina.datasets.synthetic import draw_fundus
from retina.images.decode import load_fundus
from retina.images.quality import NUMBERS, REJECT_BELOW, measure_quality
from scripts.quality_pictures import MILD, SEVERE, no_fundus, variants

Floats = npt.NDArray[np.float64]

SPLIT = Path(__file__).parents[1] / "checkpoints" / "resnet18-scratch" / "split.csv"
GOOD, BAD, OUTLIER, OTHER = "DRIMDB good", "DRIMDB bad", "DRIMDB outlier", "no fundus, shipped"
APTOS, APTOS_HELD, DRAWN = "APTOS, training part", "APTOS, validation and test parts", "drawn"
MEASURED = {
    "EyePACS": "eyepacs/images",
    "IDRiD, as the camera wrote them": "idrid_camera",
    "EyePACS, 400 pixels": "eyepacs400/images",
}
WEIGHTS = {
    GOOD: 4.0,
    BAD: 4.0,
    OUTLIER: 5.0,
    OTHER: 3.0,
    APTOS: 4.0,
    DRAWN: 6.0,
    "glare 90 %": 2.0,
}
"""Of a whole set in the fit, however many pictures it has; 1 for the other degradations."""

FOLDS, REPEATS = 10, 4
STRENGTH = 0.05
"""Scikit-learn's ``C``: the smaller, the nearer the weights stay to 0."""

BAD_TO_REJECT = 0.92
"""Share of the bad photographs that the threshold for gradable ones has to refuse."""

FUNDUS_TO_LOSE = 0.01
"""Share of good and of APTOS photographs that the threshold for a fundus may refuse."""

USABLE = 0.10
"""Share of the photographs fit to be graded that count as usable rather than good."""

AT_LEAST = 512
DRAWINGS = 150
KEYS = ["set", "source"]


def main() -> None:
    """Measure, cross-validate, fit, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, default=NUMBERS, metavar="FILE")
    parser.add_argument("--step", type=int, default=8, help="degrade every n-th APTOS photograph")
    parser.add_argument(
        "--measures",
        type=Path,
        metavar="CSV",
        help="cache of the measures",
    )
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    if options.measures and options.measures.exists():
        table = pd.read_csv(options.measures)
    else:
        table = measure_all(options.data, options.step, options.jobs)
        if options.measures:
            table.to_csv(options.measures, index=False)
    numbers, scores = fit_gate(table)
    options.output.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    print(rates(table, scores, numbers["good_from"]))


def measure_all(data: Path, step: int, jobs: int) -> pd.DataFrame:
    """Return a row per image: ``set``, ``source`` (shared by its variants) and the measures."""
    split = read_split(SPLIT)
    split = split[split["source"].isin(("", "aptos2019"))]
    is_training = split["part"] == "train"
    train = sorted(split.loc[is_training, "image_id"])[::step]
    held = sorted(split.loc[~is_training, "image_id"])
    aptos = data / "aptos2019" / "images"
    work = [
        (name, file)
        for name, folder in {
            GOOD: "quality/good",
            BAD: "quality/bad",
            OUTLIER: "quality/outlier",
            **MEASURED,
        }.items()
        for file in _photographs(data / folder)
    ]
    work += [(APTOS, aptos / f"{name}.jpg") for name in train]
    work += [(APTOS_HELD, aptos / f"{name}.jpg") for name in held]
    measured = Parallel(n_jobs=jobs)(delayed(_measure_file)(*each) for each in work)
    rows = [row for some in measured for row in some]
    for name, image in no_fundus():
        rows += [_row(OTHER, name, variant) for _, variant in variants(image)]
    for seed in range(DRAWINGS):
        # Most of those with many haemorrhages, which look least like the other photographs.
        grade, size = (0, 1, 2, 3, 3, 3, 4, 4)[seed % 8], (96, 128, 224, 384, 768)[seed % 5]
        image = draw_fundus(grade, seed, size)
        rows.append(_row(DRAWN, f"drawn {seed}", image))
    return pd.DataFrame(rows)


def fit_gate(table: pd.DataFrame) -> tuple[dict[str, Any], "pd.Series[float]"]:
    """Both models and their thresholds.

    Args:
        table: ``set``, ``source`` and the measures, from ``measure_all``.

    Returns:
        What ``quality.json`` holds; the score of each row, by models that have not seen its source.
    """
    names = [name for name in table.columns if name not in KEYS]
    fitted = table["set"].isin([*WEIGHTS, *SEVERE, *MILD])
    usable = table["set"].isin([GOOD, APTOS, DRAWN, *MILD])
    raw = table[names]
    mean, deviation = raw[fitted & usable].mean(), raw[fitted & usable].std()
    values = ((raw - mean) / deviation).to_numpy()
    is_fundus = ~table["set"].isin([OUTLIER, OTHER])
    models: dict[str, Any] = {}
    logits: list[Floats] = []
    for name, rows, truth in (
        ("fundus", fitted & (table["set"] != BAD), is_fundus),
        ("gradable", fitted & is_fundus, usable),
    ):
        weights = _weights(table["set"], rows, truth)
        model = _fit(values, truth, weights)
        logit = _unseen_logits(values, truth, weights, table["source"], fitted, model)
        threshold = _threshold(name, table["set"], logit)
        logits.append(logit - threshold)
        coefficients = zip(names, model.coef_[0].tolist(), strict=True)
        models[name] = {
            "bias": _rounded(float(model.intercept_[0]) - threshold),
            "weights": {measure: _rounded(weight) for measure, weight in coefficients},
        }
    scores = pd.Series(1 / (1 + np.exp(-np.minimum(*logits))), index=table.index)
    usual = [raw[table["set"] == name] for name in (GOOD, APTOS)]
    accepted = scores[table["set"].isin([GOOD, APTOS]) & (scores >= REJECT_BELOW)]
    numbers = {
        "about": "Made by scripts/fit_quality.py; docs/quality.md explains it.",
        "good_from": _rounded(float(accepted.quantile(USABLE))),
        "measures": {
            name: {
                "mean": _rounded(mean[name]),
                "deviation": _rounded(deviation[name]),
                "low": _rounded(min(float(each[name].quantile(0.02)) for each in usual)),
                "high": _rounded(max(float(each[name].quantile(0.98)) for each in usual)),
            }
            for name in names
        },
    }
    return numbers | models, scores


def _unseen_logits(
    values: Floats,
    truth: "pd.Series[bool]",
    weights: Floats,
    sources: "pd.Series[str]",
    fitted: "pd.Series[bool]",
    model: LogisticRegression,
) -> Floats:
    """Return logits by models not fitted on the source of a row; by ``model`` for other sets."""
    logit: Floats = model.decision_function(values)
    rows = np.flatnonzero(fitted)
    logit[rows] = 0
    for seed in range(REPEATS):
        folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
        for train, test in folds.split(rows, groups=sources[fitted]):
            kept = np.zeros(len(values))
            kept[rows[train]] = 1
            unseen = _fit(values, truth, weights * kept).decision_function(values[rows[test]])
            logit[rows[test]] += unseen / REPEATS
    return logit


def rates(table: pd.DataFrame, scores: "pd.Series[float]", good_from: float) -> str:
    """Return a Markdown table: the size of each set and the share of each verdict."""
    lines = ["| pictures | n | rejected | usable | good |", "|---|---|---|---|---|"]
    for name, rows in scores.groupby(table["set"], sort=False):
        rejected, good = (rows < REJECT_BELOW).mean(), (rows >= good_from).mean()
        lines.append(
            f"| {name} | {len(rows)} | {rejected:.1%} | {1 - rejected - good:.1%} | {good:.1%} |"
        )
    return "\n".join(lines)


def _fit(values: Floats, truth: "pd.Series[bool]", weights: Floats) -> LogisticRegression:
    rows = weights > 0
    model = LogisticRegression(C=STRENGTH, max_iter=5000)
    model.fit(values[rows], truth[rows], sample_weight=weights[rows])
    return model


def _weights(sets: "pd.Series[str]", rows: "pd.Series[bool]", truth: "pd.Series[bool]") -> Floats:
    """Return weights that do not depend on the size of a set and balance both classes."""
    counts = sets[rows].value_counts()
    weights = np.array([
        WEIGHTS.get(name, 1.0) / counts[name] if chosen else 0.0
        for name, chosen in zip(sets, rows, strict=True)
    ])  # fmt: skip
    for answer in (True, False):
        side = (truth == answer).to_numpy()
        weights[side] *= rows.sum() / 2 / weights[side].sum()
    return weights


def _threshold(name: str, sets: "pd.Series[str]", logit: Floats) -> float:
    if name == "gradable":
        return float(np.quantile(logit[sets == BAD], BAD_TO_REJECT))
    return min(float(np.quantile(logit[sets == each], FUNDUS_TO_LOSE)) for each in (GOOD, APTOS))


def _measure_file(name: str, file: Path) -> list[dict[str, Any]]:
    image = load_fundus(file, at_least=AT_LEAST)
    rows = [_row(name, file.name, image)]
    if name == APTOS:
        rng = np.random.default_rng(zlib.crc32(file.name.encode()))
        for degradation, degrade in (SEVERE | MILD).items():
            rows.append(_row(degradation, file.name, degrade(image, rng)))
    return rows


def _row(name: str, source: str, image: Any) -> dict[str, Any]:
    return {"set": name, "source": source} | measure_quality(image)


def _photographs(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix in (".jpg", ".jpeg"))


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


if __name__ == "__main__":
    main()
