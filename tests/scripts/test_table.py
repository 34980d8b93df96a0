import json
from pathlib import Path

from retina.models.checkpoint_folder import list_checkpoints
from scripts.table import BEGIN, END, README, table

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"


def test_the_readmes_table_is_what_the_shipped_folders_give() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme.count(BEGIN) == readme.count(END) == 1
    assert readme.partition(BEGIN)[2].partition(END)[0] == table(CHECKPOINTS)


def test_each_checkpoint_has_a_row_with_its_figures() -> None:
    rows = {row.split("`")[1]: row for row in table(CHECKPOINTS).splitlines() if "`" in row}
    assert sorted(rows) == sorted(list_checkpoints(CHECKPOINTS))
    for name, row in rows.items():
        metrics = json.loads((CHECKPOINTS / name / "metrics.json").read_text(encoding="utf-8"))
        kappa = metrics["quadratic_weighted_kappa"]
        assert f"| {kappa['value']:.3f} ({kappa['low']:.3f}–{kappa['high']:.3f}) |" in row
        assert f"| {metrics['accuracy']['value']:.1%} (" in row
        evaluation = CHECKPOINTS / name / "evaluations" / "messidor2.json"
        found = json.loads(evaluation.read_text(encoding="utf-8"))["referable"]["auroc"]
        shown = f"{found['value']:.3f} ({found['low']:.3f}–{found['high']:.3f})"
        assert row.startswith(f"| `{name}` | {shown} |")
    assert rows["efficientnet_lite0-pretrained"].endswith("| ImageNet |")
