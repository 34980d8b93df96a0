"""Write the README's table of the shipped checkpoints anew, from the files in their folders.

``python -m scripts.table`` changes what stands between the two marks in README.md.
"""

from collections.abc import Sequence
from pathlib import Path

from retina.models.config import list_checkpoints
from retina.reporting.lab import LAB_ACCURACY, LAB_BASELINE
from retina.reporting.model_table import Column, model_table
from retina.reporting.shown_models import ShownModel, shown_models

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- table: python -m scripts.table -->\n", "<!-- end of the table -->\n"

WANTED = (
    ("Started from", "start"),
    ("Model", "accuracy"),
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
    """The table in Markdown: a row a checkpoint, intervals in brackets, the lab's accuracy last."""
    models = shown_models([checkpoints / name for name in list_checkpoints(checkpoints)])
    columns = chosen(model_table(models))
    heads = ["checkpoint", *(head for head, _ in columns), "the lab’s accuracy"]
    rows = [heads, ["---"] * len(heads)]
    for number, model in enumerate(models):
        cells = [column.cells[number] for _, column in columns]
        told = [each.text + (f" ({each.bounds})" if each.bounds else "") for each in cells]
        rows.append([f"`{model.name}`", *told, lab(model)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def chosen(columns: Sequence[Column]) -> list[tuple[str, Column]]:
    """The columns that a README has room for, each with its head."""
    own = [(head, find(columns, name)) for name, head in WANTED]
    elsewhere = [
        (f"{column.group.removeprefix('On ').split(',')[0]}: {column.name}", column)
        for column in columns
        if column.group.startswith("On eyepacs")
    ]
    return own + elsewhere


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
