import os
import stat
from pathlib import Path

import pytest

from tests.cli.shell import Answer, retina
from tests.web.conftest import free_port

Shell = pytest.CaptureFixture[str]


def demo(capsys: Shell, *arguments: str | Path) -> Answer:
    return retina(capsys, "demo", "--port", str(free_port()), *arguments)


@pytest.mark.parametrize("kind", ["folder", "in no folder", "another file", "pipe"])
def test_an_audit_log_that_cannot_be_one_is_refused_before_the_page_opens(
    capsys: Shell, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "audit.jsonl"
    if kind == "folder":
        file.mkdir()
    elif kind == "in no folder":
        file = tmp_path / "missing" / "audit.jsonl"
    elif kind == "another file":
        file.write_text('{"n": 5}\n')
    else:
        os.mkfifo(file)
    answer = demo(capsys, "--audit-log", file)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.count("\n") == len(answer.errors) == 1
    assert answer.errors[0].startswith(f"--audit-log {file} ")
    if kind == "another file":
        assert file.read_text() == '{"n": 5}\n'


def test_an_audit_log_is_its_owners_alone(capsys: Shell, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    # The page does not open, as there are no photographs to offer.
    answer = demo(capsys, "--audit-log", file, "--examples", tmp_path / "missing")
    assert answer.status == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_one_file_cannot_be_both_logs(capsys: Shell, tmp_path: Path) -> None:
    file = tmp_path / "log"
    answer = demo(capsys, "--log", file, "--audit-log", file)
    assert answer.status == 2
    assert "--log and --audit-log" in answer.errors[0]
    assert not file.exists()
