"""The leave-one-out study: networks tested on a hospital that they were not trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from retina import distributed
from retina.errors import SettingsError
from retina.evaluation.evaluate import evaluate
from retina.files import write_json
from retina.models.checkpoint import load_checkpoint
from retina.models.checkpoint_folder import EVALUATIONS
from retina.reporting.leave_one_out import LEFT_OUT_TEST, LEFT_OUT_WHOLE, TEST_OF
from retina.training.data import SplitData
from retina.training.settings import RunSettings


def with_each_left_out(
    runs: Sequence[RunSettings], hospitals: Sequence[Sequence[str]]
) -> tuple[RunSettings, ...]:
    """Return each run on all sources, followed by one without each hospital.

    Args:
        runs: The runs on all sources.
        hospitals: The sources of each hospital, as in ``SplitData.hospitals``.

    Raises:
        SettingsError: There is only one hospital.
    """
    if len(hospitals) < 2:
        raise SettingsError(
            "--leave-one-out needs two data sets or more: repeat --data; folders of one public "
            "data set count as one"
        )
    return tuple(
        each
        for run in runs
        for each in (
            run,
            *(
                replace(run, left_out=tuple(names), variant=f"without-{'+'.join(names)}")
                for names in hospitals
            ),
        )
    )


def evaluate_left_out(
    run: RunSettings, parts: SplitData, folder: Path, device: torch.device
) -> None:
    """Evaluate a finished run of the study on the hospitals.

    A run without a hospital is evaluated on all photographs of that hospital, and on its test
    split; a run on all sources on the test split of each hospital. The metrics are written to
    ``evaluations`` of the checkpoint; those already there are kept.

    Args:
        run: The settings of the run.
        parts: The photographs of all sources.
        folder: The folder of the finished run.
        device: The device to compute on.
    """
    checkpoint = load_checkpoint(folder)
    for name, rows in _wanted(run, parts):
        file = folder / EVALUATIONS / f"{name}.json"
        if file.exists():
            continue
        metrics = evaluate(checkpoint, rows, parts.cache, device).metrics
        if distributed.is_writer():
            file.parent.mkdir(exist_ok=True)
            write_json(file, metrics)


def _wanted(run: RunSettings, parts: SplitData) -> Iterator[tuple[str, pd.DataFrame]]:
    def of(names: Sequence[str], rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["source"].isin(names)]

    if run.left_out:
        yield LEFT_OUT_WHOLE, of(run.left_out, parts.table)
        yield LEFT_OUT_TEST, of(run.left_out, parts.rows("test"))
    else:
        for names in parts.hospitals:
            yield f"{TEST_OF}{'+'.join(names)}", of(names, parts.rows("test"))
