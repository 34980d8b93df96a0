import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image

from retina.cli import main
from retina.errors import CheckpointError, SettingsError
from retina.inference.grader import Grader
from retina.scale import GRADES
from retina.web import server
from retina.web.examples import drawn_examples, own_examples
from retina.web.model_pool import ModelPool
from retina.web.server import (
    EVENTS,
    build_demo,
    check_free,
    check_open,
    launch,
    read_auth_file,
)
from tests.web.conftest import PHOTOGRAPH, REPOSITORY, free_port, served


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_busy_port_is_one_sentence_and_status_2(
    taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--port", str(taken_port)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"error: port {taken_port} of 127.0.0.1 is taken")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 0), ("127.0.0.1", 70000), ("203.0.113.9", 7860)]
)
def test_an_impossible_address_is_refused(host: str, port: int) -> None:
    with pytest.raises(SettingsError):
        check_free(host, port)


OTHERS = ("0.0.0.0", "::", "192.0.2.7", "clinic.invalid")


@pytest.mark.parametrize("host", OTHERS)
def test_other_machines_are_let_in_only_if_that_was_said(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--host", host]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --host {host} lets other machines in")
    assert "--auth-file" in error
    assert "--insecure" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("host", OTHERS)
def test_who_lets_other_machines_in_is_warned(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_open(host, guarded=True, insecure=False)
    guarded = capsys.readouterr().err
    assert "can be read on the way" in guarded
    assert "everyone" not in guarded
    check_open(host, guarded=False, insecure=True)
    assert "everyone who can reach" in capsys.readouterr().err


def test_calls_that_are_over_are_not_remembered_for_ever(tmp_path: Path) -> None:
    remembered = build_demo(tmp_path, tmp_path)._queue.pending_event_ids_session
    for call in range(EVENTS + 100):  # as Gradio does at each
        remembered[str(call)] = set()
    assert len(remembered) == EVENTS


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_may_enter_as_it_likes(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    check_open(host, guarded=False, insecure=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("size", [0, -5])
def test_a_limit_that_lets_nothing_in_is_refused(size: int) -> None:
    with pytest.raises(SettingsError, match="--max-file-size"):
        launch(port=free_port(), max_file_size=size)


def test_a_log_without_a_folder_is_refused_before_anything_opens(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--log .* cannot be written"):
        launch(port=free_port(), log=tmp_path / "missing" / "log")


def test_a_free_port_is_free() -> None:
    check_free("127.0.0.1", free_port())


def test_the_help_does_not_wait_for_gradio() -> None:
    program = (
        "import sys; from retina.cli import script; sys.argv = ['app.py', '--help']\n"
        "try: script('demo')\n"
        "except SystemExit: sys.exit('gradio' in sys.modules or 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "--auth-file" in done.stdout


def test_the_page_is_built_before_pytorch_is_loaded(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from retina.web.server import build_demo\n"
        "build_demo(pathlib.Path(sys.argv[1])); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], cwd=REPOSITORY).returncode == 0


def test_users_are_read(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ada:love:lace\n\n grace:hopper \n")
    assert read_auth_file(file) == [("ada", "love:lace"), ("grace", "hopper")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("ada", "line 1 .* is not user:password"),
        ("ada:a\n:b", "line 2 .* is not user:password"),
        ("ada:", "is not user:password"),
        ("ada:a\nada:b", "line 2 .* names ada again"),
    ],
)
def test_an_ill_formed_file_of_users_is_refused(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = tmp_path / "users"
    file.write_text(content)
    with pytest.raises(SettingsError, match=sentence):
        read_auth_file(file)


def test_a_missing_file_of_users_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_auth_file(tmp_path / "nobody")


def test_one_example_of_each_grade_is_drawn(tmp_path: Path) -> None:
    examples = drawn_examples(tmp_path)
    assert len(examples) == len(GRADES)
    assert all("drawn" in example.caption and "drawn" in example.path.name for example in examples)


def test_own_examples_replace_the_drawn_ones(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "folder"
    source.mkdir()
    folder.mkdir()
    Image.open(PHOTOGRAPH).save(source / "b.tif")
    (source / "a.txt").write_text("no picture")
    examples = own_examples(source, folder)
    assert [(example.caption, example.path) for example in examples] == [
        ("b.tif", folder / "b.tif")
    ]


def test_examples_without_a_photograph_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no photograph"):
        own_examples(tmp_path, tmp_path)
    with pytest.raises(SettingsError, match="not a folder"):
        own_examples(tmp_path / "nowhere", tmp_path)


def test_weights_are_read_once(checkpoints: Path) -> None:
    graders = ModelPool(checkpoints)
    assert graders.get("resnet18-scratch") is graders.get("resnet18-scratch")


def test_a_model_that_is_loading_keeps_no_other_waiting(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graders = ModelPool(checkpoints)
    slow, quick = graders.names[:2]
    ready = graders.get(quick)
    may_load, load = threading.Event(), Grader.load

    def loading(name: str, **options: Any) -> Grader:
        may_load.wait(20)
        return load(name, **options)

    monkeypatch.setattr(Grader, "load", loading)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(graders.get, slow)
        assert graders.get(quick) is ready
        assert not waiting.done()
        may_load.set()
        assert waiting.result().name == slow


def test_a_broken_checkpoint_hides_no_other(checkpoints: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoints, tmp_path / "models")
    whole = ModelPool(tmp_path / "models").names
    (tmp_path / "models" / whole[0] / "config.json").write_text("{}")
    assert ModelPool(tmp_path / "models").names == whole[1:]


def test_no_checkpoint_is_a_sentence(tmp_path: Path) -> None:
    graders = ModelPool(tmp_path)
    assert graders.names == []
    with pytest.raises(CheckpointError, match=r"train\.py"):
        graders.get("resnet18-scratch")


def test_the_settings_of_a_clinic(address: str) -> None:
    config: dict[str, Any] = httpx.get(f"{address}config").json()
    assert config["run_history"] is False
    assert config["analytics_enabled"] is False
    assert config["max_file_size"] == 100 * 1024**2
    assert httpx.get(f"{address}gradio_api/runs").status_code == 404
    assert httpx.get(f"{address}monitoring").status_code in (403, 404)
    assert httpx.get(f"{address}gradio_api/mcp/").status_code == 404
    elsewhere = httpx.get(f"{address}config", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in elsewhere.headers
    buttons = [c["props"].get("buttons") or [] for c in config["components"]]
    assert not [each for each in buttons if "share" in each]
    public = {d["api_name"] for d in config["dependencies"] if d["api_visibility"] != "private"}
    assert public == {"grade", "compare", "models", "triage"}


def test_without_a_checkpoint_the_page_opens_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # Below a proxy's path, whose slashes do not matter.
    with served("--checkpoints", str(tmp_path), "--root-path", "clinic/") as address:
        config = httpx.get(f"{address}config").json()
        assert config["root"] == f"{address}clinic"
        assert "python train.py" in json.dumps(config)
        path = httpx.post(f"{address}gradio_api/upload", files={"files": b"eye"}).json()[0]
        assert Path(path).read_bytes() == b"eye"
        [opened] = [each for each in Path(path).parents if each.name.startswith("retina-")]
        assert opened.stat().st_mode & 0o077 == 0
    assert not opened.exists(), "uploads must not outlive the page"


def test_uploads_are_deleted_in_time_and_examples_stay(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{(port := free_port())}/"
    uploads: list[Path] = []

    def between_two_deletions(seconds: float) -> None:
        assert seconds == 7
        if len(uploads) == 2:
            raise KeyboardInterrupt
        assert [each.exists() for each in uploads] == [False] * len(uploads)
        posted = httpx.post(f"{address}gradio_api/upload", files={"files": b"eye"})
        uploads.append(Path(posted.json()[0]))
        assert uploads[-1].exists()
        galleries = [
            component["props"]["value"]
            for component in httpx.get(f"{address}config").json()["components"]
            if component["type"] == "gallery"
        ]
        pictures = [each["image"]["path"] for gallery in galleries for each in gallery]
        assert len(pictures) == 2 * len(GRADES)
        assert all(Path(each).exists() for each in pictures)

    monkeypatch.setattr(server, "CACHE_SECONDS", (7, 0))
    monkeypatch.setattr(server, "time", SimpleNamespace(sleep=between_two_deletions))
    with pytest.raises(KeyboardInterrupt):
        launch(port=port, checkpoints=checkpoints)
