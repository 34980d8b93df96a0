import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Download, Page, expect
from pypdf import PdfReader

from retina.inference.audit_log import AuditLog
from retina.inference.verdicts import read_log
from retina.web import text
from retina.web.text import LET_GO
from tests.assessments import assessment
from tests.web.conftest import PHOTOGRAPH, open_page, served, upload

LEFT, RIGHT = "7_left.png", "7_right.png"


@pytest.fixture(scope="module")
def audited(
    checkpoints: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    log = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with served("--checkpoints", str(checkpoints), "--audit-log", str(log)) as address:
        yield address, log


@pytest.fixture
def page(browser: Browser, audited: tuple[str, Path]) -> Iterator[Page]:
    with open_page(browser, audited[0]) as page:
        yield page


def click(address: str, button: str, values: list[object]) -> str:
    """What a page that the server does not know, as after it was started anew, is answered."""
    with httpx.Client(base_url=address, timeout=60) as page:
        config = page.get("config").json()
        (number,) = (each["id"] for each in config["components"] if _is(each, button))
        (event,) = (
            each["id"] for each in config["dependencies"] if [number, "click"] in each["targets"]
        )
        asked = {"data": values, "fn_index": event, "session_hash": button}
        page.post("gradio_api/queue/join", json=asked)
        return page.get("gradio_api/queue/data", params={"session_hash": button}).text


def _is(component: dict[str, Any], name: str) -> bool:
    return bool(component["props"].get("elem_id") == name)


@pytest.mark.parametrize(
    ("button", "values"),
    [("make-report", [None, "", "pdf"]), ("verdict-record", [None, 1, "I agree", ""])],
)
def test_a_page_that_was_forgotten_is_asked_to_choose_again(
    audited: tuple[str, Path], button: str, values: list[object]
) -> None:
    assert LET_GO in click(audited[0], button, values)


def grade(page: Page, *photographs: Path) -> None:
    upload(page, "grade", *photographs)
    page.get_by_role("button", name="Grade", exact=True).click()
    expect(page.locator("#filing")).to_be_visible()


def judge(page: Page, choice: str, note: str = "") -> None:
    page.locator("#verdict-grade").get_by_label(choice, exact=True).check()
    page.get_by_label(text.NOTE).fill(note)
    page.locator("#verdict-record").click()
    expect(page.locator("#verdict-told")).to_contain_text(choice)


@pytest.mark.parametrize(
    ("choice", "given", "grade"),
    [
        ("I agree", 2, 2),
        ("I agree", None, None),
        ("4 Proliferative DR", 2, 4),
        ("Ungradable", 2, None),
    ],
)
def test_a_verdict_is_a_grade(choice: str, given: int | None, grade: int | None) -> None:
    assert choice in text.CHOICES
    assert text.judged(choice, assessment(given)) == grade


def test_a_verdict_is_recorded_without_picture_or_name(
    page: Page, audited: tuple[str, Path], tmp_path: Path
) -> None:
    left, right = tmp_path / LEFT, tmp_path / RIGHT
    left.write_bytes(PHOTOGRAPH.read_bytes())
    right.write_bytes(PHOTOGRAPH.read_bytes() + b"\0")
    expect(page.locator("#filing")).to_be_hidden()
    grade(page, left, right)
    page.locator("#verdict-record").click()
    expect(page.get_by_text(text.NO_VERDICT)).to_be_visible()
    judge(page, "3 Severe", "=1+1")
    page.locator("#verdict-which").get_by_label(RIGHT).check()
    judge(page, text.AGREE)
    lines = [json.loads(line) for line in audited[1].read_text().splitlines()]
    assert [line["kind"] for line in lines[-4:]] == [*["assessment"] * 2, *["verdict"] * 2]
    assert "left" not in audited[1].read_text()
    told = read_log(audited[1]).entries[-2:]
    assert [entry.verdict and entry.verdict.grade for entry in told] == [3, told[1].grade]
    assert told[0].image_sha256 != told[1].image_sha256
    with page.expect_download() as download:
        page.locator("#verdicts-download").click()
    with Path(download.value.path()).open(newline="") as file:
        rows = {row["image_id"]: row for row in csv.DictReader(file)}
    row = rows[told[0].image_sha256]
    assert (row["grade"], row["verdict"], row["note"]) == ("3", "corrected", "'=1+1")


def test_another_photograph_takes_the_verdict_away(page: Page) -> None:
    grade(page, PHOTOGRAPH)
    page.get_by_label(text.NOTE).fill("of the first")
    page.locator("#grade-examples button").nth(3).click()
    expect(page.locator("#filing")).to_be_hidden()
    page.get_by_role("button", name="Grade", exact=True).click()
    expect(page.locator("#filing")).to_be_visible()
    expect(page.get_by_label(text.NOTE)).to_have_value("")


@pytest.mark.parametrize(("kind", "begins"), [("pdf", b"%PDF-"), ("html", b"<!doctype html>")])
def test_the_report_is_downloaded(page: Page, kind: str, begins: bytes, tmp_path: Path) -> None:
    photograph = tmp_path / "jane_smith.png"
    photograph.write_bytes(PHOTOGRAPH.read_bytes())
    grade(page, photograph)
    page.locator("#report-kind").get_by_label(text.KINDS[kind]).check()
    page.get_by_label(text.NAME).fill("Case <17>")
    with page.expect_download() as download:
        page.locator("#make-report").click()
    assert download.value.suggested_filename.endswith(f".{kind}")
    content = Path(download.value.path()).read_bytes()
    assert content[: len(begins)].lower() == begins.lower()
    assert b"smith" not in content
    if kind == "html":
        assert b"Case &lt;17&gt;" in content
    expect(page.locator("#reports")).to_contain_text(text.KINDS[kind])


@pytest.mark.parametrize("kind", ["pdf", "html"])
def test_the_report_of_two_eyes_is_one_file(page: Page, kind: str, tmp_path: Path) -> None:
    left, right = tmp_path / LEFT, tmp_path / RIGHT
    left.write_bytes(PHOTOGRAPH.read_bytes())
    right.write_bytes(PHOTOGRAPH.read_bytes() + b"\0")
    grade(page, left, right)
    page.locator("#report-kind").get_by_label(text.KINDS[kind]).check()
    downloads: list[Download] = []
    page.on("download", lambda download: downloads.append(download))
    page.locator("#make-report").click()
    expect(page.locator("#reports a[download]")).to_have_text(text.report_link(kind, 2))
    page.wait_for_timeout(500)
    [download] = downloads
    content = Path(download.path()).read_bytes()
    if kind == "pdf":
        assert len(PdfReader(io.BytesIO(content)).pages) == 2
    else:
        assert content.count(b'<article class="report"') == 2


def test_without_a_log_no_verdict_is_asked(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        grade(page, PHOTOGRAPH)
        expect(page.locator("#make-report")).to_be_visible()
        expect(page.locator("#verdict-record")).to_have_count(0)


def test_a_log_that_cannot_be_written_is_refused_before_the_page_opens(tmp_path: Path) -> None:
    from retina.errors import SettingsError

    with pytest.raises(SettingsError, match="--audit-log"):
        AuditLog(tmp_path / "nowhere" / "audit.jsonl")
