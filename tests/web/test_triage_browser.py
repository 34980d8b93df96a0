import csv
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from retina.datasets.synthetic import draw_fundus
from retina.inference.sources import photographs_in
from retina.inference.worklist import UNGRADABLE
from retina.web import text
from retina.web.text import triage as triage_text
from tests.images.dicom_files import dicom
from tests.web.conftest import PHOTOGRAPH, REPOSITORY, on_both, open_page, upload

GRADED, BROKEN = 21, ("empty.jpg", "notes.png", "cut.jpg")


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day's photographs: 21 drawn ones, of both eyes of some, and three that are broken."""
    folder = tmp_path_factory.mktemp("clinic")
    for number in range(GRADED):
        name = f"{number // 2}_{('left', 'right')[number % 2]}.jpg"
        draw_fundus(number % 5, seed=number, size=256).save(folder / name, quality=92)
    (folder / "empty.jpg").touch()
    (folder / "notes.png").write_text("no photograph")
    (folder / "cut.jpg").write_bytes((folder / "0_left.jpg").read_bytes()[:2000])
    return folder


def triage(page: Page, *files: Path) -> None:
    page.get_by_role("tab", name=triage_text.TAB).click()
    upload(page, "triage", *files)
    page.get_by_role("button", name=triage_text.BUTTON).click()


def rows_shown(page: Page) -> int:
    return page.locator("#worklist tbody tr:visible").count()


@on_both
def test_a_day_is_triaged_filtered_and_sorted(page: Page, clinic: Path) -> None:
    triage(page, *sorted(clinic.iterdir()))
    expect(page.locator("#worklist tbody tr")).to_have_count(GRADED + len(BROKEN))
    expect(page.locator("#triage-progress")).to_be_hidden()
    ungradable = page.locator(f"#worklist [data-filter={UNGRADABLE}]")
    ungradable.click()
    for name in BROKEN:
        expect(page.locator(f'#worklist tr[data-name="{name}"]')).to_be_visible()
    assert f" {rows_shown(page)}" in ungradable.inner_text()
    page.locator("#worklist [data-filter='']").click()
    page.get_by_label(triage_text.FIND).fill("10_LEFT")
    assert rows_shown(page) == 1
    page.get_by_label(triage_text.FIND).fill("nobody")
    expect(page.get_by_text(triage_text.NONE_SHOWN)).to_be_visible()
    page.get_by_label(triage_text.FIND).fill("")
    page.get_by_label(triage_text.SORT).select_option("name")
    names = page.locator("#worklist tbody tr").evaluate_all("rows => rows.map(r => r.dataset.name)")
    assert names[:3] == ["0_left.jpg", "0_right.jpg", "1_left.jpg"]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    violations = Axe().run(page, "#worklist").response["violations"]
    assert [each["id"] for each in violations if each["impact"] in ("serious", "critical")] == []


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two rooms in which patients have the same names, with what is no photograph."""
    folder = tmp_path_factory.mktemp("shared") / "day"
    for seed, name in enumerate(("7_left.png", "morning/7_left.png", "morning/7_right.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        draw_fundus(2 * seed, seed=seed, size=128).save(folder / name)
    for name, other in ((".thumbs/7_left.png", "7_left.png"), ("__MACOSX/._7.png", "7_left.png")):
        (folder / name).parent.mkdir()
        shutil.copy(folder / other, folder / name)
    (folder / "morning" / "IM0001").write_bytes(dicom(draw_fundus(3, seed=9, size=96)))
    (folder / "notes.txt").write_text("no photograph")
    return folder


def read(worklist: Path) -> list[dict[str, str]]:
    with worklist.open(encoding="utf-8", newline="") as lines:
        return [row | {"seconds": ""} for row in csv.DictReader(lines)]


@pytest.fixture(scope="session")
def by_shell(shared: Path, checkpoints: Path) -> list[dict[str, str]]:
    """The rows that ``retina triage`` writes of that folder."""
    worklist = shared.parent / "worklist.csv"
    command = [sys.executable, "-m", "retina", "triage", str(shared), "--output", str(worklist)]
    command += ["--model", "resnet18-pretrained", "--checkpoints", str(checkpoints)]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    rows = read(worklist)
    worklist.unlink()
    return rows


def drop(page: Page, *files: Path) -> None:
    box = page.locator("#triage-upload").bounding_box()
    assert box is not None
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


@pytest.mark.parametrize("way", ["zip", "packed", "chosen", "dropped"])
def test_page_and_shell_give_the_same_worklist(
    page: Page, shared: Path, by_shell: list[dict[str, str]], way: str, tmp_path: Path
) -> None:
    page.get_by_role("tab", name=triage_text.TAB).click()
    if way == "chosen":
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=triage_text.FOLDER).click()
        chooser.value.set_files(shared)
    elif way == "dropped":
        drop(page, shared)
    else:
        place = (shared,) if way == "zip" else (shared.parent, shared.name)
        upload(page, "triage", Path(shutil.make_archive(str(tmp_path / "day"), "zip", *place)))
    page.get_by_role("button", name=triage_text.BUTTON).click()
    left_out = photographs_in(shared).left_out
    assert "notes.txt" in left_out
    assert "2 in .thumbs, __MACOSX" in left_out
    expect(page.locator("#worklist .worklist-remarks")).to_have_text(left_out)
    with page.expect_download() as download:
        page.get_by_role("link", name=triage_text.DOWNLOAD).click()
    assert download.value.suggested_filename == "worklist.csv"
    assert read(Path(download.value.path())) == by_shell
    assert len(by_shell) == 4
    assert len({row["patient"] for row in by_shell}) == 3, "same names in two folders are two"


def test_a_photograph_of_the_worklist_opens_graded_on_the_grade_tab(
    page: Page, clinic: Path
) -> None:
    page.get_by_role("tab", name=triage_text.TAB).click()
    page.locator("#triage-model").get_by_label(text.MODEL).click()
    page.get_by_role("option", name="resnet18-scratch").click()
    triage(page, clinic / "3_left.jpg", clinic / "4_right.jpg")
    row = page.locator('#worklist tr[data-name="4_right.jpg"]')
    grade = row.locator(".grade-number").inner_text()
    row.locator("button").click()
    expect(page.get_by_role("tab", name="Grade")).to_have_attribute("aria-selected", "true")
    answer = page.locator("#assessment")
    expect(answer).to_contain_text("4_right.jpg")
    expect(answer).to_contain_text("resnet18-scratch")
    assert answer.locator(".grade-number").inner_text() == grade
    expect(page.locator("#grade-upload")).to_contain_text("4_right")
    expect(page.locator("#grade-photograph img.photograph")).to_be_visible()
    page.get_by_role("tab", name=triage_text.TAB).click()
    expect(page.locator("#worklist tbody tr")).to_have_count(2)


def test_what_is_done_when_it_is_stopped_is_kept(page: Page, tmp_path: Path) -> None:
    count = 600
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        for number in range(count):
            archive.write(PHOTOGRAPH, f"{number}.png")
    triage(page, tmp_path / "day.zip")
    progress = page.locator("#triage-progress progress")
    expect(progress).to_be_visible()
    page.wait_for_function("document.querySelector('#triage-progress progress')?.value > 0")
    page.locator("#triage-cancel").click()
    expect(page.locator("#worklist")).to_contain_text("Stopped: ")
    kept = page.locator("#worklist tbody tr").count()
    assert 0 < kept < count
    page.wait_for_timeout(1500)
    assert page.locator("#worklist tbody tr").count() == kept
    expect(progress).to_have_count(0)
    expect(page.get_by_role("button", name=triage_text.BUTTON)).to_be_enabled()


def test_who_comes_second_sees_the_place_in_the_line_and_starts_when_the_first_has_left(
    browser: Browser, address: str, page: Page, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        for number in range(600):
            archive.write(PHOTOGRAPH, f"{number}.png")
    with open_page(browser, address) as first:
        triage(first, tmp_path / "day.zip")
        expect(first.locator("#triage-progress progress")).to_be_visible()
        triage(page, PHOTOGRAPH)
        expect(page.locator("#triage-progress")).to_contain_text(triage_text.waiting(1))
        button = page.get_by_role("button", name=triage_text.BUTTON)
        expect(button).to_be_disabled()
        upload(page, "triage", PHOTOGRAPH, PHOTOGRAPH)
        page.wait_for_timeout(1000)
        expect(button).to_be_disabled()
    expect(page.locator("#worklist tbody tr")).to_have_count(1)
    expect(button).to_be_enabled()


def test_others_are_graded_while_a_day_is_triaged(page: Page, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        for number in range(600):
            archive.write(PHOTOGRAPH, f"{number}.png")
    triage(page, tmp_path / "day.zip")
    expect(page.locator("#triage-progress progress")).to_be_visible()
    page.get_by_role("tab", name="Grade", exact=True).click()
    upload(page, "grade", PHOTOGRAPH)
    page.get_by_role("button", name="Grade", exact=True).click()
    expect(page.locator("#assessment")).to_contain_text(PHOTOGRAPH.name)
    page.get_by_role("tab", name=triage_text.TAB).click()
    page.locator("#triage-cancel").click()
    expect(page.locator("#worklist")).to_contain_text("Stopped: ")
