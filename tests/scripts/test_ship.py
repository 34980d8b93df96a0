import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from retina.reporting.model_card import write_model_card

ROOT = Path(__file__).resolve().parents[2]


def ship(*flags: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ship.py", *flags])
        runpy.run_path(str(ROOT / "scripts" / "ship.py"), run_name="__main__")


def test_a_run_is_measured_as_it_is_shipped(
    checkpoints: Path, drawn_data: Path, tmp_path: Path
) -> None:
    run, data = checkpoints / "small", str(drawn_data)
    ship(str(run), "--checkpoints", str(tmp_path), "--data", data, "--elsewhere", f"again={data}")
    shipped = tmp_path / "small"
    assert (shipped / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    metrics = json.loads((shipped / "metrics.json").read_text())
    answers = pd.read_csv(shipped / "predictions.csv")
    assert metrics["n"] == len(answers)
    assert metrics["accuracy"]["value"] == (answers["grade"] == answers["predicted"]).mean()
    again = json.loads((shipped / "evaluations" / "again.json").read_text())
    assert again["n"] > metrics["n"]
    card = (shipped / "README.md").read_text(encoding="utf-8")
    assert "| again |" in card
    (shipped / "README.md").unlink()
    ship(str(shipped), "--checkpoints", str(tmp_path))
    assert (shipped / "README.md").read_text(encoding="utf-8") == card
    write_model_card(shipped)
    assert (shipped / "README.md").read_text(encoding="utf-8") == card
