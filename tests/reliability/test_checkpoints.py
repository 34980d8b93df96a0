"""A checkpoint that is not what it says is refused with the reason, in shell and on the page."""

import hashlib
import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retina.models.checkpoint_folder import METRICS_FILE
from retina.models.config import CONFIG_FILE, WEIGHTS_FILE
from retina.web.model_pool import ModelPool
from tests.cli.shell import retina

Shell = pytest.CaptureFixture[str]
Spoil = Callable[[Path], object]


def configured(change: Callable[[dict[str, Any]], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        config = json.loads((folder / CONFIG_FILE).read_text())
        change(config)
        (folder / CONFIG_FILE).write_text(json.dumps(config))

    return spoil


def weighted(change: Callable[[bytes], bytes], *, signed: bool = True) -> Spoil:
    """Change the weights; signed, config.json has the SHA-256 of what they became."""

    def spoil(folder: Path) -> None:
        data = change((folder / WEIGHTS_FILE).read_bytes())
        (folder / WEIGHTS_FILE).write_bytes(data)
        if signed:
            digest = hashlib.sha256(data).hexdigest()
            configured(lambda config: config.update(weights_sha256=digest))(folder)

    return spoil


def with_header(header: dict[str, Any]) -> Callable[[bytes], bytes]:
    def change(_: bytes) -> bytes:
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + bytes(64)

    return change


def huge(shape: list[int], kind: str = "F32") -> Callable[[bytes], bytes]:
    return with_header({"fc.bias": {"dtype": kind, "shape": shape, "data_offsets": [0, 64]}})


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('unpickled')",)


def sparse(folder: Path) -> None:
    with (folder / WEIGHTS_FILE).open("r+b") as file:
        file.truncate(2**33)


SPOILT: dict[str, tuple[Spoil, str]] = {
    "size 0": (configured(lambda c: c["preprocessing"].update(size=0)), "size"),
    "size 10**9": (configured(lambda c: c["preprocessing"].update(size=10**9)), "size"),
    "size as text": (configured(lambda c: c["preprocessing"].update(size="64")), "size"),
    "std 0": (configured(lambda c: c["preprocessing"].update(std=[0, 1, 1])), "std"),
    "temperature 0": (configured(lambda c: c.update(temperature=0)), "temperature"),
    "temperature NaN": (configured(lambda c: c.update(temperature=float("nan"))), "temperature"),
    "threshold 2": (configured(lambda c: c["referable"].update(threshold=2)), "threshold"),
    "rule a list": (configured(lambda c: c["referable"].update(rule=[])), r"referable\.rule"),
    "rows as text": (configured(lambda c: c["data"].update(rows="many")), r"data\.rows"),
    "kind": (configured(lambda c: c["initial_weights"].update(kind="x")), r"weights\.kind"),
    "architecture": (configured(lambda c: c.update(architecture="vgg16")), "vgg16.*resnet18"),
    "another depth": (configured(lambda c: c.update(architecture="resnet34")), "do not fit"),
    "classes": (configured(lambda c: c.update(classes=["No DR"])), "classes"),
    "format": (configured(lambda c: c.update(format=2)), "format"),
    "no field": (configured(lambda c: c.pop("data")), "'data' is missing"),
    "no JSON": (lambda folder: (folder / CONFIG_FILE).write_text("{"), "cannot be used"),
    "deep JSON": (lambda folder: (folder / CONFIG_FILE).write_text("[" * 10**5), "cannot be used"),
    "UTF-16": (lambda folder: (folder / CONFIG_FILE).write_bytes(b"\xff\xfe{\0"), "cannot be used"),
    "metrics": (lambda folder: (folder / METRICS_FILE).write_text("{}"), "confusion_matrix"),
    "changed byte": (weighted(lambda d: d[:-1] + bytes([d[-1] ^ 1]), signed=False), "SHA-256"),
    "cut off": (weighted(lambda d: d[:-9]), "do not fit"),
    "empty": (weighted(lambda d: b""), "do not fit"),
    "pickle": (weighted(lambda d: pickle.dumps(Trap())), "do not fit"),
    "header of 2**63": (weighted(lambda d: b"\xff" * 7 + b"\x7f" + d[8:]), "do not fit"),
    "header no JSON": (weighted(lambda d: d[:8] + b"}" + d[9:]), "do not fit"),
    "shape of 2**40": (weighted(huge([2**40])), "do not fit"),
    "shape overflows": (weighted(huge([2**62, 2**62])), "do not fit"),
    "unknown type": (weighted(huge([16], "F99")), "do not fit"),
    "type that is not loaded": (weighted(huge([128], "F4")), "do not fit"),
    "8 GiB": (sparse, "larger than 1024 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_spoilt_checkpoint_is_refused_with_the_reason(
    capsys: Shell, checkpoints: Path, drawn_data: Path, tmp_path: Path, spoilt: str
) -> None:
    spoil, reason = SPOILT[spoilt]
    shutil.copytree(checkpoints / "small", tmp_path / "small")
    spoil(tmp_path / "small")
    photograph = next((drawn_data / "images").iterdir())
    answer = retina(capsys, "grade", photograph, "--model", "small", "--checkpoints", tmp_path)
    assert (answer.status, answer.out, len(answer.errors)) == (2, "", 1)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(answer.errors[0])
    assert answer.err.count("\n") == 1
    graders = ModelPool(tmp_path)
    with pytest.raises(Exception, match=rf"{reason}|no model yet") as caught:
        graders.get("small")
    assert type(caught.value).__name__ == "CheckpointError"


@pytest.mark.parametrize(
    "name", ["../small", "./small", "small/", "small/../small", "", ".", "..", "\0", "e" * 5000]
)
def test_a_name_never_leaves_the_folder(
    capsys: Shell, checkpoints: Path, tmp_path: Path, name: str
) -> None:
    answer = retina(capsys, "grade", "x.jpg", "--model", name, "--checkpoints", checkpoints)
    assert answer.status == 2
    assert "no model called" in answer.errors[0]
    absolute = str(checkpoints / "small")
    answer = retina(capsys, "grade", "x.jpg", "--model", absolute, "--checkpoints", tmp_path)
    assert answer.status == 2
    assert len(answer.errors) == 1


def test_a_link_that_leaves_the_folder_is_refused(
    capsys: Shell, checkpoints: Path, tmp_path: Path
) -> None:
    (tmp_path / "linked").symlink_to(checkpoints / "small")
    for command in (["grade", "x.jpg", "--model", "linked"], ["models"]):
        answer = retina(capsys, *command, "--checkpoints", tmp_path)
        assert answer.status == 2
        assert "linked is a link that leaves" in answer.errors[0]
    assert ModelPool(tmp_path).names == []
