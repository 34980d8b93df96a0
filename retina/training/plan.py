"""Which runs an experiment consists of."""

from collections.abc import Sequence
from dataclasses import replace

from retina.errors import SettingsError
from retina.reporting.findings import Study
from retina.training.batches import SAMPLINGS
from retina.training.config import RunSettings, Start
from retina.training.losses import LOSSES

DEFAULT_MODELS: dict[Study, tuple[str, ...]] = {
    "comparison": ("resnet18", "resnet50"),
    "ablation": ("resnet50",),
    "imbalance": ("resnet18",),
    "leave-one-out": ("resnet18",),
}
DEFAULT_STARTS: dict[Study, tuple[Start, ...]] = {
    "comparison": ("scratch", "pretrained"),
    "ablation": ("pretrained",),
    "imbalance": ("scratch",),
    "leave-one-out": ("pretrained",),
}
DEFAULT_EPOCHS: dict[Study, int] = {
    "comparison": 10,
    "ablation": 20,
    "imbalance": 10,
    "leave-one-out": 10,
}


def plan(
    study: Study, models: Sequence[str], starts: Sequence[Start], common: RunSettings
) -> tuple[RunSettings, ...]:
    """The runs of a study, in the order in which they are trained.

    ``comparison``: every model from every start. ``ablation``, section 4.2 of the lab's report:
    one model, augmentation and normalisation both, each alone, and neither. ``imbalance``: one
    model, first as it is, then with one sampling or one loss changed at a time. ``leave-one-out``:
    every model from every start; which sources there are to leave out is known once they are read.

    Args:
        study: Which.
        models: Architectures; the study's own where empty.
        starts: The study's own where empty.
        common: All other settings.

    Raises:
        SettingsError: a study of one model was given several.
    """
    chosen = [
        replace(common, architecture=model, start=start)
        for model in dict.fromkeys(models or DEFAULT_MODELS[study])
        for start in starts or DEFAULT_STARTS[study]
    ]
    if study in ("comparison", "leave-one-out"):
        return tuple(chosen)
    if len(chosen) > 1:
        raise SettingsError(
            f"the {study} study is of one model from one start: give one --model, and one of "
            "--scratch and --pretrained"
        )
    return _ablation(chosen[0]) if study == "ablation" else _imbalance(chosen[0])


def _ablation(run: RunSettings) -> tuple[RunSettings, ...]:
    return (
        replace(run, variant="augmentation-normalisation"),
        replace(run, variant="augmentation", normalisation=False),
        replace(run, variant="normalisation", augmentation=False),
        replace(run, variant="neither", augmentation=False, normalisation=False),
    )


def _imbalance(run: RunSettings) -> tuple[RunSettings, ...]:
    samplings = [
        replace(run, sampling=sampling, variant=f"sampling-{sampling}")
        for sampling in SAMPLINGS
        if sampling != run.sampling
    ]
    losses = [
        replace(run, loss=loss, variant=f"loss-{loss}") for loss in LOSSES if loss != run.loss
    ]
    return (run, *samplings, *losses)
