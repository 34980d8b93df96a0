from pathlib import Path

import onnxruntime
import pytest

from tests.cli.shell import Answer, retina

Shell = pytest.CaptureFixture[str]


def export(capsys: Shell, checkpoints: Path, model: str, output: Path) -> Answer:
    return retina(
        capsys, "export", "--model", model, "--output", output, "--checkpoints", checkpoints
    )


def test_a_file_is_written_and_named(capsys: Shell, checkpoints: Path, tmp_path: Path) -> None:
    answer = export(capsys, checkpoints, "small", tmp_path / "small.onnx")
    assert (answer.status, answer.errors) == (0, [])
    assert answer.out.startswith(str(tmp_path / "small.onnx"))
    assert len(answer.out.splitlines()) == 1
    session = onnxruntime.InferenceSession(tmp_path / "small.onnx")
    assert [each.name for each in session.get_outputs()] == ["logits", "features"]


def test_a_folder_and_an_unknown_model_are_one_sentence_each(
    capsys: Shell, checkpoints: Path, tmp_path: Path
) -> None:
    for model, output in (("small", tmp_path), ("nobody", tmp_path / "a.onnx")):
        answer = export(capsys, checkpoints, model, output)
        assert (answer.status, answer.out, len(answer.errors)) == (2, "", 1)
    assert not list(tmp_path.iterdir())
