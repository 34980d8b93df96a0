from pathlib import Path
from xml.etree import ElementTree

import pytest

from retina.web import models_text
from retina.web.card import model_card_html

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
