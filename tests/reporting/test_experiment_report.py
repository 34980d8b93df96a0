import base64
import io
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retina.errors import CheckpointError, SettingsError
from retina.evaluation.metrics import compute_metrics
from retina.models.config import StartedFrom
from retina.reporting.experiment_report import write_experiment_report
from retina.reporting.findings import findings
from retina.reporting.runs import Study, comparison_table, finished_runs, read_finished_run
from tests.reporting.runs import GRADES, answers, write_run

FILE = StartedFrom("file", "trial.safetensors", "b2" * 32)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but not rendered, for tests that read only the text beside them."""
    monkeypatch.setattr("retina.reporting.experiment_figures.png", lambda figure: b"PNG")


def write(output: Path, study: Study = "comparison", gap: str | None = None) -> str:
    runs = finished_runs([output])
    write_experiment_report(
        output,
        runs,
        study=study,
        remarks=["test: 701 eyes"],
        gap=gap,
        command="train.py <x>",
    )
    return (output / "report.html").read_text(encoding="utf-8")


class Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def text_of(page: str) -> str:
    parser = Words()
    parser.feed(page[page.index("<body>") :])
    return " ".join(" ".join(parser.words).split())


def write_four(output: Path) -> None:
    write_run(output, "resnet18-scratch", skill=0.02)
    write_run(output, "resnet18-pretrained", skill=0.6, initial=FILE)
    write_run(output, "resnet50-scratch", architecture="resnet50", skill=0.3)
    write_run(output, "resnet50-pretrained", architecture="resnet50", skill=0.7, gap=0.2)


def test_finds_runs_in_order_and_each_once(tmp_path: Path) -> None:
    write_four(tmp_path)
    write_run(tmp_path, "efficientnet_lite0-pretrained", architecture="efficientnet_lite0")
    (tmp_path / "resnet34-scratch").mkdir()
    found = finished_runs([tmp_path / "resnet50-scratch", tmp_path])
    assert [run.name for run in found] == [
        "resnet18-scratch",
        "resnet18-pretrained",
        "resnet50-scratch",
        "resnet50-pretrained",
        "efficientnet_lite0-pretrained",
    ]


def test_a_comparison_leaves_its_files(tmp_path: Path) -> None:
    write_four(tmp_path)
    page = write(tmp_path)
    names = [run.name for run in finished_runs([tmp_path])]
    expected = {"report.html", "comparison.csv"}
    expected |= {f"accuracy-trend-resnet{depth}.png" for depth in (18, 50)}
    expected |= {f"confusion-matrix-{name}.png" for name in names}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == expected
    for name in expected:
        if name.endswith(".png"):
            data = base64.b64encode((tmp_path / name).read_bytes()).decode()
            assert f'<img src="data:image/png;base64,{data}"' in page
    table = pd.read_csv(tmp_path / "comparison.csv")
    assert table["model"].tolist() == names
    assert table["n"].tolist() == [701] * 4


def test_the_page_asks_for_nothing_outside_itself(tmp_path: Path) -> None:
    write_run(tmp_path)
    page = write(tmp_path)
    addresses = re.findall(r"""\b(?:src|srcset|href)="([^"]*)|url\(|@import""", page)
    assert len(addresses) == 4
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "<script" not in page
    assert "<link" not in page


@pytest.mark.usefixtures("undrawn")
def test_says_what_follows_from_the_numbers(tmp_path: Path) -> None:
    write_four(tmp_path)
    text = text_of(write(tmp_path))
    runs = {run.name: run for run in finished_runs([tmp_path])}
    scratch, pretrained = runs["resnet50-scratch"], runs["resnet50-pretrained"]
    kappas = [run.metrics["quadratic_weighted_kappa"] for run in (scratch, pretrained)]
    gain = round(kappas[1], 3) - round(kappas[0], 3)
    assert (
        f"resnet50-pretrained minus resnet50-scratch: kappa +{gain:.3f} "
        f"({kappas[1]:.3f} minus {kappas[0]:.3f})"
    ) in text
    share = runs["resnet18-scratch"].confusion_matrix[:, 0].sum() / 701
    assert share > 0.9
    assert f"It nearly always predicts No DR: for {share:.1%} of the photographs" in text
    assert "20.0 points more in training, a sign of overfitting" in text
    assert "2.0 points more in training, no sign of overfitting" in text
    assert "With 701 test photographs" in text
    assert "Mild 0.00 (n = 67)" in text
    for lab in ("73.12%", "72.24%", "81.52%", "82.60%"):
        assert lab in text


@pytest.mark.parametrize("sampling", ["none", "over"])
def test_training_on_other_shares_of_grades_is_no_measure_of_overfitting(
    tmp_path: Path, sampling: str
) -> None:
    write_run(tmp_path, gap=0.3, training={"sampling": sampling})
    _, (_, sentences) = findings(finished_runs([tmp_path]), "imbalance")
    (told,) = [each for each in sentences if each.startswith("At the last epoch")]
    assert ("no measure of overfitting" in told) == (sampling == "over")
    assert ("a sign of overfitting" in told) == (sampling == "none")


@pytest.mark.usefixtures("undrawn")
def test_an_accuracy_below_the_baseline_is_called_that(tmp_path: Path) -> None:
    wrong = np.eye(5)[np.full(GRADES.size, 4)]
    write_run(tmp_path, metrics=compute_metrics(GRADES, wrong, 0.5))
    text = text_of(write(tmp_path))
    assert "Its accuracy is not above the 51.4% of always predicting" in text
    assert "Accuracy 7.7% is 43.7 points below the majority baseline of 51.4%." in text


@pytest.mark.usefixtures("undrawn")
def test_weights_that_are_not_from_imagenet_are_named_everywhere(tmp_path: Path) -> None:
    write_four(tmp_path)
    page = write(tmp_path)
    note = "started from trial.safetensors, not from ImageNet"
    headings = re.findall(r"<th scope=\"row\">.*?</th>", page, re.DOTALL)
    named = [row for row in headings if "resnet18-pretrained" in row]
    assert len(named) == 4
    assert all(note in row for row in named)
    assert not any(note in row for row in headings if "resnet18-pretrained" not in row)
    captions = re.findall(r"<figcaption>.*?</figcaption>", page, re.DOTALL)
    assert [note in caption for caption in captions] == [True, False, False, True, False, False]


@pytest.mark.usefixtures("undrawn")
def test_one_run_and_a_gap(tmp_path: Path) -> None:
    write_run(tmp_path, epochs=1)
    text = text_of(write(tmp_path, gap="ImageNet weights could not be fetched"))
    assert "Some runs are missing. ImageNet weights could not be fetched" in text
    assert "minus" not in text


def test_everything_is_escaped(tmp_path: Path) -> None:
    name = "resnet18-scratch-<b>$x$ & co</b>/../up"
    write_run(tmp_path, name, initial=StartedFrom("file", "<script>alert(1)</script>", None))
    page = write(tmp_path, gap="<i>gap</i>")
    assert "<b>" not in page
    assert "<script" not in page
    assert "<i>" not in page
    assert name in text_of(page)
    assert "train.py &lt;x&gt;" in page
    assert len(list(tmp_path.glob("confusion-matrix-*.png"))) == 1


@pytest.mark.usefixtures("undrawn")
def test_no_name_of_a_weights_file_runs_as_a_formula(tmp_path: Path) -> None:
    write_run(tmp_path, initial=StartedFrom("file", "=1+1", None))
    write(tmp_path)
    assert ",'=1+1," in (tmp_path / "comparison.csv").read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_intervals_get_columns_and_undefined_stays_empty(tmp_path: Path) -> None:
    metrics = compute_metrics(GRADES[GRADES != 3], answers(0.5, grades=GRADES[GRADES != 3]), 0.5)
    assert metrics["recall"][3] is None
    metrics["accuracy"] = {"value": 0.7, "low": 0.66, "high": 0.74}
    metrics["quadratic_weighted_kappa"] = None
    metrics["referable"]["auroc"] = None
    write_run(tmp_path, metrics=metrics)
    write_run(tmp_path, "resnet50-scratch", architecture="resnet50")
    table = comparison_table(finished_runs([tmp_path]))
    columns = table.columns.tolist()
    assert columns[5:8] == ["accuracy", "accuracy_low", "accuracy_high"]
    assert "quadratic_weighted_kappa_low" not in columns
    assert table.iloc[0, 5:8].tolist() == [0.7, 0.66, 0.74]
    assert table[["quadratic_weighted_kappa", "recall_3", "referable_auroc"]].iloc[0].isna().all()
    assert table["accuracy_low"].isna().tolist() == [False, True]
    page = write(tmp_path)
    assert "66.00%–74.00%" in page
    assert "Recall is undefined for Severe." in page
    assert "nan" not in text_of(page).lower()


@pytest.mark.usefixtures("undrawn")
def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for output, fingerprint in (("first", "a" * 64), ("second", "b" * 64)):
        write_run(tmp_path / output, fingerprint=fingerprint)
    runs = finished_runs([tmp_path / "first", tmp_path / "second"])
    write_experiment_report(
        tmp_path, runs, study="comparison", remarks=[], gap=None, command="train.py"
    )
    assert comparison_table(runs)["model"].tolist() == [
        "first/resnet18-scratch",
        "second/resnet18-scratch",
    ]
    assert (tmp_path / "confusion-matrix-first_resnet18-scratch.png").exists()
    assert "tested on different photographs" in (tmp_path / "report.html").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("study", ["ablation", "imbalance"])
def test_a_study_has_its_figure(tmp_path: Path, study: Study) -> None:
    variants = {"": (True, True), "a": (True, False), "b": (False, True), "c": (False, False)}
    for variant, (augmentation, normalisation) in variants.items():
        training = {"start": "scratch", "variant": variant, "seed": 0}
        training |= {"augmentation": augmentation, "normalisation": normalisation}
        name = "-".join(filter(None, ("resnet18-scratch", variant)))
        write_run(tmp_path, name, training=training)
    text = text_of(write(tmp_path, study))
    with Image.open(io.BytesIO((tmp_path / f"{study}.png").read_bytes())) as figure:
        assert figure.width > 1200
    assert "resnet18-scratch-c minus resnet18-scratch: kappa +0.000" in text
    assert (tmp_path / "accuracy-trend-resnet18.png").exists()


def test_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no finished run"):
        write_experiment_report(
            tmp_path, [], study="comparison", remarks=[], gap=None, command="train.py"
        )
    with pytest.raises(CheckpointError, match="holds no finished run"):
        finished_runs([tmp_path])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "no readable config.json"),
        ("metrics.json", None, r"no metrics\.json, so the run is not finished"),
        ("metrics.json", "{}", "confusion_matrix"),
        ("metrics.json", '{"confusion_matrix": [[1]]}', "confusion_matrix"),
        ("history.csv", None, r"no readable history\.csv"),
        ("history.csv", "", "must have the numeric columns"),
        ("history.csv", "epoch,loss\n1,2\n", "must have the numeric columns"),
        ("history.csv", "epoch,train_accuracy,validation_accuracy\n", "no row"),
        (
            "history.csv",
            "epoch,train_accuracy,validation_accuracy\n1,x,y\n",
            "must have the numeric columns",
        ),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, file: str, content: str | None, message: str
) -> None:
    folder = write_run(tmp_path)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        read_finished_run(folder)


def test_the_template_travels_in_the_wheel() -> None:
    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["package-data"]["retina.reporting"] == ["templates/*"]
