"""What the documentation points at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("checkpoints/*/README.md")]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(document: Path) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for file, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        target = document.parent / file if file else document
        assert target.exists(), f"{file} is not there"
        assert not anchor or anchor in anchors(target), f"{file} has no heading #{anchor}"


TEXTS = [*DOCUMENTS, *ROOT.glob("retina/**/*.py"), *ROOT.glob("docs/*.ipynb")]


def test_no_text_installs_a_package_of_our_name_from_the_index() -> None:
    # `retina` there is another's package; ours is installed from a clone or a wheel.
    wrong = re.compile(r"install\s+(?:-\S+\s+)*[\"'`]*retina(?:-dr)?(?![\w/.-])")
    found = [
        f"{text.relative_to(ROOT)}: {match[0]}"
        for text in TEXTS
        for match in wrong.finditer(text.read_text(encoding="utf-8"))
    ]
    assert found == []
