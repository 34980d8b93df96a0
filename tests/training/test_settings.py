import dataclasses
import json
import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from retina.errors import SettingsError
from retina.models.architectures import build
from retina.training.settings import (
    LAB,
    LEARNING_RATES,
    MODERN,
    MOMENTUM,
    PRECISIONS,
    RECIPES,
    Recipe,
    RunSettings,
    recipe_of,
)
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


def test_a_run_names_its_recipe() -> None:
    assert recipe_of(settings()) is LAB
    assert recipe_of(settings(recipe="modern")) is MODERN


def test_the_lab_keeps_its_rate_and_size() -> None:
    assert {LAB.lr_factor(step, 100) for step in range(100)} == {1.0}
    assert {LAB.side(epoch, 10, 512) for epoch in range(10)} == {512}


def test_the_modern_rate_rises_evenly_and_falls_along_torchs_cosine() -> None:
    steps, warm = 200, 10
    factors = [MODERN.lr_factor(step, steps) for step in range(steps)]
    assert factors[:warm] == pytest.approx([(step + 1) / (warm + 1) for step in range(warm)])

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = CosineAnnealingLR(optimizer, T_max=steps - warm)
    for step in range(warm, steps):
        assert factors[step] == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 21, 1000])
def test_the_modern_rate_has_one_peak_and_never_reaches_nothing(steps: int) -> None:
    factors = [MODERN.lr_factor(step, steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    peak = factors.index(max(factors))
    assert all(before < after for before, after in pairwise(factors[: peak + 1]))
    assert all(before > after for before, after in pairwise(factors[peak:]))
    assert math.isclose(max(factors), 1.0, abs_tol=0.01) or steps < 3


@pytest.mark.parametrize(
    ("image_size", "small"), [(224, 128), (512, 288), (32, 32), (64, 32), (33, 32), (2048, 1184)]
)
def test_squares_grow_at_two_thirds_of_the_epochs(image_size: int, small: int) -> None:
    sides = [MODERN.side(epoch, 10, image_size) for epoch in range(10)]
    assert sides == [small] * 6 + [image_size] * 4


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 20])
def test_the_last_epoch_sees_whole_squares(epochs: int) -> None:
    sides = [MODERN.side(epoch, epochs, 224) for epoch in range(epochs)]
    assert sides[-1] == 224
    assert sides == sorted(sides)


@pytest.mark.parametrize("recipe", [LAB, MODERN], ids=["lab", "modern"])
@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_every_parameter_is_in_one_group_once(recipe: Recipe, architecture: str) -> None:
    model = build(architecture)
    groups = recipe.optimizer(model, 0.1).param_groups
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_the_lab_trains_by_gradient_descent_with_one_rate_and_decay_for_all() -> None:
    optimizer = LAB.optimizer(build("resnet18"), 0.001)
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["nesterov"]) == (0.001, MOMENTUM, False)
    assert group["weight_decay"] == 0.0005
    assert LAB.label_smoothing == 0


def test_the_modern_recipe_decays_matrices_only_and_hurries_the_last_layer() -> None:
    model = build("resnet18")
    optimizer = MODERN.optimizer(model, 0.001)
    assert isinstance(optimizer, torch.optim.AdamW)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            is_head = names[id(parameter)].startswith("fc.")
            assert group["lr"] == pytest.approx(0.005 if is_head else 0.001)
            assert group["weight_decay"] == (0.02 if parameter.dim() > 1 else 0.0)
