import base64
import io
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser
from pypdf import PdfReader

from retina.datasets.synthetic import draw_fundus
from retina.errors import SettingsError
from retina.images.decode import read_photograph
from retina.models.checkpoint import Checkpoint
from retina.reporting.assessment_text import NO_DR_NOTE, UNGRADABLE_TWICE
from retina.reporting.case_report import CaseReport, reports_html, reports_pdf
from retina.reporting.case_report.pdf import BY_HAND, SMALLEST
from retina.scale import Grade
from tests.assessments import MATRIX, assessment
from tests.checkpoints import small_config

MADE = datetime(2026, 11, 25, 10, 47, 33, tzinfo=timezone(timedelta(hours=8)))
A4 = (595.28, 841.89)  # points
FIGURE = {"value": 0.9, "low": 0.8, "high": 0.95}
METRICS = {
    "n": 200,
    "confusion_matrix": MATRIX,
    "referable": {"sensitivity": FIGURE, "specificity": FIGURE},
}
LONG = tuple(f"Warning {number}: {'this may well be wrong, ' * 4}so look." for number in range(6))
ABSURD = tuple(f"{number} {'wide words, ' * 40}" for number in range(30))
LONGEST = "Ω" * 150 + " " + "x" * 49
PHOTOGRAPH = draw_fundus(2, 5, 300)
KINDS = ("usual", "wordy", "absurd", "refused", "no_dr")


def report(kind: str = "usual", name: str = "", **changes: Any) -> CaseReport:
    answer = assessment({"refused": None, "no_dr": 0}.get(kind, 2))
    checkpoint = Checkpoint(Path("small"), small_config(), METRICS, torch.nn.Identity())
    if kind == "refused":
        answer = replace(answer, sight_threatening_probability=None, referable_probability=None)
    if kind == "wordy":
        quality = replace(answer.quality, verdict="reject", reasons=LONG)
        answer = replace(answer, warnings=LONG, quality=quality)
    if kind == "absurd":
        quality = replace(answer.quality, verdict="reject", reasons=ABSURD)
        answer = replace(answer, model="model " * 60, warnings=ABSURD, quality=quality)
    overlay = None if kind == "refused" else PHOTOGRAPH.crop((40, 0, 340, 300))
    settings = {"photograph": PHOTOGRAPH, "overlay": overlay, "made": MADE, **changes}
    return CaseReport(answer, checkpoint, name=name, **settings)


@cache
def pdf_of(kind: str = "usual", name: str = "") -> bytes:
    return report(kind, name).to_pdf()


@cache
def html_of(kind: str = "usual", name: str = "") -> str:
    return report(kind, name).to_html()


def plain(text: str) -> str:
    return " ".join(text.split())


def read(pdf: bytes) -> str:
    (page,) = PdfReader(io.BytesIO(pdf)).pages
    return plain(page.extract_text())


def words(html: str) -> str:
    body = html[html.index("<body>") :]
    return plain(re.sub(r"<[^>]*>", " ", body))


def strings(value: object) -> Iterator[str]:
    """Every sentence of a page, however deep it lies."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from strings(item)
    elif isinstance(value, Grade):
        yield value.label
    elif is_dataclass(value):
        for field in fields(value):
            yield from strings(getattr(value, field.name))


def sentences(made: CaseReport) -> list[str]:
    heat = {made.page.heatmap_caption, made.page.heatmap_meaning, *made.page.scale}
    heat.add(made.page.bars_heading)
    left_out = heat if made.overlay is None else set()
    return [plain(text) for text in strings(made.page) if text not in left_out]


@pytest.mark.parametrize("kind", KINDS)
def test_both_files_say_every_sentence(kind: str) -> None:
    made = report(kind, name="Case 17")
    pdf, html = read(made.to_pdf()), words(made.to_html())
    assert len(sentences(made)) > 15
    for sentence in sentences(made):
        assert sentence in pdf
        assert sentence in html


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["", LONGEST])
def test_the_pdf_is_one_page_of_a4_with_its_fonts_and_nothing_cut_off(kind: str, name: str) -> None:
    data = pdf_of(kind, name)
    (page,) = PdfReader(io.BytesIO(data)).pages
    assert (page.mediabox.width, page.mediabox.height) == pytest.approx(A4, abs=0.1)
    assert len(data) < 1_500_000
    assert len(page.images) == (1 if kind == "refused" else 3)
    places: list[tuple[float, float]] = []
    letters: list[float] = []

    def place(text: str, cm: list[float], tm: list[float], _: object, size: float) -> None:
        if text.strip():
            places.append((tm[4] + cm[4], tm[5] + cm[5]))
            letters.append(size)

    page.extract_text(visitor_text=place)
    assert all(0 < x < A4[0] and 25 < y < A4[1] - 25 for x, y in places)
    assert min(letters) >= SMALLEST - 1e-3


def test_the_same_report_is_the_same_file() -> None:
    assert report().to_pdf() == pdf_of()
    assert report().to_html() == html_of()
    assert report(made=MADE + timedelta(minutes=1)).to_pdf() != pdf_of()


@pytest.mark.parametrize(
    ("name", "eye", "caption"),
    [
        ("2576_right.jpeg", "", "The photograph: right eye"),
        ("2576_right.dcm", "left", "The photograph: left eye"),
        ("mallory_right.jpeg", "", "The photograph"),
    ],
)
def test_the_eye_is_told_where_it_is_known(name: str, eye: str, caption: str) -> None:
    usual = report()
    image = replace(usual.assessment.image, name=name, eye=eye)
    told = CaseReport(
        replace(usual.assessment, image=image), usual.checkpoint, PHOTOGRAPH, usual.overlay
    )
    after = plain(f"{caption} {told.page.heatmap_caption}")
    assert after in words(told.to_html())
    assert caption in read(told.to_pdf())
    assert "2576" not in words(told.to_html())


def test_two_eyes_are_two_pages_of_one_file(browser: Browser) -> None:
    kinds = ("usual", "refused")
    eyes = [report(kind) for kind in kinds]
    told = [page.extract_text() for page in PdfReader(io.BytesIO(reports_pdf(eyes))).pages]
    assert [plain(each) for each in told] == [read(pdf_of(kind)) for kind in kinds]
    page = browser.new_page()
    page.set_content(reports_html(eyes))
    printed = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages
    page.close()
    assert ["Not graded" in each.extract_text() for each in printed] == [False, True]


@pytest.mark.parametrize("width", [390, 673, 1440])
def test_the_html_does_not_scroll_sideways(browser: Browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844})
    for kind in KINDS:
        page.set_content(html_of(kind, LONGEST))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_what_is_too_long_ends_in_an_ellipsis() -> None:
    told = read(pdf_of("absurd"))
    assert re.search(r"\b0 (wide words, )+wi?d?e?…|\b0 (wide words, )+(wide )?w?o?r?d?s?,?…", told)
    assert "… and 24 more." in told
    assert re.search("(model ){10,}m?o?d?e?l?…", told)


SOMEBODY = "Smith^Jane"


def photograph_that_names(kind: str) -> bytes:
    """A photograph whose file says whose it is, wherever such a file can."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = exif[ExifTags.Base.Artist] = SOMEBODY
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    said = {"exif": exif, "icc_profile": profile + SOMEBODY.encode()}
    xmp = f"<x:xmpmeta>{SOMEBODY}</x:xmpmeta>".encode()
    if kind == "jpeg":
        PHOTOGRAPH.save(buffer, kind, comment=SOMEBODY, xmp=xmp, **said)
    else:
        text = PngInfo()
        text.add_text("Title", SOMEBODY)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        PHOTOGRAPH.save(buffer, kind, pnginfo=text, **said)
    assert buffer.getvalue().count(SOMEBODY.encode()) >= 2
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_the_pictures_say_nothing_of_the_file_that_they_came_from(kind: str) -> None:
    photograph = read_photograph(io.BytesIO(photograph_that_names(kind)), name="jane_smith").image
    made = report(photograph=photograph, overlay=photograph)
    html, pdf = made.to_html(), made.to_pdf()
    (page,) = PdfReader(io.BytesIO(pdf)).pages
    shown = [image.data for image in page.images]
    shown += [base64.b64decode(data) for data in re.findall(r'base64,([^"]+)"', html)]
    assert len(shown) == 2 + 3, "the PDF holds what is there twice once"
    for picture in shown:
        with Image.open(io.BytesIO(picture)) as opened:
            assert not opened.getexif()
            assert not opened.info.keys() & {"exif", "comment", "xmp", "icc_profile", "Title"}
        assert SOMEBODY.encode() not in picture
    for file in (pdf, html.encode()):
        assert SOMEBODY.encode() not in file
        assert b"jane_smith" not in file


def test_nobody_is_named_but_by_what_was_typed() -> None:
    photograph = PHOTOGRAPH.copy()
    photograph.info["comment"] = b"eye of somebody"
    made = report(photograph=photograph)
    pdf = made.to_pdf()
    for file in (pdf, made.to_html().encode()):
        assert b"eye.jpg" not in file  # the file's name in the assessment
        assert b"somebody" not in file
        assert str(Path.home()).encode() not in file
    assert "eye.jpg" not in read(pdf)
    told = PdfReader(io.BytesIO(pdf)).metadata
    assert told is not None
    assert set(told) <= {"/Title", "/Producer", "/CreationDate"}


def test_what_was_typed_cannot_act() -> None:
    name = '<img src="https://elsewhere.example/x.png" onerror="alert(1)">"&'
    made = report(name=name)
    html = made.to_html()
    assert '<img src="https' not in html
    assert "&lt;img src=&#34;https" in html
    assert name in read(made.to_pdf())


def test_the_html_asks_nobody_for_anything() -> None:
    html = html_of()
    addresses = re.findall(r"""(?:src|href)=["']?([^"' >]{0,11})""", html)
    assert addresses == ["data:image/"] * 3
    assert not re.search(r"<script|url\(|@import|https?:", html)


def test_a_refused_photograph_tells_how_to_take_it_again() -> None:
    shown = read(pdf_of("refused"))
    assert "Not graded" in shown
    assert "Too dark." in shown
    assert UNGRADABLE_TWICE in shown
    assert "probability" not in shown.lower()


def test_no_dr_is_no_clean_bill() -> None:
    assert NO_DR_NOTE in read(pdf_of("no_dr"))
    assert NO_DR_NOTE not in read(pdf_of())


def test_how_often_such_an_answer_was_right_is_told() -> None:
    # 30 of the 44 in the column of Moderate.
    right = "Of the 44 test photographs that this model called Moderate, 68 % (53–80) were Moderate"
    assert right in read(pdf_of())


def test_a_name_that_the_pdf_has_no_letters_for_is_left_to_the_pen() -> None:
    made = report(name="王小明")
    assert BY_HAND in read(made.to_pdf())
    assert "王小明" in made.to_html()
    assert "Żółć Ж Ω" in read(report(name="Żółć Ж Ω").to_pdf())


def test_a_name_without_end_is_the_users_to_mend() -> None:
    with pytest.raises(SettingsError, match="at most 200 characters, not 201: shorten it"):
        report(name="x" * 201)


def test_a_time_without_zone_is_local() -> None:
    local = MADE.replace(tzinfo=None)
    assert report(made=local).page.made == local.astimezone().isoformat(" ", "minutes")
    assert report().page.made == "2026-11-25 10:47+08:00"


def test_it_is_written_under_the_stem(tmp_path: Path) -> None:
    report().write(tmp_path / "new", "eye")
    assert (tmp_path / "new" / "eye.pdf").read_bytes() == pdf_of()
    assert (tmp_path / "new" / "eye.html").read_text(encoding="utf-8") == html_of()


def test_the_html_prints_on_one_page(browser: Browser) -> None:
    page = browser.new_page()
    for kind in KINDS:
        page.set_content(html_of(kind, LONGEST))
        (printed,) = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages
        size = (printed.mediabox.width, printed.mediabox.height)
        assert size == pytest.approx(A4, abs=1)
        assert "Signature" in printed.extract_text()
    page.close()


def test_the_pictures_are_those_given() -> None:
    (page,) = PdfReader(io.BytesIO(pdf_of())).pages
    with Image.open(io.BytesIO(page.images[0].data)) as picture:
        assert picture.format == "JPEG"
        assert picture.size == PHOTOGRAPH.size


def test_a_name_is_printed_as_it_was_typed() -> None:
    (page,) = PdfReader(io.BytesIO(report(name="Bed {nb} <script>").to_pdf())).pages
    assert "Bed {nb} <script>" in page.extract_text()


@pytest.mark.parametrize("form", ["pdf", "html"])
def test_it_tells_which_weights_judged_which_photograph(form: str) -> None:
    told = read(pdf_of()) if form == "pdf" else html_of()
    for identity in ("resnet18-scratch", "a" * 64, "b" * 64):
        assert identity in told
