"""What ``docs/api.md`` shows, run as it stands there."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from retina.inference.grader import Grader
from tests.web.conftest import PHOTOGRAPH, REPOSITORY, Guarded

DOCUMENT = (REPOSITORY / "docs/api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.+?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
CURL = [code for language, code in BLOCKS if language == "sh" and "curl" in code]
ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(PHOTOGRAPH, "eye.jpg")  # A PNG by content: endings do not matter.
    Path("notes.txt").write_text("No photograph.")


def here(code: str, address: str, guarded: Guarded) -> str:
    """An example, with the address of a page that is open; behind a password if it has one."""
    assert ADDRESS in code or "client." in code
    needs_password = guarded.user[1] in code
    return code.replace(ADDRESS, (guarded.address if needs_password else address).rstrip("/"))


def test_the_python_examples_run(
    address: str, guarded: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(PYTHON) == 7
    names: dict[str, Any] = {}
    printed = []
    for code in PYTHON:
        exec(compile(here(code, address, guarded), "docs/api.md", "exec"), names)
        lines = capsys.readouterr().out.splitlines()
        printed += [line for line in lines if not line.startswith("Loaded as API")]
    models, graded, quality, first, second, listed, refused, label = printed
    assert models == "['resnet18-pretrained', 'resnet18-scratch']"
    assert re.fullmatch(r"[0-4] .+ \[0\.\d+(, \d\.\d+(e-\d+)?){4}\]", graded)
    assert quality.split()[0] in ("good", "usable", "reject")
    assert first.split()[0] == "resnet18-pretrained"
    assert second.split()[0] == "resnet18-scratch"
    urgencies = ("sight-threatening", "referable", "unsure", "ungradable", "rest")
    assert listed.split()[0] in urgencies
    assert "eye.jpg" in listed
    assert listed.endswith(" None")
    assert "notes.txt" in refused
    assert label == graded[2:].split(" [")[0]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("code", CURL, ids=["open", "password"])
def test_the_curl_examples_run(code: str, address: str, guarded: Guarded) -> None:
    command = ["bash", "-euo", "pipefail", "-c", here(code, address, guarded)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "event: complete\ndata: [" in done.stdout
    assert "resnet18-pretrained" in done.stdout


def test_the_document_names_every_field_of_an_assessment(checkpoints: Path) -> None:
    assessment = Grader.load("resnet18-scratch", checkpoints=checkpoints).grade(PHOTOGRAPH)
    fields = re.findall(r"`(\w+)`", DOCUMENT[: DOCUMENT.index("## Compare")])
    assert assessment.to_json().keys() <= set(fields)
