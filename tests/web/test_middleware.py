"""What the page keeps to itself: nothing leaves it, nothing outside it can be read."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Browser, Route, expect

from retina.errors import SettingsError
from retina.web.api_text import TAKES
from retina.web.middleware import log_to
from retina.web.text import NO_ADDRESSES
from tests.web.conftest import PHOTOGRAPH, REPOSITORY, Guarded

KEPT = """async () => [
    ...Object.keys(localStorage), ...Object.keys(sessionStorage), document.cookie,
    ...(await indexedDB.databases()).map(each => each.name), ...(await caches.keys()),
    ...(await navigator.serviceWorker.getRegistrations()).map(each => each.scope),
]"""
SEND_AWAY = """async () => {
    const refused = new Promise(done => {
        document.addEventListener("securitypolicyviolation", event => done(event.blockedURI));
        setTimeout(done, 5000, "nothing");
    });
    fetch("https://elsewhere.example/").catch(() => null);
    return await refused;
}"""


def upload(page: httpx.Client) -> str:
    """Put the photograph into the page's cache; gives its path there."""
    answer = page.post("gradio_api/upload", files={"files": PHOTOGRAPH.read_bytes()})
    return str(answer.json()[0])


def grade(page: httpx.Client, path: str) -> str:
    """What ``/grade`` says of a path that is not uploaded first."""
    image = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event = page.post("gradio_api/call/v2/grade", json={"image": image}).json()["event_id"]
    return page.get(f"gradio_api/call/grade/{event}").text


@pytest.fixture
def page(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as page:
        yield page


@pytest.fixture
def entered(guarded: Guarded) -> Iterator[httpx.Client]:
    """A session behind the password, on a machine whose variables would open every folder."""
    name, password = guarded.user
    with httpx.Client(base_url=guarded.address, timeout=60) as page:
        page.post("login", data={"username": name, "password": password})
        yield page


@pytest.mark.parametrize("path", ["", "config", "gradio_api/info", "login_check", "monitoring"])
def test_every_answer_keeps_browsers_to_this_page(page: httpx.Client, path: str) -> None:
    headers = page.get(path).headers
    policy = dict(part.split(maxsplit=1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*", headers["Content-Security-Policy"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_a_browser_may_keep_the_program_but_no_photograph(page: httpx.Client) -> None:
    [script] = re.findall(r'src="\./(assets/index-[^"]+\.js)"', page.get("").text)
    assert "no-store" not in page.get(script).headers.get("Cache-Control", "")
    photograph = page.get(f"gradio_api/file={upload(page)}")
    assert photograph.content == PHOTOGRAPH.read_bytes()
    assert photograph.headers["Cache-Control"] == "no-store"


def test_nothing_outside_the_page_is_served(entered: httpx.Client, guarded: Guarded) -> None:
    assert entered.get(f"gradio_api/file={upload(entered)}").status_code == 200
    assert guarded.log.exists()
    inside = upload(entered)
    for path in (
        "/etc/passwd",
        f"{inside}/../../../../etc/passwd",
        str(guarded.log),
        str(guarded.log.with_name("users")),
        str(REPOSITORY / "requirements.txt"),
        str(REPOSITORY / "retina/web/server.py"),
    ):
        for address in (f"gradio_api/file={path}", f"gradio_api/file/{path}"):
            assert entered.get(address).status_code in (403, 404), address


def test_an_upload_is_not_found_by_guess(entered: httpx.Client) -> None:
    file = Path(upload(entered))
    folder, cache = file.parent, file.parents[1]
    assert len(folder.name) == 64  # of the SHA-256 of what is in it
    guesses = [
        *(cache.parent, cache, f"{cache}/", folder, f"{folder}/", folder / "*", cache / "*/*"),
        *(folder / "blob", folder / f"{file.name}.png", folder.with_name("0" * 64) / file.name),
        *(cache / folder.name[:8], cache / file.name, f"{folder}/../../users"),
        *(cache.parents[1] / file.name, file.relative_to("/"), f"./{file.name}"),
    ]
    for guess in map(str, guesses):
        for address in (f"gradio_api/file={guess}", f"gradio_api/file/{guess}"):
            assert entered.get(address).status_code in (403, 404), address
        assert "event: error" in grade(entered, guess), guess
    assert entered.get(f"gradio_api/file={file}").content == PHOTOGRAPH.read_bytes()


@pytest.mark.parametrize("path", ["/etc/passwd", str(PHOTOGRAPH), str(REPOSITORY / "app.py")])
def test_nothing_outside_the_page_is_graded(page: httpx.Client, path: str) -> None:
    assert "event: complete" in grade(page, upload(page))
    answer = grade(page, path)
    assert "event: error" in answer
    assert "is no picture" not in answer
    assert "root:" not in answer


@pytest.mark.parametrize("other", ["https://elsewhere.example/eye.jpg", "http://127.0.0.1:1/"])
def test_the_page_runs_no_errands(page: httpx.Client, other: str) -> None:
    assert json.dumps(NO_ADDRESSES) in grade(page, other)
    for form in ("gradio_api/file=", "gradio_api/file/", "gradio_api/proxy="):
        answer = page.get(f"{page.base_url}{form}{other}")
        assert answer.status_code == (400 if "proxy" in form else 403)
    assert page.get(f"{page.base_url}gradio_api/file={other}").text == NO_ADDRESSES


def test_nothing_leaves_the_browser_and_nothing_stays_in_it(browser: Browser, address: str) -> None:
    elsewhere: list[str] = []

    def refuse(route: Route) -> None:
        elsewhere.append(route.request.url)
        route.abort()

    with browser.new_context() as context:
        context.route(lambda url: not url.startswith((address, "data:", "blob:")), refuse)
        page = context.new_page()
        page.goto(address)
        page.locator("input[type=file]").first.set_input_files(PHOTOGRAPH)
        page.get_by_role("button", name="Grade", exact=True).click()
        expect(page.locator("#assessment")).to_contain_text(PHOTOGRAPH.name, timeout=30_000)
        assert list(filter(None, page.evaluate(KEPT))) == []
        for name, shown in (("Use via API", TAKES["image"]), ("Settings", "Display Theme")):
            page.get_by_role("button", name=name).click()
            expect(page.locator("body")).to_contain_text(shown)
            page.goto(address)
        assert list(filter(None, page.evaluate(KEPT))) == []
        assert page.evaluate(SEND_AWAY) == "https://elsewhere.example/"
    assert elsewhere == []


def test_the_log_says_what_was_done_and_to_whom_never(guarded: Guarded, tmp_path: Path) -> None:
    eye = tmp_path / "Byron, Ada 1815.png"
    eye.write_bytes(PHOTOGRAPH.read_bytes())
    client = Client(guarded.address, auth=guarded.user, verbose=False, download_files=tmp_path)
    graded: Any = client.predict(image=handle_file(eye), api_name="/grade")
    httpx.get(f"{guarded.address}Byron.png")
    lines = guarded.log.read_text().splitlines()
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (.+) in (\d+\.\d{3}) s")
    told = [match and match[1] for match in map(form.fullmatch, lines)]
    assert None not in told
    assert f"{graded[0]['model']}: a photograph graded" in told
    assert "POST /login 200" in told
    assert "GET /gradio_api/file={path_or_url:path} 200" in told
    assert "GET (no such address) 401" in told
    secrets = ("Byron", "1815", graded[0]["image"]["sha256"], *guarded.user, graded[0]["label"])
    assert not [secret for secret in secrets if secret in guarded.log.read_text()]


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    package = logging.getLogger("retina")
    level, handlers = package.level, package.handlers[:]
    try:
        log_to(tmp_path / "log")
        package.info("first")
        (tmp_path / "log").rename(tmp_path / "log.1")
        package.info("second")
    finally:
        package.setLevel(level)
        package.handlers = handlers
    assert (tmp_path / "log.1").read_text().endswith(" first\n")
    assert (tmp_path / "log").read_text().endswith(" second\n")


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written"):
        log_to(tmp_path / "missing" / "log")
