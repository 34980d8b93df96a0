from dataclasses import replace

import pytest

from retina.errors import SettingsError
from retina.reporting.findings import Study
from retina.training.batches import SAMPLINGS
from retina.training.losses import LOSSES
from retina.training.plan import DEFAULT_EPOCHS, plan
from tests.training.runs import settings


def test_the_comparison_is_of_two_depths_from_two_starts() -> None:
    runs = plan("comparison", [], [], settings())
    assert [run.name for run in runs] == [
        "resnet18-scratch",
        "resnet18-pretrained",
        "resnet50-scratch",
        "resnet50-pretrained",
    ]
    common = {replace(run, architecture="resnet18", start="scratch") for run in runs}
    assert common == {settings()}


def test_models_and_starts_can_be_chosen_and_count_once() -> None:
    runs = plan("comparison", ["resnet34", "resnet101", "resnet34"], ["pretrained"], settings())
    assert [run.name for run in runs] == ["resnet34-pretrained", "resnet101-pretrained"]


def test_the_ablation_is_of_augmentation_and_normalisation() -> None:
    runs = plan("ablation", [], [], settings())
    assert {run.variant: (run.augmentation, run.normalisation) for run in runs} == {
        "augmentation-normalisation": (True, True),
        "augmentation": (True, False),
        "normalisation": (False, True),
        "neither": (False, False),
    }
    assert {(run.architecture, run.start) for run in runs} == {("resnet50", "pretrained")}
    assert DEFAULT_EPOCHS["ablation"] == 20


def test_the_imbalance_study_changes_one_thing_at_a_time() -> None:
    plain, *others = plan("imbalance", [], [], settings())
    assert plain == settings()
    for run in others:
        changed = {
            name
            for name, value in run.to_json().items()
            if value != plain.to_json()[name] and name != "variant"
        }
        assert len(changed) == 1
        (name,) = changed
        assert run.variant == f"{name}-{getattr(run, name)}"
    assert {run.sampling for run in others} == set(SAMPLINGS)
    assert {run.loss for run in others} == set(LOSSES)
    assert len(others) == len(SAMPLINGS) + len(LOSSES) - 2


def test_the_imbalance_study_starts_from_what_was_asked_for() -> None:
    common = settings(sampling="sqrt", loss="focal")
    plain, *others = plan("imbalance", ["resnet34"], ["pretrained"], common)
    assert (plain.name, plain.sampling, plain.loss) == (
        "resnet34-pretrained",
        "sqrt",
        "focal",
    )
    assert "sampling-none" in {run.variant for run in others}
    assert "loss-focal" not in {run.variant for run in others}


@pytest.mark.parametrize("study", ["comparison", "ablation", "imbalance"])
def test_no_two_runs_share_a_folder(study: Study) -> None:
    names = [run.name for run in plan(study, [], [], settings())]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("study", ["ablation", "imbalance"])
def test_a_study_of_one_model_refuses_several(study: Study) -> None:
    with pytest.raises(SettingsError, match="give one --model"):
        plan(study, ["resnet18", "resnet50"], [], settings())
    with pytest.raises(SettingsError, match="--scratch and --pretrained"):
        plan(study, [], ["scratch", "pretrained"], settings())


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(SettingsError, match="--model nope"):
        plan("comparison", ["nope"], [], settings())
