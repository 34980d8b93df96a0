"""What an output folder of ``train.py`` says of its runs, beside the runs themselves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from retina.errors import SettingsError
from retina.reporting.findings import Study
from retina.reporting.finished_runs import FinishedRun

SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class StudyRecord:
    """What runs were trained for.

    Attributes:
        study: What they have in common.
        remarks: Sentences on the data, its parts and what they do not keep apart.
        gap: Why runs that were asked for are missing; None where none are.
    """

    study: Study = "comparison"
    remarks: tuple[str, ...] = ()
    gap: str | None = None


def read_settings(output: Path) -> dict[str, Any] | None:
    """Read the settings file of an output folder; None where there is none.

    Returns:
        What stands there; ``study``, ``remarks``, ``gap``, ``runs`` and ``initial weights`` are of
        the form that ``train.py`` gives them, or missing.

    Raises:
        SettingsError: it cannot be read, or is of another form.
    """
    file = output / SETTINGS_FILE
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        raise SettingsError(f"{file} cannot be read: name another --output") from None
    if not isinstance(settings, dict) or not _is_sound(settings):
        raise SettingsError(
            f"{file} is not what train.py wrote there: name another --output, or take it away"
        )
    return settings


def _is_sound(settings: dict[str, Any]) -> bool:
    remarks, gap = settings.get("remarks", []), settings.get("gap")
    runs, weights = settings.get("runs", {}), settings.get("initial weights", {})
    return (
        settings.get("study", "comparison") in get_args(Study)
        and isinstance(remarks, list)
        and all(isinstance(remark, str) for remark in remarks)
        and isinstance(gap, str | None)
        and isinstance(runs, dict)
        and all(isinstance(run, dict) for run in runs.values())
        and isinstance(weights, dict)
    )


def study_record(runs: Sequence[FinishedRun]) -> StudyRecord:
    """What the output folders of runs say of them.

    Runs of one output folder keep their study. Those of several are a comparison, and each remark
    names its folder. A run that lies in no output folder has nothing said of it.

    Raises:
        SettingsError: a settings file cannot be read.
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
