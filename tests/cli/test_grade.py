import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from retina.assessment import Quality
from retina.inference.grader import Grader
from tests.cli.shell import Answer, retina

Shell = pytest.CaptureFixture[str]


@pytest.fixture
def photographs(drawn_data: Path) -> list[Path]:
    return sorted((drawn_data / "images").iterdir())[:3]


@pytest.fixture
def broken(tmp_path: Path, photographs: list[Path]) -> list[Path]:
    """A file of text named .jpg, a JPEG cut in half, a file that is not there, and a folder."""
    files = [tmp_path / name for name in ("notes.jpg", "cut.jpg", "missing.jpg", "folder.jpg")]
    files[0].write_text("These are notes.")
    data = photographs[0].read_bytes()
    files[1].write_bytes(data[: len(data) // 2])
    files[3].mkdir()
    return files


def grade(capsys: Shell, checkpoints: Path, *arguments: str | Path) -> Answer:
    return retina(capsys, "grade", *arguments, "--model", "small", "--checkpoints", checkpoints)


def strict_json(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_is_the_assessments_in_the_order_given(
    capsys: Shell, checkpoints: Path, photographs: list[Path]
) -> None:
    given = [photographs[2], photographs[0], photographs[1], photographs[0]]
    answer = grade(capsys, checkpoints, *given, "--json")
    assert (answer.status, answer.err) == (0, "")
    grader = Grader.load("small", checkpoints)
    expected = [grader.grade(photograph).to_json() for photograph in given]
    answers = strict_json(answer.out)
    for each in answers + expected:
        assert each.pop("seconds") > 0
    assert answers == expected
    assert [each["image"]["name"] for each in answers] == [file.name for file in given]


def test_every_image_is_tried_and_the_failed_ones_are_named_in_their_place(
    capsys: Shell, checkpoints: Path, photographs: list[Path], broken: list[Path]
) -> None:
    given = [broken[0], photographs[0], *broken[1:], photographs[1]]
    answer = grade(capsys, checkpoints, *given, "--json")
    assert answer.status == 2
    answers = strict_json(answer.out)
    assert [each["image"]["name"] for each in answers] == [file.name for file in given]
    failed = [each for each in answers if "error" in each]
    assert [set(each) for each in failed] == [{"image", "error"}] * 4
    assert [each["image"] for each in failed] == [{"name": file.name} for file in broken]
    assert [each["grade"] in range(5) for each in answers if "error" not in each] == [True, True]
    assert answer.errors == [each["error"] for each in failed]
    assert answer.err.count("\n") == 4
    for file, reason in zip(broken, ("text", "cut off", "does not exist", "folder"), strict=True):
        assert [file.name in error and reason in error for error in answer.errors].count(True) == 1


def test_lines_name_file_grade_and_referral(
    capsys: Shell, checkpoints: Path, photographs: list[Path], broken: list[Path]
) -> None:
    answer = grade(capsys, checkpoints, broken[0], *photographs)
    assert answer.status == 2
    assert len(answer.errors) == 1
    grader = Grader.load("small", checkpoints)
    lines = answer.out.splitlines()
    assert len(lines) == len(photographs)
    for line, photograph in zip(lines, photographs, strict=True):
        expected = grader.grade(photograph)
        assert line.startswith(f"{photograph.name}: {expected.grade} {expected.label} (")
        assert ("no referral" in line) is not expected.referable


def test_an_unknown_model_is_one_line(
    capsys: Shell, checkpoints: Path, photographs: list[Path]
) -> None:
    for name in ("large", "../small"):
        answer = retina(
            capsys, "grade", photographs[0], "--model", name, "--checkpoints", checkpoints, "--json"
        )
        assert (answer.status, answer.out) == (2, "")
        assert answer.err.count("\n") == len(answer.errors) == 1
        assert answer.errors[0].endswith(": choose one of small")


def test_a_folder_without_models_says_how_to_get_one(
    capsys: Shell, tmp_path: Path, photographs: list[Path]
) -> None:
    answer = grade(capsys, tmp_path, photographs[0])
    assert (answer.status, answer.out) == (2, "")
    assert "train.py" in answer.errors[0]


def test_each_picture_gets_a_heatmap_of_its_own(
    capsys: Shell, checkpoints: Path, photographs: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    namesake = tmp_path / "other" / photographs[0].name
    namesake.parent.mkdir()
    shutil.copy(photographs[1], namesake)
    folder = tmp_path / "new" / "maps"
    given = [photographs[0], broken[0], namesake]
    answer = grade(capsys, checkpoints, *given, "--json", "--heatmaps", folder)
    assert answer.status == 2
    assert len(strict_json(answer.out)) == 3
    expected = {
        f"{file.stem}-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.png"
        for file in (photographs[0], namesake)
    }
    assert {file.name for file in folder.iterdir()} == expected
    for name in expected:
        with Image.open(folder / name) as picture:
            picture.load()
            assert (picture.format, picture.mode) == ("PNG", "RGB")


def test_a_long_name_in_any_letters_stops_no_other(
    capsys: Shell, checkpoints: Path, photographs: list[Path], tmp_path: Path
) -> None:
    long = tmp_path / ("\N{EYE}" * 60 + ".jpg")
    shutil.copy(photographs[0], long)
    folder = tmp_path / "maps"
    answer = grade(capsys, checkpoints, long, photographs[1], "--heatmaps", folder)
    assert answer.status == 0
    assert len(list(folder.iterdir())) == 2


def test_heatmaps_in_place_of_a_file_are_the_users_to_mend(
    capsys: Shell, checkpoints: Path, photographs: list[Path], tmp_path: Path
) -> None:
    taken = tmp_path / "maps"
    taken.write_text("kept")
    answer = grade(capsys, checkpoints, photographs[0], "--heatmaps", taken)
    assert (answer.status, answer.out) == (2, "")
    assert len(answer.errors) == 1
    assert taken.read_text() == "kept"


def test_a_name_that_is_no_text_does_not_break_the_json(
    capsys: Shell, checkpoints: Path, photographs: list[Path], tmp_path: Path
) -> None:
    # What Python makes of the bytes of a file's name that are no UTF-8.
    names = [str(tmp_path / "eye\udcff.jpg"), str(tmp_path / "missing\udcff.jpg")]
    shutil.copy(photographs[0], names[0])
    answer = grade(capsys, checkpoints, *names, "--json")
    assert answer.status == 2
    answer.out.encode("ascii")
    good, failed = strict_json(answer.out)
    assert good["grade"] in range(5)
    assert failed["image"]["name"].startswith("missing")


def reject(photograph: object, retina: object = None) -> Quality:
    return Quality("reject", 0.1, ("Blurred: focus again.",))


def test_a_rejected_photograph_is_no_failure_and_gets_no_grade(
    capsys: Shell,
    checkpoints: Path,
    photographs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("retina.images.photograph.assess_quality", reject)
    answer = grade(capsys, checkpoints, photographs[0], "--json", "--heatmaps", tmp_path / "maps")
    assert (answer.status, answer.err) == (0, "")
    assert strict_json(answer.out)[0]["grade"] is None
    assert list((tmp_path / "maps").iterdir()) == []
    line = grade(capsys, checkpoints, photographs[0]).out
    assert line == f"{photographs[0].name}: not graded, Blurred: focus again.\n"
    anyway = strict_json(grade(capsys, checkpoints, photographs[0], "--json", "--anyway").out)
    assert anyway[0]["grade"] in range(5)
    assert anyway[0]["quality"]["verdict"] == "reject"


def test_reports_are_written_without_the_photographs_name(
    capsys: Shell, checkpoints: Path, photographs: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "reports"
    answer = grade(capsys, checkpoints, *photographs[:2], "--report", folder)
    assert answer.status == 0
    stems = {
        f"{file.stem}-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"
        for file in photographs[:2]
    }
    assert {file.name for file in folder.iterdir()} == {
        f"{stem}.{kind}" for stem in stems for kind in ("pdf", "html")
    }
    for file in folder.glob("*.html"):
        assert file.stem.rpartition("-")[0] not in file.read_text(encoding="utf-8")


def test_onnx_runtime_computes_the_same(
    capsys: Shell, checkpoints: Path, photographs: list[Path]
) -> None:
    answers = []
    for engine in ("torch", "onnxruntime"):
        answer = grade(capsys, checkpoints, *photographs, "--json", "--engine", engine)
        assert answer.status == 0
        answers.append(strict_json(answer.out))
    for one, other in zip(*answers, strict=True):
        assert one["grade"] == other["grade"]
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)


@pytest.mark.parametrize("command", ["grade", "triage", "evaluate"])
def test_an_engine_that_is_not_installed_is_one_sentence(
    capsys: Shell,
    checkpoints: Path,
    drawn_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    where: dict[str, tuple[str | Path, ...]] = {
        "grade": (drawn_data / "nothing.jpg",),
        "triage": (drawn_data, "--output", tmp_path / "worklist.csv"),
        "evaluate": ("--data", drawn_data),
    }
    flags = ("--model", "small", "--checkpoints", checkpoints, "--engine", "onnxruntime")
    answer = retina(capsys, command, *where[command], *flags)
    assert (answer.status, answer.out) == (2, "")
    (error,) = answer.errors
    assert "extra `onnx`" in error
    assert not list(tmp_path.iterdir())
