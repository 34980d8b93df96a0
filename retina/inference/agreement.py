"""How far a model agrees with clinicians who were shown its answers."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from retina.errors import DataError
from retina.evaluation.evaluate import Evaluation, measure
from retina.evaluation.predictions import Predictions, predictions_table
from retina.inference.verdicts import Log, LogEntry, latest
from retina.models.config import CheckpointConfig

REFERENCE = "verdicts of clinicians who had seen the model's answer"

FEW = 100
"""Of fewer verdicts the intervals are said to be wide."""


def evaluate_verdicts(
    log: Log, name: str, config: CheckpointConfig, prevalence: float | None = None
) -> tuple[Evaluation, list[str]]:
    """Compare the answers that a log holds with the verdicts given on them.

    What is scored is a photograph that the model graded and a clinician gave a grade, by the last
    verdict on it.

    Args:
        log: Of any models; ``weights_sha256`` tells which lines are this one's.
        name: Name of the model.
        config: Configuration of the model.
        prevalence: Of referable disease, for the predictive values; that of the verdicts by
            default.

    Returns:
        Beside the fields of ``compute_metrics``, with intervals, its ``metrics`` say what they rest
        on: ``temperature``, ``reference``, and ``verdicts{agreed, graded_anyway, ungradable,
        refused, without_verdict, lines_of_other_weights, unreadable_lines}``. The first two count
        among the ``n`` photographs scored, the next three the photographs left out. In its
        ``predictions``, ``image_id`` is a SHA-256. With it comes a warning for each reason to take
        the figures with care.

    Raises:
        DataError: there is nothing to score.
        SettingsError: the prevalence cannot be.
    """
    own = latest(entry for entry in log.entries if entry.model_sha256 == config.weights_sha256)
    others = Counter(
        entry.model for entry in log.entries if entry.model_sha256 != config.weights_sha256
    )
    rows = [
        (entry, entry.verdict.grade, entry.grade, entry.probabilities)
        for entry in own
        if entry.verdict is not None
        and entry.verdict.grade is not None
        and entry.grade is not None
        and entry.probabilities is not None
    ]
    if not rows:
        raise DataError(_nothing_to_score(name, config, own, others))
    scored, grades, predicted, probability = zip(*rows, strict=True)
    hashes = [entry.image_sha256 for entry in scored]
    answers = Predictions.from_probabilities(
        probability, predicted, config.temperature, grades, hashes
    )
    metrics = measure(answers, config.referable.threshold, prevalence)
    verdicts = {
        "agreed": sum(entry.agreed for entry in scored),
        "graded_anyway": sum(entry.quality == "reject" for entry in scored),
        "ungradable": sum(entry.grade is not None and _ungradable(entry) for entry in own),
        "refused": sum(entry.grade is None for entry in own),
        "without_verdict": sum(entry.grade is not None and not entry.verdict for entry in own),
        "lines_of_other_weights": others.total(),
        "unreadable_lines": len(log.unreadable),
    }
    matrix = metrics.pop("confusion_matrix")
    metrics |= {"temperature": config.temperature, "reference": REFERENCE, "verdicts": verdicts}
    metrics["confusion_matrix"] = matrix
    evaluation = Evaluation(metrics, predictions_table(pd.Series(hashes), answers), answers, ())
    warnings = [
        *_warnings(verdicts, len(scored)),
        *_unreadable(log),
        *_operating_point(name, config, scored),
        *_other_weights(name, others),
    ]
    return evaluation, warnings


def _warnings(verdicts: dict[str, int], count: int) -> list[str]:
    warnings = [
        f"these figures rest on {REFERENCE}, who agree with it more often than others would: they "
        "cannot stand in for grades that were given without it",
        "the log knows no patients: where it holds two photographs of one, the intervals are too "
        "narrow",
    ]
    if count < FEW:
        few = "1 verdict is" if count == 1 else f"{count} verdicts are"
        warnings.append(f"{few} few: read the intervals, not the figures")
    left_out = {
        "without a verdict": verdicts["without_verdict"],
        "judged ungradable": verdicts["ungradable"],
        "refused by the quality gate": verdicts["refused"],
    }
    if any(left_out.values()):
        told = ", ".join(f"{number} {why}" for why, number in left_out.items() if number)
        warnings.append(
            f"left out of {count + sum(left_out.values())} photographs: {told}; the figures hold "
            "for all of them only if those left out are like the others"
        )
    return warnings


def _unreadable(log: Log) -> list[str]:
    if not log.unreadable:
        return []
    lines = _lines(len(log.unreadable))
    return [f"{lines} cut off, or no page's, and left out; the first is line {log.unreadable[0]}"]


def _operating_point(name: str, config: CheckpointConfig, scored: Sequence[LogEntry]) -> list[str]:
    threshold = config.referable.threshold
    count = sum(
        entry.referable_probability is not None
        and entry.referable != (entry.referable_probability >= threshold)
        for entry in scored
    )
    if not count:
        return []
    return [
        f"{count} of these photographs {'was' if count == 1 else 'were'} answered at another "
        f"operating point than {name} has now ({threshold:.3f}); the figures are taken at this one"
    ]


def _other_weights(name: str, others: Counter[str]) -> list[str]:
    if not others:
        return []
    told = ", ".join(
        f"{count:,} of {'an earlier or later ' if other == name else ''}{other}"
        for other, count in sorted(others.items())
    )
    return [f"{_lines(others.total())} of other weights and left out: {told}"]


def _lines(count: int) -> str:
    return "1 line is" if count == 1 else f"{count:,} lines are"


def _nothing_to_score(
    name: str, config: CheckpointConfig, own: Sequence[LogEntry], others: Counter[str]
) -> str:
    lacking = "1 photograph that lacks" if len(own) == 1 else f"{len(own):,} photographs that lack"
    found = f", only {lacking} one of the two" if own else ""
    elsewhere = "".join(f"; {sentence}" for sentence in _other_weights(name, others))
    return (
        f"the log holds no clinician's grade of a photograph that {name} (weights "
        f"{config.weights_sha256[:12]}) graded{found}{elsewhere}: give verdicts on the page's "
        "Grade tab, or choose another --model"
    )


def _ungradable(entry: LogEntry) -> bool:
    return entry.verdict is not None and entry.verdict.grade is None
