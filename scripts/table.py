"""Write the README's table of the shipped checkpoints anew, from the files in their folders.

``python -m scripts.table`` changes what stands between the two marks in README.md.
"""

from collections.abc import Sequence
from pathlib import Path

from retina.models.config import list_checkpoints
from retina.reporting.cells import Cell
from retina.reporting.lab import LAB_ACCURACY, LAB_BASELINE
from retina.reporting.model_table import Column, model_table
from retina.reporting.shown_models import ShownModel, shown_models

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- table: python -m scripts.table -->\n", "<!-- end of the table -->\n"

WANTED = (
    ("Quadratic weighted kappa", "kappa"),
    ("Balanced accuracy", "balanced accuracy"),
    ("Expected calibration error", "calibration error"),
    ("AUROC", "referable AUROC"),
)


def main() -> None:
    """Write the table."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}{table(ROOT / 'checkpoints')}{END}{after}", encoding="utf-8")


def table(checkpoints: Path) -> str:
    """The table in Markdown: a row a checkpoint, with intervals in brackets."""
    models = shown_models([checkpoints / name for name in list_checkpoints(checkpoints)])
    columns = model_table(models)
    accuracy, start = find(columns, "Model"), find(columns, "Started from")
    others = chosen(columns)
    heads = ["checkpoint", "accuracy", "the lab’s accuracy", *(head for head, _ in others), "start"]
    rows = [heads, ["---"] * len(heads)]
    for number, model in enumerate(models):
        figures = [told(column.cells[number]) for _, column in others]
        ends = told(accuracy.cells[number]), told(start.cells[number])
        rows.append([f"`{model.name}`", ends[0], lab(model), *figures, ends[1]])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def chosen(columns: Sequence[Column]) -> list[tuple[str, Column]]:
    """The figures beside accuracy that a README has room for, each with its head."""
    own = [(head, find(columns, name)) for name, head in WANTED]
    elsewhere = [
        (f"{column.group.removeprefix('On ').split(',')[0]}: {column.name}", column)
        for column in columns
        if column.group.startswith("On eyepacs")
    ]
    return own + elsewhere


def told(cell: Cell) -> str:
    """A cell's text, with its interval where it has one."""
    return cell.text + (f" ({cell.bounds})" if cell.bounds else "")


def find(columns: Sequence[Column], name: str) -> Column:
    """The first column of a name, which is that of the test part."""
    return next(column for column in columns if column.name == name)


def lab(model: ShownModel) -> str:
    """What the lab measured for the same network and start, where it did."""
    training = model.run.training
    key = (model.run.config.architecture, str(training.get("start")))
    if key not in LAB_ACCURACY or training.get("teacher"):
        return ""
    return f"{LAB_ACCURACY[key]:.1%} (always No DR: {LAB_BASELINE:.1%})"


if __name__ == "__main__":
    main()
