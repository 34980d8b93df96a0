"""One photograph becomes an assessment."""

import os
import time
from typing import BinaryIO

import torch
from PIL import Image
from torch import Tensor, nn

from retina.assessment import Assessment, ImageFacts, Quality
from retina.evaluation.calibration import probabilities
from retina.explain.cam import forward_with_cam
from retina.explain.overlay import overlay_heatmap
from retina.images.decode import Photograph, read_photograph
from retina.images.field_of_view import crop_to_retina, find_retina
from retina.images.prepare import normalise, prepare, prepare_square
from retina.images.quality import assess_quality
from retina.models.checkpoint import Checkpoint, load_checkpoint
from retina.scale import LABELS, REFERABLE_FROM, SIGHT_THREATENING_FROM

CLOSE_CALL = 0.10

VIEW_SIDE = 768
"""The longer side, in pixels, of a photograph as page and shell show it."""


class Grader:
    """A checkpoint that grades photographs; safe to share between threads.

    Args:
        checkpoint: Network and all that it needs.
        device: Where to compute.

    Attributes:
        checkpoint: As given.
        device: As given.

    Example:
        >>> grader = Grader.load("resnet18-scratch")        # doctest: +SKIP
        >>> grader.grade("eye.jpg").label                   # doctest: +SKIP
        'Moderate'
    """

    def __init__(self, checkpoint: Checkpoint, device: str | torch.device = "cpu") -> None:
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        checkpoint.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def load(
        cls,
        name: str | os.PathLike[str],
        checkpoints: str | os.PathLike[str] | None = None,
        device: str | torch.device = "cpu",
    ) -> "Grader":
        """Load a checkpoint by its name in ``checkpoints``, or, given a ``Path``, that folder.

        Raises:
            CheckpointError: it is missing, or not what it says it is.
        """
        return cls(load_checkpoint(name, checkpoints), device)

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name

    @property
    def sha256(self) -> str:
        """SHA-256 of the checkpoint's weights file."""
        return self.checkpoint.config.weights_sha256

    @property
    def model(self) -> nn.Module:
        """The network, in evaluation mode."""
        return self.checkpoint.model

    def prepare(self, source: str | os.PathLike[str] | BinaryIO) -> Tensor:
        """The network's input for a photograph: (1, 3, size, size) float32, normalised.

        Raises:
            ImageError: it is no photograph that can be read.
        """
        return torch.from_numpy(prepare(source, self.checkpoint.config.preprocessing))

    def grade(
        self, source: str | os.PathLike[str] | BinaryIO, *, anyway: bool = False
    ) -> Assessment:
        """Grade a photograph.

        Args:
            source: Path or open binary file.
            anyway: Grade also where the quality gate rejects it.

        Raises:
            ImageError: it is no photograph that can be read.
        """
        began = time.perf_counter()
        photograph = read_photograph(source, at_least=self.checkpoint.config.preprocessing.at_least)
        return self.assess(photograph, anyway=anyway, began=began)

    def assess(
        self, photograph: Photograph, *, anyway: bool = False, began: float | None = None
    ) -> Assessment:
        """Grade a photograph that was decoded already, as when several models share it.

        Args:
            photograph: Decoded no smaller than ``preprocessing.at_least``.
            anyway: Grade also where the quality gate rejects it.
            began: ``time.perf_counter()`` when work on it began; now by default.
        """
        began = time.perf_counter() if began is None else began
        retina = find_retina(photograph.image)
        quality = assess_quality(photograph, retina)
        facts = ImageFacts(photograph.name, photograph.sha256, photograph.width, photograph.height)
        if quality.verdict == "reject" and not anyway:
            return self._ungraded(quality, facts, time.perf_counter() - began)
        settings = self.checkpoint.config.preprocessing
        square = normalise(prepare_square(photograph.image, settings, retina), settings)
        logits, heatmap = forward_with_cam(
            self.model,
            torch.from_numpy(square)[None].to(self.device, memory_format=torch.channels_last),
        )
        answer = probabilities(logits.float().cpu().numpy(), self.checkpoint.config.temperature)[0]
        grade = int(answer.argmax())
        referable = float(answer[REFERABLE_FROM:].sum())
        return Assessment(
            model=self.name,
            model_sha256=self.sha256,
            grade=grade,
            label=LABELS[grade],
            probabilities=tuple(answer.tolist()),
            confidence=float(answer[grade]),
            referable=referable >= self.checkpoint.config.referable.threshold,
            referable_probability=referable,
            sight_threatening_probability=float(answer[SIGHT_THREATENING_FROM:].sum()),
            quality=quality,
            image=facts,
            warnings=_warnings(answer.tolist(), quality),
            seconds=time.perf_counter() - began,
            heatmap=heatmap[0].float().cpu().numpy(),
        )

    def overlay(self, photograph: Photograph, assessment: Assessment) -> Image.Image | None:
        """The heatmap over what the network was shown, in the photograph's own aspect.

        Args:
            photograph: That was assessed.
            assessment: Of this grader.

        Returns:
            An RGB picture of at most ``VIEW_SIDE`` pixels a side; None where nothing was graded.
        """
        if assessment.heatmap is None:
            return None
        config = self.checkpoint.config
        view = photograph.image
        view = crop_to_retina(view) if config.preprocessing.crop else view.copy()
        view.thumbnail((VIEW_SIDE, VIEW_SIDE), Image.Resampling.LANCZOS)
        return overlay_heatmap(view, assessment.heatmap, config.heatmap_scale)

    def _ungraded(self, quality: Quality, facts: ImageFacts, seconds: float) -> Assessment:
        return Assessment(
            model=self.name,
            model_sha256=self.sha256,
            grade=None,
            label=None,
            probabilities=None,
            confidence=None,
            referable=None,
            referable_probability=None,
            sight_threatening_probability=None,
            quality=quality,
            image=facts,
            warnings=(),
            seconds=seconds,
        )


def _warnings(answer: list[float], quality: Quality) -> tuple[str, ...]:
    warnings = []
    if quality.verdict == "reject":
        warnings.append("The quality gate rejected this photograph; it was graded all the same.")
    first, second = sorted(range(len(answer)), key=lambda grade: -answer[grade])[:2]
    if answer[first] - answer[second] < CLOSE_CALL:
        warnings.append(f"{LABELS[first]} and {LABELS[second]} are almost equally likely.")
    return tuple(warnings)
