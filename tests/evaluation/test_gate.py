from pathlib import Path

import pytest

from retina.assessment import Quality
from retina.datasets.formats import read_folder
from retina.evaluation import gate
from retina.images.decode import Photograph


def test_only_what_is_rejected_is_refused(
    drawn_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = read_folder(drawn_data).table["path"].tolist()[:4]
    verdicts = dict(zip(map(Path, paths), ["good", "reject", "usable", "reject"], strict=True))

    def assess(photograph: Photograph) -> Quality:
        (verdict,) = [v for path, v in verdicts.items() if path.name == photograph.name]
        return Quality(verdict, 0.5)  # type: ignore[arg-type]

    monkeypatch.setattr(gate, "assess_quality", assess)
    assert gate.refused(paths, 64).tolist() == [False, True, False, True]


def test_what_cannot_be_read_is_refused(tmp_path: Path, drawn_data: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photograph")
    path = read_folder(drawn_data).table["path"].iloc[0]
    assert gate.refused([str(broken), path], 64)[0]


def test_no_photograph_at_all() -> None:
    assert gate.refused([], 64).tolist() == []
