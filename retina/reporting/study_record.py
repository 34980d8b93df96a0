"""What an output folder of ``train.py`` says of its runs, beside the runs themselves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    Raises:
        SettingsError: it is no JSON object.
    """
    file = output / SETTINGS_FILE
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError):
        raise SettingsError(f"{file} cannot be read: name another --output") from None


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
