import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retina.errors import CheckpointError
from retina.models.checkpoint_folder import (
    METRICS_FILE,
    checkpoints_folder,
    describe_checkpoints,
    find_checkpoint,
    list_checkpoints,
    read_config,
)
from retina.models.config import CONFIG_FILE, CheckpointConfig, DataSource, StartedFrom
from tests.checkpoints import METRICS, small_config

FIELDS = [
    "format",
    "name",
    "architecture",
    "classes",
    "preprocessing",
    "temperature",
    "referable",
    "heatmap_scale",
    "initial_weights",
    "training",
    "data",
    "code_version",
    "weights_sha256",
]
INNER = {
    "preprocessing": ["crop", "size", "interpolation", "mean", "std"],
    "referable": ["threshold", "rule", "chosen_on"],
    "initial_weights": ["kind", "source", "sha256"],
    "data": ["name", "rows", "fingerprint", "terms"],
}


def write(folder: Path, value: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(value), encoding="utf-8")
    return folder


def test_the_file_holds_the_promised_fields() -> None:
    value = small_config().to_json()
    assert list(value) == FIELDS
    assert {name: list(value[name]) for name in INNER} == {
        **INNER,
        "data": [*INNER["data"], "shared_patients"],
    }


def test_is_read_as_it_was_written(tmp_path: Path) -> None:
    config = small_config(weights_sha256="ab" * 32)
    assert read_config(write(tmp_path / "small", config.to_json())) == config


def test_older_files_do_not_say_whether_patients_are_shared() -> None:
    value = small_config().to_json()
    value["data"]["shared_patients"] = 0.8
    assert CheckpointConfig.from_json(value).data.shared_patients == 0.8
    del value["data"]["shared_patients"]
    assert CheckpointConfig.from_json(value).data.shared_patients is None


def test_several_sources_and_the_terms_of_a_start_survive_json() -> None:
    each = tuple(
        DataSource(name, 40, "0" * 64, "terms", 0.0, public_set=name) for name in ("APTOS", "DDR")
    )
    config = small_config(
        data=DataSource("a + b", 80, "1" * 64, "terms", 0.0, sources=each),
        initial_weights=StartedFrom("imagenet-compressed", "them", "ab" * 32, "theirs"),
    )
    assert CheckpointConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("field", FIELDS[1:])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    value = small_config().to_json()
    del value[field]
    with pytest.raises(CheckpointError, match=f"of checkpoint small .*'{field}' is missing"):
        read_config(write(tmp_path / "small", value))


@pytest.mark.parametrize(
    ("field", "inner"), [(field, inner) for field, names in INNER.items() for inner in names]
)
def test_a_missing_inner_field_is_never_made_up(field: str, inner: str) -> None:
    value = small_config().to_json()
    del value[field][inner]
    with pytest.raises(CheckpointError, match=inner):
        CheckpointConfig.from_json(value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 2}, "format is 2, this version reads format 1"),
        ({"format": None}, "format is None"),
        ({"classes": ["healthy", "ill"]}, "classes"),
        ({"classes": None}, "cannot be"),
        ({"temperature": 0}, "temperature has a value that cannot be: Input should be greater"),
        ({"temperature": -1.0}, "temperature has a value"),
        ({"temperature": float("nan")}, "temperature has a value"),
        ({"temperature": float("inf")}, "temperature has a value"),
        ({"temperature": "warm"}, "temperature has a value"),
        ({"temperature": 10**400}, "temperature has a value"),
        ({"temperature": True}, "temperature has a value"),
        (
            {
                "preprocessing": {
                    **small_config().to_json()["preprocessing"],
                    "mean": [10**400, 0, 0],
                }
            },
            "mean is three numbers",
        ),
        ({"heatmap_scale": 0.0}, "heatmap_scale has a value"),
        ({"heatmap_scale": float("inf")}, "heatmap_scale has a value"),
        ({"preprocessing": {"size": 512}}, "preprocessing"),
        ({"preprocessing": []}, "preprocessing"),
        ({"referable": 0.5}, "cannot be"),
        (
            {"referable": {"threshold": 1.1, "rule": "", "chosen_on": ""}},
            r"referable\.threshold has",
        ),
        (
            {"referable": {"threshold": None, "rule": "", "chosen_on": ""}},
            r"referable\.threshold has",
        ),
        ({"referable": {"threshold": float("nan"), "rule": "", "chosen_on": ""}}, "threshold has"),
        ({"training": 3}, "cannot be"),
        ({"data": "APTOS"}, "cannot be"),
        ({"data": {**small_config().to_json()["data"], "sources": ["APTOS"]}}, "cannot be"),
        ({"data": {**small_config().to_json()["data"], "sources": 3}}, "cannot be"),
        (
            {"data": {**small_config().to_json()["data"], "sources": [{}]}},
            r"sources\.0\.name' is missing",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    folder = write(tmp_path / "small", small_config().to_json() | change)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        read_config(folder)
    assert str(caught.value).startswith("config.json of checkpoint small cannot be used: ")


@pytest.mark.parametrize(
    "content", [b"", b"not JSON", b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b"null"]
)
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONFIG_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"^config\.json of checkpoint .* cannot be used"):
        read_config(tmp_path)


def test_a_folder_without_the_file_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        read_config(tmp_path)


def test_only_folders_with_a_configuration_are_listed(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path / name, {})
    (tmp_path / "empty").mkdir()
    (tmp_path / "LICENSE").write_text("")
    assert list_checkpoints(tmp_path) == ["a", "b"]
    assert list_checkpoints(tmp_path / "missing") == []


def test_a_name_is_found_and_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "small", {})
    assert find_checkpoint("small", tmp_path) == folder
    assert find_checkpoint(folder) == folder


ESCAPES: list[Callable[[Path], str]] = [
    lambda models: "../outside",
    lambda models: "inside/../../outside",
    lambda models: str(models.parent / "outside"),
    lambda models: ".",
    lambda models: "",
    lambda models: "inside/",
]


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_name_cannot_leave_the_folder(tmp_path: Path, escape: Callable[[Path], str]) -> None:
    write(tmp_path / "outside", {})
    models = tmp_path / "models"
    write(models / "inside", {})
    with pytest.raises(CheckpointError, match=r"no model called .*: choose one of inside$"):
        find_checkpoint(escape(models), models)


def test_without_any_checkpoint_the_way_to_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"train\.py.*--checkpoints"):
        find_checkpoint("resnet18-scratch", tmp_path)


def test_where_checkpoints_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETINA_CHECKPOINTS", raising=False)
    monkeypatch.chdir(tmp_path)
    in_the_checkout = checkpoints_folder()
    assert in_the_checkout.is_absolute()
    assert in_the_checkout.name == "checkpoints"
    (tmp_path / "checkpoints").mkdir()
    assert checkpoints_folder().resolve() == tmp_path / "checkpoints"
    monkeypatch.setenv("RETINA_CHECKPOINTS", str(tmp_path / "named"))
    assert checkpoints_folder() == tmp_path / "named"
    assert checkpoints_folder(tmp_path / "given") == tmp_path / "given"


def test_a_description_needs_no_weights(tmp_path: Path) -> None:
    folder = write(tmp_path / "small", small_config(weights_sha256="ab" * 32).to_json())
    (folder / METRICS_FILE).write_text(json.dumps(METRICS))
    assert describe_checkpoints(tmp_path) == [
        {
            "name": "small",
            "sha256": "ab" * 32,
            "architecture": "resnet18",
            "initial_weights": {"kind": "random", "source": "He initialisation", "sha256": None},
            "image_size": 64,
            "metrics": METRICS,
        }
    ]
