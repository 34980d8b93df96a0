import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from retina.evaluation.evaluate import measure
from retina.evaluation.predictions import Predictions, predictions_table, write_predictions
from retina.models.config import StartedFrom
from retina.reporting.model_table import shown_models
from retina.reporting.runs import LAB_ACCURACY
from retina.web import models_tab, text
from retina.web.models_tab import model_card_html
from retina.web.text import models as models_text
from tests.reporting.runs import GRADES, answers, history, write_run
from tests.web.conftest import STARTED_FROM, served

TEMPERATURE = 40.0  # of the page's two models
FIGURES = ["Accuracy by epoch", "Confusion matrix", "Reliability", "ROC for referable disease"]
HOSTILE = '<img src="x" onerror="alert(1)">'


def fill(folder: Path) -> None:
    """Give a checkpoint all that a finished one has."""
    logits, names = TEMPERATURE * np.log(answers(0.3)), [str(n) for n in range(len(GRADES))]
    given = Predictions.from_logits(logits, TEMPERATURE, GRADES, names)
    table = predictions_table(pd.Series(given.patients), given)
    metrics = measure(given, 0.5)
    write_predictions(folder / "predictions.csv", table)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "evaluations").mkdir()
    (folder / "evaluations" / "elsewhere.json").write_text(json.dumps(metrics))
    (folder / "README.md").write_text("---\ntags: hidden\n---\n# A card\n\n| a | b |\n|---|---|\n")
    history().to_csv(folder / "history.csv", index=False)


@pytest.fixture(scope="module")
def models(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two models of the page's tests, one of them now whole; and one that is broken."""
    folder = tmp_path_factory.mktemp("models") / "checkpoints"
    shutil.copytree(checkpoints, folder)
    fill(folder / "resnet18-scratch")
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def opened(models: Path) -> Iterator[str]:
    with served("--checkpoints", str(models)) as address:
        yield address


@pytest.fixture(
    params=[(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")],
    ids=["wide-light", "wide-dark", "phone-light", "phone-dark"],
)
def page(browser: Browser, opened: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The tab, just opened; at the end, nothing complained and nobody else was called."""
    width, theme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: hosts.add(urlsplit(r.url).netloc))
    page.goto(f"{opened}?__theme={theme}")
    page.get_by_role("tab", name=text.TAB_MODELS).click()
    yield page
    page.close()
    assert complaints == []
    assert hosts - {""} == {urlsplit(opened).netloc}  # "": data: addresses


def seen(page: Page) -> Locator:
    return page.locator("#model-closely figure img:visible")


def words(html: str) -> str:
    """The text of markup that must be well-formed, as a reader meets it."""
    return " ".join(" ".join(ElementTree.fromstring(f"<div>{html}</div>").itertext()).split())


def test_the_tab_shows_all_models_then_one_closely(page: Page) -> None:
    table = page.locator("#models-table table").first
    expect(table.get_by_role("rowheader")).to_have_text(["resnet18-scratch", "resnet18-pretrained"])
    expect(table).to_contain_text(f"{STARTED_FROM.source}, not from ImageNet")
    expect(table).to_contain_text("On elsewhere, 701 photographs")
    expect(page.locator("#models-table")).to_contain_text("config.json of checkpoint broken")
    for accuracy in LAB_ACCURACY.values():
        expect(page.locator("#models-table .lab")).to_contain_text(f"{accuracy:.2%}")

    closely = page.locator("#model-closely")
    expect(closely.locator("figure")).to_have_count(4, timeout=60_000)
    alternatives = [str(each.get_attribute("alt")) for each in seen(page).all()]
    assert [each.partition(".")[0] for each in alternatives] == FIGURES
    assert "AUROC 0." in alternatives[3]
    for picture in seen(page).all():
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    expect(closely).not_to_contain_text("hidden")
    closely.get_by_text(models_text.CARD, exact=True).click()
    expect(closely.get_by_text("A card").first).to_be_visible()

    page.get_by_role("radio", name="resnet18-pretrained").check()
    expect(closely.get_by_role("heading", name="resnet18-pretrained")).to_be_visible()
    expect(closely).to_contain_text("It has not been evaluated")
    expect(closely).to_contain_text(models_text.NO_CARD)
    expect(closely.locator("figure")).to_have_count(0)


def test_only_the_table_scrolls_sideways_and_its_first_column_stays(page: Page) -> None:
    expect(page.locator("#model-closely figure")).to_have_count(4, timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = page.locator("#models-table .scroll").first
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    name = box.get_by_role("rowheader").first
    before = name.bounding_box()
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    box.evaluate("box => { box.scrollLeft = box.scrollWidth }")
    after = name.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] == before["x"]
    size = box.get_by_role("cell").filter(has_text="MB").first
    expect(size).to_be_in_viewport()


def test_the_table_says_what_each_cell_belongs_to(models: Path) -> None:
    shown = shown_models([models / "resnet18-scratch", models / "resnet18-pretrained"])
    root = ElementTree.fromstring(models_tab.overview(shown, []))
    table = next(root.iter("table"))
    caption = table.find("caption")
    assert caption is not None
    assert "".join(caption.itertext()) == models_text.TABLE_CAPTION
    scopes = {head.get("scope") for head in table.iter("th")}
    assert scopes == {"col", "colgroup", "row"}
    first, second = table.findall("thead/tr")
    spans = [int(head.get("colspan", "1")) for head in first]
    grouped = sum(span for head, span in zip(first, spans, strict=True) if "colspan" in head.attrib)
    assert grouped == len(second)
    assert {len(row) for row in table.findall("tbody/tr")} == {sum(spans)}


def test_what_comes_from_outside_is_escaped(tmp_path: Path) -> None:
    folder = write_run(tmp_path, initial=StartedFrom("file", HOSTILE, None))
    for html in (
        models_tab.overview(shown_models([folder]), [HOSTILE]),
        models_tab.closely(folder),
        models_tab.nothing([HOSTILE]),
    ):
        assert HOSTILE not in html
        assert HOSTILE in html.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"')


def test_without_a_model_the_tab_says_so_and_why() -> None:
    assert words(models_tab.nothing(["It is broken."])).startswith(text.NO_MODEL)
    assert "It is broken." in words(models_tab.nothing(["It is broken."]))


SHIPPED = Path(__file__).parents[2] / "checkpoints" / "resnet18-scratch"


def card(folder: Path, content: str) -> str:
    (folder / "README.md").write_text(content, encoding="utf-8")
    return model_card_html(folder)


def test_the_shipped_card_is_shown_without_its_metadata() -> None:
    html = model_card_html(SHIPPED)
    root = ElementTree.fromstring(f"<div>{html}</div>")
    words = " ".join(" ".join(root.itertext()).split())
    assert words.startswith("resnet18-scratch resnet18 that grades diabetic retinopathy")
    assert "model-index" not in words
    assert {each.tag for each in root.iter() if each.tag[0] == "h"} == {"h4", "h5"}
    source = (SHIPPED / "README.md").read_text(encoding="utf-8")
    boxes = root.findall("div[@class='scroll']")
    assert len(boxes) == len(root.findall(".//table")) == source.count("\n|---|") > 0
    assert all(head.get("scope") == "col" for head in root.iter("th"))


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        '<img src="https://elsewhere.example/x.png" onerror="alert(1)">',
        "![picture](https://elsewhere.example/x.png)",
        "[click](javascript:alert(1))",
        "<a href='javascript:alert(1)'>x</a>",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "| a |\n|---|\n| <iframe src=x></iframe> |",
    ],
)
def test_a_card_can_neither_act_nor_call_anybody(attack: str, tmp_path: Path) -> None:
    root = ElementTree.fromstring(f"<div>{card(tmp_path, f'# A card{chr(10) * 2}{attack}')}</div>")
    tags = {each.tag for each in root.iter()}
    assert not tags & {"script", "img", "iframe", "style", "link"}
    for link in root.iter("a"):
        assert str(link.get("href")).startswith("https://")
    assert not [name for each in root.iter() for name in each.attrib if name.startswith("on")]


def test_a_rule_in_the_card_is_no_metadata(tmp_path: Path) -> None:
    assert "kept" in card(tmp_path, "# A card\n\nkept\n\n---\n\nmore\n\n---\n")
    assert "gone" not in card(tmp_path, "---\ntitle: gone\n---\n\n# A card\n")


def test_a_card_that_is_missing_or_no_text_is_a_sentence(tmp_path: Path) -> None:
    assert models_text.NO_CARD in model_card_html(tmp_path)
    (tmp_path / "README.md").write_bytes(b"\xff\xfe\x00")
    assert models_text.NO_CARD in model_card_html(tmp_path)
