"""The commands that are stopped, and what must hold of what they leave."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from retina.datasets.cache import PreparedCache, _read
from retina.inference.worklist import journal_of, read_journal
from retina.models.checkpoint import load_checkpoint
from retina.models.checkpoint_folder import read_metrics

SIDE = 64
STUDENT = "resnet18.safetensors"
TIMES = ["seconds", "waiting_seconds"]
ROUNDING = 1e-5
"""Of a probability, where a photograph was graded in another batch."""


@dataclass(frozen=True)
class Work:
    """A command in a folder of its own.

    Attributes:
        photographs: How many it is given.
        arguments: Of ``retina``, for its folder and that of the photographs.
        check: Fails where something half-written could be taken for whole, or was lost.
        result: What it leaves in the end.
        compare: Fails where two results differ.
        drawn: How many of the photographs are drawn; the others are copies of them.
        endless: Whether it ends by a signal only.
    """

    photographs: int
    arguments: Callable[[Path, Path], list[str]]
    check: Callable[[Path], object]
    result: Callable[[Path], Any]
    compare: Callable[[Any, Any], None]
    drawn: int = 10
    endless: bool = False

    def is_done(self, folder: Path) -> bool:
        """Whether an endless one has nothing left to do."""
        return self.endless and len(rows_in(folder)) == self.photographs


def same(found: object, expected: object) -> None:
    assert found == expected


def train(folder: Path, photographs: Path) -> list[str]:
    sizes = ["--epochs", "2", "--batch-size", "8", "--image-size", "32", "--lr", "0.01"]
    where = ["--data", str(photographs), "--output", str(folder / "run"), "--resume"]
    return ["train", "--scratch", "--model", "resnet18", "--device", "cpu", *sizes, *where]


def check_run(folder: Path) -> None:
    run = folder / "run" / "resnet18-scratch"
    if (run / "state.pt").exists():
        torch.load(run / "state.pt", weights_only=True)
    if (run / "history.csv").exists():
        assert len(pd.read_csv(run / "history.csv")) in (1, 2)
    if (run / "config.json").exists() and (run / "model.safetensors").exists():
        load_checkpoint(run)
    if read_metrics(run) is not None:
        assert {"predictions.csv", "split.csv", "README.md"} <= {
            each.name for each in run.iterdir()
        }


def trained(folder: Path) -> dict[str, Any]:
    run = folder / "run" / "resnet18-scratch"
    history = pd.read_csv(run / "history.csv").drop(columns=TIMES).to_csv()
    names = sorted(each.name for each in [*run.iterdir(), *run.parent.iterdir()])
    weights = (run / "model.safetensors").read_bytes()
    metrics = read_metrics(run)
    return {"weights": weights, "metrics": metrics, "history": history, "files": names}


def prepare(folder: Path, photographs: Path) -> list[str]:
    return ["prepare", str(photographs), "--image-size", str(SIDE)]


def squares(folder: Path) -> list[bytes]:
    """What the cache holds; an entry that is not whole fails."""
    files = PreparedCache(folder / "cache" / "prepared").folder.rglob("*")
    kept = [_read(each, SIDE) for each in files if each.is_file() and each.suffix != ".part"]
    assert not any(square is None for square in kept)
    return sorted(square.tobytes() for square in kept if square is not None)


def triage(folder: Path, photographs: Path) -> list[str]:
    return ["triage", str(photographs / "images"), *_graded(folder, photographs)]


def watch(folder: Path, photographs: Path) -> list[str]:
    every = ["--every", "0.1"]
    return ["watch", str(photographs / "images"), *every, *_graded(folder, photographs)]


def _graded(folder: Path, photographs: Path) -> list[str]:
    model = ["--model", "small", "--checkpoints", str(photographs.parent / "models")]
    return [*model, "--output", str(folder / "worklist.csv")]


def rows_in(folder: Path) -> pd.DataFrame:
    worklist = folder / "worklist.csv"
    if not worklist.exists():
        return pd.DataFrame()
    return pd.read_csv(worklist, float_precision="round_trip")


def check_rows(folder: Path) -> None:
    """A row that is known stays, and its photograph is not graded again: other seconds."""
    seen, worklist = folder / "seen", rows_in(folder)
    before = json.loads(seen.read_text()) if seen.exists() else {}
    journal = read_journal(journal_of(folder / "worklist.csv"))
    now = {row["image"]: row["seconds"] for _, row in journal}
    if not worklist.empty:
        shown = dict(zip(worklist["image"], worklist["seconds"], strict=True))
        now = now or shown
        assert shown.items() <= now.items()
    assert before.items() <= now.items()
    seen.write_text(json.dumps(now))


def worklist(folder: Path) -> pd.DataFrame:
    return rows_in(folder).drop(columns="seconds")


def same_rows(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, rtol=0, atol=ROUNDING)


WORKS = {
    "train": Work(60, train, check_run, trained, same, drawn=60),
    "prepare": Work(80, prepare, squares, squares, same),
    "triage": Work(40, triage, check_rows, worklist, same_rows),
    "watch": Work(40, watch, check_rows, worklist, same_rows, endless=True),
}
