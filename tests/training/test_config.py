import dataclasses
import json
from typing import Any

import pytest

from retina.errors import SettingsError
from retina.training.config import LEARNING_RATES, PRECISIONS, RECIPES, RunSettings
from tests.training.runs import settings


def test_the_defaults_are_the_labs() -> None:
    run = RunSettings("resnet50", "pretrained")
    assert (run.epochs, run.batch_size, run.lr, run.image_size) == (10, 32, 0.001, 512)
    assert (run.recipe, run.sampling, run.loss) == ("lab", "none", "cross-entropy")
    assert run.augmentation
    assert run.normalisation


def test_the_name_holds_what_tells_runs_apart() -> None:
    assert settings().name == "resnet18-scratch"
    run = settings(architecture="resnet50", start="pretrained", variant="loss-focal")
    assert run.name == "resnet50-pretrained-loss-focal"


def test_the_settings_survive_json() -> None:
    run = settings(lr=0.1 + 0.2, seed=2**63 - 1, variant="neither")
    assert RunSettings(**json.loads(json.dumps(run.to_json()))) == run


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("architecture", "nope", "--model nope"),
        ("recipe", "x", "--recipe x"),
        ("sampling", "x", "--sampling x"),
        ("loss", "x", "--loss x"),
        ("amp", "x", "--amp x"),
        ("epochs", 0, "--epochs is 0"),
        ("batch_size", 0, "--batch-size is 0"),
        ("image_size", 31, "--image-size is 31"),
        ("image_size", 2049, "--image-size is 2049"),
        ("seed", -1, "--seed is -1"),
        ("seed", 2**63, "--seed is"),
        ("lr", 0.0, "--lr is 0"),
        ("lr", -1.0, "--lr is -1"),
        ("lr", float("nan"), "--lr is nan"),
        ("lr", float("inf"), "--lr is inf"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_flag(field: str, value: Any, flag: str) -> None:
    with pytest.raises(SettingsError, match=flag):
        settings(**{field: value})


def test_what_replaces_a_value_is_checked_too() -> None:
    with pytest.raises(SettingsError, match="--epochs is 0"):
        dataclasses.replace(settings(), epochs=0)


@pytest.mark.parametrize("amp", PRECISIONS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_name_that_is_offered_is_taken(recipe: Any, amp: Any) -> None:
    run = settings(recipe=recipe, amp=amp, lr=LEARNING_RATES[recipe])
    assert (run.recipe, run.amp) == (recipe, amp)
