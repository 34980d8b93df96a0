"""Update the table of shipped checkpoints in README.md, between its two markers.

Run it as ``python -m scripts.table``.
"""

from collections.abc import Sequence
from pathlib import Path

from retina.models.checkpoint_folder import list_checkpoints
from retina.reporting.formatting import Cell
from retina.reporting.model_table import Column, model_table, shown_models

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- table: python -m scripts.table -->\n", "<!-- end of the table -->\n"

ELSEWHERE = "messidor2"
ABROAD = ("AUROC", "Sensitivity", "Specificity", "Kappa")
AT_HOME = (
    ("AUROC", "AUROC at home"),
    ("Quadratic weighted kappa", "kappa at home"),
    ("Model", "accuracy at home"),
    ("Balanced accuracy", "balanced accuracy at home"),
    ("Expected calibration error", "calibration error at home"),
)


def main() -> None:
    """Update README.md."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}{table(ROOT / 'checkpoints')}{END}{after}", encoding="utf-8")


def table(checkpoints: Path) -> str:
    """Return the table as Markdown, a row per checkpoint, with intervals in brackets.

    First the metrics on hospitals that no checkpoint was trained on, then those on the test split.
    """
    models = shown_models([checkpoints / name for name in list_checkpoints(checkpoints)])
    columns = model_table(models)
    figures = [
        (f"{ELSEWHERE}: {column.name}", column)
        for name in ABROAD
        for column in columns
        if column.name == name and column.group.startswith(f"On {ELSEWHERE}")
    ]
    figures += [(head, find(columns, name)) for name, head in AT_HOME]
    figures.append(("start", find(columns, "Started from")))
    heads = ["checkpoint", *(head for head, _ in figures)]
    rows = [heads, ["---"] * len(heads)]
    rows += [
        [f"`{model.name}`", *(told(column.cells[number]) for _, column in figures)]
        for number, model in enumerate(models)
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def told(cell: Cell) -> str:
    """Return the text of a cell, with its interval if it has one."""
    return cell.text + (f" ({cell.bounds})" if cell.bounds else "")


def find(columns: Sequence[Column], name: str) -> Column:
    """Return the first column of a name, which is that of the test split."""
    return next(column for column in columns if column.name == name)


if __name__ == "__main__":
    main()
