"""Finished runs, read from disk, and the results of the lab that they are compared with."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retina.errors import CheckpointError, SettingsError
from retina.files import MAX_TABLE, no_formula, refuse_large
from retina.models.checkpoint_folder import METRICS_FILE, read_config, read_metrics
from retina.models.config import CONFIG_FILE, HISTORY_FILE, CheckpointConfig
from retina.reporting.formatting import interval, number
from retina.scale import NUM_GRADES

Study = Literal["comparison", "ablation", "imbalance", "leave-one-out"]
ACCURACY_COLUMNS = ["epoch", "train_accuracy", "validation_accuracy"]

METRICS = (
    "accuracy",
    "majority_baseline_accuracy",
    "balanced_accuracy",
    "quadratic_weighted_kappa",
    "macro_f1",
    *(f"recall_{grade}" for grade in range(NUM_GRADES)),
    "referable_sensitivity",
    "referable_specificity",
    "referable_auroc",
)
"""The metrics of ``comparison.csv``, in its order."""

_STARTS = ("scratch", "pretrained")


@dataclass(frozen=True)
class FinishedRun:
    """A trained and tested run.

    Attributes:
        folder: The folder it was read from.
        config: Its ``config.json``.
        metrics: Its ``metrics.json``, on the test split; a metric is a number,
            ``{value, low, high}`` or None.
        history: Its ``history.csv``, a row per epoch.
    """

    folder: Path
    config: CheckpointConfig
    metrics: dict[str, Any]
    history: pd.DataFrame

    @property
    def name(self) -> str:
        """The name, such as ``resnet18-scratch``."""
        return self.config.name

    @property
    def training(self) -> dict[str, Any]:
        """Settings and outcome of training, as far as recorded."""
        return dict(self.config.training or {})

    @property
    def start(self) -> str:
        """``scratch`` or ``pretrained``; from the name if it is not recorded."""
        return str(self.training.get("start") or self._suffix.partition("-")[0])

    @property
    def variant(self) -> str:
        """What distinguishes the run from the others of a study; may be empty."""
        return str(self.training.get("variant", self._suffix.partition("-")[2]))

    @property
    def left_out(self) -> str:
        """The sources that the run was not trained on, joined by ``+``; may be empty."""
        return str(self.training.get("left_out", ""))

    @property
    def is_taught(self) -> bool:
        """Whether the predictions of a teacher were a second target."""
        return bool(self.training.get("teacher"))

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return len(self.history)

    @property
    def best_epoch(self) -> int | None:
        """The epoch chosen on validation, from 1; None if it is not recorded."""
        recorded = number(self.training.get("best_epoch"))
        return None if recorded is None else int(recorded)

    @property
    def confusion_matrix(self) -> npt.NDArray[np.int64]:
        """(5, 5) counts; rows are true grades."""
        return np.asarray(self.metrics["confusion_matrix"], dtype=np.int64)

    @property
    def pictures(self) -> int:
        """Number of test photographs."""
        return int(self.confusion_matrix.sum())

    @property
    def not_imagenet(self) -> str | None:
        """What a pretrained run started from; None if those are published ImageNet weights."""
        initial = self.config.initial_weights
        if self.start == "scratch" or initial.kind == "imagenet":
            return None
        return f"started from {initial.words}"

    @property
    def sources(self) -> dict[str, Any]:
        """The main metrics of each source; empty if there is only one."""
        return dict(self.metrics.get("sources") or {})

    def metric(self, name: str) -> Any:
        """Return a metric of ``METRICS`` as it is in ``metrics.json``; None if it is missing."""
        group, _, rest = name.partition("_")
        if group == "recall":
            recall = self.metrics.get("recall")
            return dict(enumerate(recall)).get(int(rest)) if isinstance(recall, list) else None
        if group == "referable":
            referable = self.metrics.get("referable")
            return referable.get(rest) if isinstance(referable, dict) else None
        return self.metrics.get(name)

    def value(self, name: str) -> float | None:
        """Return the value of a metric of ``METRICS``; None if it is missing or undefined."""
        return number(self.metric(name))

    @property
    def _suffix(self) -> str:
        return self.name.removeprefix(self.config.architecture).lstrip("-")


def read_finished_run(folder: Path) -> FinishedRun:
    """Read the folder of a run, without its weights.

    Raises:
        CheckpointError: A file is missing or malformed.
    """
    config = read_config(folder)
    metrics = read_metrics(folder)
    if metrics is None:
        raise CheckpointError(
            f"{folder} has no {METRICS_FILE}, so the run is not finished: continue it with "
            "--resume, or leave it out"
        )
    return FinishedRun(folder, config, metrics, read_history(folder / HISTORY_FILE))


def read_history(file: Path) -> pd.DataFrame:
    """Read ``history.csv``, which has a row per epoch.

    Raises:
        CheckpointError: It is missing, empty, or lacks ``ACCURACY_COLUMNS``.
    """
    refuse_large(file, MAX_TABLE, CheckpointError)
    try:
        history = pd.read_csv(file)
        history[ACCURACY_COLUMNS] = history[ACCURACY_COLUMNS].astype("float64")
    except OSError:
        raise CheckpointError(
            f"{file.parent} has no readable {file.name}, which training writes: copy it from where "
            "the run was trained"
        ) from None
    except (ValueError, KeyError):
        raise CheckpointError(
            f"{file} must have the numeric columns {', '.join(ACCURACY_COLUMNS)}"
        ) from None
    if history.empty:
        raise CheckpointError(f"{file} has no rows: the run has not finished an epoch")
    return history


def finished_runs(folders: Sequence[Path]) -> list[FinishedRun]:
    """Read runs, each once, in the order of ``order``.

    Args:
        folders: Folders of runs, or output folders, whose finished runs are all read.

    Raises:
        CheckpointError: A run cannot be read, or a folder holds no finished run.
    """
    found: dict[Path, FinishedRun] = {}
    for folder in folders:
        members = [folder]
        if not (folder / CONFIG_FILE).exists():
            members = sorted(
                file.parent
                for file in folder.glob(f"*/{METRICS_FILE}")
                if (file.parent / CONFIG_FILE).exists()
            )
        if not members:
            raise CheckpointError(
                f"{folder} holds no finished run: name the folder of a run, or an output folder of "
                "train.py"
            )
        for member in members:
            if member.resolve() not in found:
                found[member.resolve()] = read_finished_run(member)
    return sorted(found.values(), key=order)


def labels(runs: Sequence[FinishedRun]) -> list[str]:
    """Return a unique label for each run: its name, after its output folder if necessary."""
    names = Counter(run.name for run in runs)
    taken: Counter[str] = Counter()
    result = []
    for run in runs:
        label = run.name
        if names[label] > 1:
            label = f"{run.folder.resolve().parent.name}/{label}"
        taken[label] += 1
        result.append(label if taken[label] == 1 else f"{label} ({taken[label]})")
    return result


def comparison_table(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """Return the table of ``comparison.csv``, a row per run.

    Returns:
        ``model, initial_weights, epochs, best_epoch, n`` and ``METRICS``, each metric followed by
        ``_low`` and ``_high`` if any run has its interval; then kappa and AUROC of each source, if
        there are several. Undefined values are missing.
    """
    rows: list[dict[str, Any]] = []
    for label, run in zip(labels(runs), runs, strict=True):
        row: dict[str, Any] = {
            "model": no_formula(label),
            "initial_weights": no_formula(run.config.initial_weights.source),
            "epochs": run.epochs,
            "best_epoch": run.best_epoch,
            "n": run.pictures,
        }
        for name in METRICS:
            row[name] = run.value(name)
            if bounds := interval(run.metric(name)):
                row[f"{name}_low"], row[f"{name}_high"] = bounds
        for source, figures in run.sources.items():
            row[f"{source}_quadratic_weighted_kappa"] = number(figures["quadratic_weighted_kappa"])
            row[f"{source}_referable_auroc"] = number(figures["referable"]["auroc"])
        rows.append(row)
    seen = set().union(*rows)
    wide = [n for name in METRICS for n in (name, f"{name}_low", f"{name}_high") if n in seen]
    wide += sorted(seen.difference(wide, ("model", "initial_weights", "epochs", "best_epoch", "n")))
    described = ["model", "initial_weights", "epochs", "best_epoch", "n"]
    table = pd.DataFrame(rows, columns=described + wide)
    return table.astype({"best_epoch": "Int64"} | dict.fromkeys(wide, "float64"))


def order(run: FinishedRun) -> tuple[object, ...]:
    """Sort key: ResNets first, shallow before deep, scratch before pretrained, then by variant."""
    family, depth = re.fullmatch(r"(.*?)(\d*)", run.config.architecture, re.DOTALL).groups()  # type: ignore[union-attr]
    start = _STARTS.index(run.start) if run.start in _STARTS else len(_STARTS)
    lacks = [not run.training.get(name, True) for name in ("augmentation", "normalisation")]
    is_reference = family != "resnet"
    return is_reference, family, int(depth or 0), start, *lacks, run.variant, str(run.folder)


SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class StudyRecord:
    """What the output folder of runs records about them.

    Attributes:
        study: The kind of study.
        remarks: Sentences on the data and its split.
        gap: Why requested runs are missing; None if none are.
    """

    study: Study = "comparison"
    remarks: tuple[str, ...] = ()
    gap: str | None = None


class _Settings(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    study: Study = "comparison"
    remarks: list[str] = []
    gap: str | None = None
    runs: dict[str, dict[str, Any]] = {}
    weights: dict[str, Any] = Field({}, alias="initial weights")


def read_settings(output: Path) -> dict[str, Any] | None:
    """Read the ``settings.json`` of an output folder; None where there is none.

    Returns:
        The keys of the file; ``study``, ``remarks``, ``gap``, ``runs`` and ``initial weights`` are
        of the types that ``train.py`` writes, or missing.

    Raises:
        SettingsError: The file cannot be read, or a key has another type.
    """
    file = output / SETTINGS_FILE
    try:
        settings = _Settings.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError:
        raise SettingsError(f"{file} cannot be read: name another --output") from None
    except ValidationError:
        raise SettingsError(
            f"{file} is not a settings file of train.py: name another --output, or delete it"
        ) from None
    return settings.model_dump(by_alias=True, exclude_unset=True)


def study_record(runs: Sequence[FinishedRun]) -> StudyRecord:
    """Read what the output folders of runs record about them.

    Runs of one output folder keep its study. Runs of several are a comparison, and each remark
    names its folder.

    Raises:
        SettingsError: A settings file cannot be read.
    """
    outputs = dict.fromkeys(run.folder.resolve().parent for run in runs)
    records = {output.name: record for output in outputs if (record := _read(output))}
    if len(outputs) == 1:
        return next(iter(records.values()), StudyRecord())
    return StudyRecord(
        remarks=tuple(f"{name}: {said}" for name, each in records.items() for said in each.remarks),
        gap="; ".join(f"{name}: {each.gap}" for name, each in records.items() if each.gap) or None,
    )


def _read(output: Path) -> StudyRecord | None:
    settings = read_settings(output)
    if settings is None:
        return None
    return StudyRecord(
        settings.get("study", "comparison"),
        tuple(settings.get("remarks", ())),
        settings.get("gap"),
    )


# Table 1 of the lab's report: accuracy on the test photographs at the best epoch.
LAB_ACCURACY = {
    ("resnet18", "scratch"): 0.7312,
    ("resnet18", "pretrained"): 0.8152,
    ("resnet50", "scratch"): 0.7224,
    ("resnet50", "pretrained"): 0.8260,
}
LAB_BASELINE = 0.7335
"""Accuracy of always predicting No DR on them."""

LAB_DATA, LAB_SIZE = "EyePACS", 512
LAB_TRAINED_ON, LAB_TESTED_ON = 28_099, 7_025
