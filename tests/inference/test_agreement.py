from dataclasses import replace
from pathlib import Path

import pytest

from retina.errors import DataError, SettingsError
from retina.inference.agreement import evaluate_verdicts
from retina.inference.audit_log import AuditLog
from retina.inference.verdicts import Log, read_log
from retina.models.config import CheckpointConfig
from tests.checkpoints import small_config
from tests.inference.assessments import THRESHOLD, assessed, drawn, refused


@pytest.fixture
def config() -> CheckpointConfig:
    config = small_config(weights_sha256="a" * 64)
    assert config.referable.threshold == THRESHOLD
    return config


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl")


def test_what_is_left_out_is_counted_and_told(log: AuditLog, config: CheckpointConfig) -> None:
    first, second, third, fourth, fifth = drawn(5)
    log.judged(first, first.grade)
    log.judged(replace(second, quality=refused().quality), (second.grade or 0) ^ 1)
    log.judged(third, None)
    log.assessed(fourth)
    log.judged(refused(5), 3)
    log.assessed(refused(6))
    log.judged(replace(first, model_sha256="b" * 64), 4)
    log.judged(replace(first, model="other", model_sha256="c" * 64), 4)
    log.assessed(fifth)
    log.file.write_bytes(log.file.read_bytes()[:-1])
    log.file.write_bytes(log.file.read_bytes()[:-9])
    evaluation, warnings = evaluate_verdicts(read_log(log.file), "small", config)
    assert evaluation.metrics["n"] == 2
    assert evaluation.metrics["verdicts"] == {
        "agreed": 1,
        "graded_anyway": 1,
        "ungradable": 1,
        "refused": 2,
        "without_verdict": 1,
        "lines_of_other_weights": 2,
        "unreadable_lines": 1,
    }
    assert list(evaluation.metrics)[-1] == "confusion_matrix"
    told = "\n".join(warnings)
    assert "clinicians who had seen the model's answer" in told
    assert "2 verdicts are few" in told
    assert "left out of 6 photographs: 1 without a verdict, 1 judged ungradable, 2 refused" in told
    assert "1 of an earlier or later small" in told
    assert "1 of other" in told
    assert "line 9" in told
    assert "operating point" not in told


def test_a_long_log_is_not_called_few(log: AuditLog, config: CheckpointConfig) -> None:
    for assessment in drawn(100):
        log.judged(assessment, 2)
    _, warnings = evaluate_verdicts(read_log(log.file), "small", config)
    assert len(warnings) == 2


def test_another_operating_point_is_told(log: AuditLog, config: CheckpointConfig) -> None:
    for assessment in drawn(10):
        log.judged(replace(assessment, referable=not assessment.referable), 2)
    _, warnings = evaluate_verdicts(read_log(log.file), "small", config)
    assert "10 of these photographs were answered at another operating point" in warnings[-1]


def test_of_one_it_speaks_of_one(log: AuditLog, config: CheckpointConfig) -> None:
    log.judged(refused(), 3)
    with pytest.raises(DataError, match="only 1 photograph that lacks one"):
        evaluate_verdicts(read_log(log.file), "small", config)
    first, second = drawn(2)
    log.judged(replace(first, referable=not first.referable), 2)
    log.judged(replace(second, model_sha256="b" * 64), 2)
    log.file.write_bytes(log.file.read_bytes() + b"{")
    _, warnings = evaluate_verdicts(read_log(log.file), "small", config)
    told = "\n".join(warnings)
    assert "1 verdict is few" in told
    assert "1 line is cut off" in told
    assert "1 of these photographs was answered" in told
    assert "1 line is of other weights" in told


def test_with_nothing_to_score_it_says_what_there_is(
    log: AuditLog, config: CheckpointConfig
) -> None:
    with pytest.raises(DataError, match="holds no clinician's grade"):
        evaluate_verdicts(Log(()), "small", config)
    log.judged(refused(1), 3)
    log.judged(assessed([1.0, 0, 0, 0, 0]), None)
    log.judged(assessed([1.0, 0, 0, 0, 0], model="other", sha256="b" * 64), 1)
    with pytest.raises(DataError, match=r"only 2 photographs that lack .*: 1 of other: give"):
        evaluate_verdicts(read_log(log.file), "small", config)


def test_a_prevalence_that_cannot_be_is_refused(log: AuditLog, config: CheckpointConfig) -> None:
    log.judged(assessed([1.0, 0, 0, 0, 0]), 1)
    with pytest.raises(SettingsError, match="prevalence"):
        evaluate_verdicts(read_log(log.file), "small", config, 1.0)
