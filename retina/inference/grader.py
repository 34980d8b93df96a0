"""Grading of single photographs."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from retina.assessment import Assessment
from retina.evaluation.calibration import probabilities, referable_probability
from retina.explain.cam import forward_with_cam
from retina.explain.methods import relative_heatmap
from retina.explain.overlay import overlay_heatmap
from retina.images.decode import prepare, read_photograph
from retina.images.photograph import NetworkInput, Photograph
from retina.images.prepare import normalise
from retina.inference.warnings import warnings_for
from retina.models.checkpoint import Checkpoint, load_checkpoint
from retina.models.engines import Engine, network_for_grading
from retina.scale import LABELS, SIGHT_THREATENING_FROM

FloatMap = npt.NDArray[np.float32]

OVERLAY_SIDE = 768
"""The longer side, in pixels, of a heatmap's picture in files, answers and case reports."""

_log = logging.getLogger(__name__)


class Grader:
    """A checkpoint that grades photographs; safe to share between threads.

    Args:
        checkpoint: Network and all that it needs.
        device: The device to compute on.
        engine: What computes; see ``network_for_grading``.

    Attributes:
        checkpoint: The checkpoint.
        device: The device it computes on.
        network: What answers: ``model`` up to rounding, and quicker; see ``network_for_grading``.

    Raises:
        SettingsError: There is no such engine, or it is not installed.

    Example:
        >>> grader = Grader.load("resnet18-scratch")        # doctest: +SKIP
        >>> grader.grade("eye.jpg").label                   # doctest: +SKIP
        'Moderate'
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str | torch.device = "cpu",
        engine: Engine = "torch",
    ) -> None:
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self.network = network_for_grading(checkpoint, engine)
        for network in (checkpoint.model, self.network):
            network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def load(
        cls,
        name: str | os.PathLike[str],
        checkpoints: str | os.PathLike[str] | None = None,
        device: str | torch.device = "cpu",
        engine: Engine = "torch",
    ) -> "Grader":
        """Load a checkpoint by its name in ``checkpoints``, or, given a ``Path``, that folder.

        Raises:
            CheckpointError: it is missing, or not what it says it is.
            SettingsError: There is no such engine, or it is not installed.
        """
        return cls(load_checkpoint(name, checkpoints), device, engine)

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
        """The network as it was trained, in evaluation mode."""
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
        return self.assess(self.read(source), anyway=anyway, began=began)

    def read(
        self, source: str | os.PathLike[str] | BinaryIO, *, name: str | None = None
    ) -> Photograph:
        """Decode a photograph as large as this model needs it.

        Args:
            source: Path or open binary file.
            name: What to call it; the file's own name if None.

        Raises:
            ImageError: it is no photograph that can be read.
        """
        need = self.checkpoint.config.preprocessing.at_least
        return read_photograph(source, at_least=need, name=name)

    def assess(
        self,
        photograph: Photograph,
        *,
        anyway: bool = False,
        began: float | None = None,
    ) -> Assessment:
        """Grade a photograph that was decoded already.

        Args:
            photograph: Decoded no smaller than ``preprocessing.at_least``.
            anyway: Grade also where the quality gate rejects it.
            began: ``time.perf_counter()`` when work on it began; now by default.
        """
        began = time.perf_counter() if began is None else began
        return self.answer([self.prepared(photograph, began, anyway=anyway)])[0]

    def prepared(
        self, photograph: Photograph, began: float, *, anyway: bool = False
    ) -> NetworkInput:
        """Prepare a photograph for ``answer``.

        Args:
            photograph: Decoded no smaller than ``preprocessing.at_least``.
            began: ``time.perf_counter()`` when work on it began.
            anyway: Grade also where the quality gate rejects it.
        """
        graded = anyway or photograph.quality.verdict != "reject"
        settings = self.checkpoint.config.preprocessing
        square = normalise(photograph.square(settings), settings) if graded else None
        return NetworkInput(
            photograph.facts, photograph.quality, square, time.perf_counter() - began
        )

    def answer(self, batch: Sequence[NetworkInput]) -> list[Assessment]:
        """Grade photographs in one forward pass; their seconds share its time."""
        began = time.perf_counter()
        squares = [each.square for each in batch if each.square is not None]
        answers: Iterator[tuple[FloatMap, FloatMap]] = iter(())
        if squares:
            pictures = torch.from_numpy(np.stack(squares))
            logits, heatmaps = forward_with_cam(self.network, pictures.to(self.device))
            temperature = self.checkpoint.config.temperature
            calibrated = probabilities(logits.float().cpu().numpy(), temperature)
            answers = zip(calibrated, heatmaps.float().cpu().numpy(), strict=True)
        share = (time.perf_counter() - began) / max(1, len(squares))
        assessments = []
        for each in batch:
            if each.square is None:
                assessments.append(self._ungraded(each))
            else:
                assessments.append(self._graded(each, *next(answers), share))
        return assessments

    def _graded(
        self, prepared: NetworkInput, answer: FloatMap, heatmap: FloatMap, forward_seconds: float
    ) -> Assessment:
        grade = int(answer.argmax())
        referable = float(referable_probability(answer))
        seconds = prepared.seconds + forward_seconds
        _log.info("%s: a photograph graded in %.3f s", self.name, seconds)
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
            quality=prepared.quality,
            image=prepared.facts,
            warnings=warnings_for(answer.tolist(), prepared.quality, self.checkpoint.metrics),
            seconds=seconds,
            heatmap=heatmap,
        )

    def explain(self, photograph: Photograph, grade: int, method: str) -> FloatMap:
        """Compute another method's heatmap of an assessed photograph.

        Args:
            photograph: As for ``assess``.
            grade: The one to explain.
            method: One of ``retina.explain.methods.LIBRARY_METHODS``.

        Returns:
            (size, size) float32, 0 to 1, on a scale of its own.

        Raises:
            SettingsError: There is no such method.
        """
        return relative_heatmap(self.model, self._tensor(photograph), grade, method)

    def _tensor(self, photograph: Photograph) -> Tensor:
        settings = self.checkpoint.config.preprocessing
        square = torch.from_numpy(normalise(photograph.square(settings), settings))[None]
        return square.to(self.device, memory_format=torch.channels_last)

    def overlay(self, photograph: Photograph, assessment: Assessment) -> Image.Image | None:
        """Overlay the heatmap on what the network was shown, in the photograph's aspect ratio.

        Args:
            photograph: That was assessed.
            assessment: Of this grader.

        Returns:
            An RGB image of at most ``OVERLAY_SIDE`` pixels a side; None where nothing was graded.
        """
        if assessment.heatmap is None:
            return None
        config = self.checkpoint.config
        view = photograph.image.crop(photograph.box(config.preprocessing))
        view.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE), Image.Resampling.LANCZOS)
        return overlay_heatmap(view, assessment.heatmap, config.heatmap_scale)

    def _ungraded(self, prepared: NetworkInput) -> Assessment:
        _log.info("%s: a photograph refused by the gate in %.3f s", self.name, prepared.seconds)
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
            quality=prepared.quality,
            image=prepared.facts,
            warnings=(),
            seconds=prepared.seconds,
        )
