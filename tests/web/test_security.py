"""Who may enter: every route of the page is tried from outside."""

import json
import logging
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Browser, Route, expect

from retina.errors import SettingsError
from retina.web import text
from retina.web.security import BEFORE_THE_PASSWORD, SECONDS_A_WRONG_PASSWORD, WAITING, log_to
from retina.web.text import NO_ADDRESSES, TAKES
from tests.web.conftest import PHOTOGRAPH, REPOSITORY, Guarded

GUESSES = 40

needs_addresses = pytest.mark.skipif(
    sys.platform != "linux", reason="this machine has one address, 127.0.0.1"
)


def routes(guarded: Guarded) -> list[tuple[str, str]]:
    """Each method and path, by the app's own description, with something in each blank."""
    with httpx.Client(base_url=guarded.address) as page:
        page.post("login", data=dict(zip(("username", "password"), guarded.user, strict=True)))
        paths = page.get("openapi.json").json()["paths"]
    return [
        (method.upper(), re.sub(r"\{[^}]*\}", "1", path))
        for path, methods in paths.items()
        for method in methods
    ]


def test_no_route_answers_without_the_password(guarded: Guarded) -> None:
    found = routes(guarded)
    assert len(found) > 60
    assert {"/config", "/gradio_api/upload", "/gradio_api/queue/join"} <= {
        path for _, path in found
    }
    answered = set()
    with httpx.Client(base_url=guarded.address, timeout=10) as page:
        for method, path in [*found, ("GET", "/openapi.json"), ("GET", "/anything")]:
            if method == "POST" and path.startswith("/login"):
                continue
            answer = page.request(method, path, json={} if method == "POST" else None)
            if answer.status_code != 401:
                answered.add(path)
    program = {path for path in answered if path.startswith(("/assets/", "/static/"))}
    assert answered - program <= set(BEFORE_THE_PASSWORD)
    assert httpx.get(f"{guarded.address}config").text == text.NOT_LOGGED_IN


@pytest.fixture(scope="module")
def cookie_names(guarded: Guarded) -> list[str]:
    """What the cookies are called that who knows the password gets."""
    user, password = guarded.user
    entered = {"username": user, "password": password}
    names = [*httpx.post(f"{guarded.address}login", data=entered).cookies]
    assert names
    return names


@pytest.mark.parametrize(
    "path",
    [
        *("config", "config/", "//config", "/./config", "assets/../config", "static/..%2fconfig"),
        *("assets/..%2f..%2fconfig", "%63onfig", "config?__theme=dark", "CONFIG", "config%00"),
        *("gradio_api/heartbeat/mine", "gradio_api/file=/etc/passwd", "monitoring", "openapi.json"),
        *("gradio_api/stream/a/b/playlist.m3u8", "gradio_api/custom_component/a/b/c", "docs"),
        *("gradio_api/upload_progress?upload_id=1", "gradio_api/info?all_endpoints=true", "robots"),
    ],
)
@pytest.mark.parametrize("forged", [None, "", "None", "null"])
def test_no_spelling_of_a_route_leads_past_the_password(
    guarded: Guarded, cookie_names: list[str], path: str, forged: str | None
) -> None:
    """Sent by hand, because clients tidy addresses up."""
    host = httpx.URL(guarded.address)
    head = f"GET /{path} HTTP/1.1\r\nHost: {host.host}\r\nConnection: close\r\n"
    if forged is not None:
        head += f"Cookie: {'; '.join(f'{name}={forged}' for name in cookie_names)}\r\n"
    with socket.create_connection((host.host, host.port or 80), timeout=10) as connection:
        connection.sendall(f"{head}\r\n".encode())
        answer = connection.makefile("rb").read()
    assert answer[9:12] in (b"400", b"401", b"403", b"404"), answer[:200]
    assert b"components" not in answer


@pytest.mark.parametrize("path", BEFORE_THE_PASSWORD)
def test_what_is_open_tells_of_nobody_and_of_no_photograph(guarded: Guarded, path: str) -> None:
    answer = httpx.get(f"{guarded.address.rstrip('/')}{path}", timeout=10)
    for word in ('"dependencies":[{', '"components":[{', guarded.user[1], "/retina-"):
        assert word not in answer.text, (path, word)


def tried(guarded: Guarded, password: str, address: str = "127.0.0.1") -> int:
    """The status of a log-in from an address of this machine."""
    data = {"username": guarded.user[0], "password": password}
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=60) as page:
        return page.post(f"{guarded.address}login", data=data).status_code


def test_wrong_passwords_are_tried_one_after_the_other(guarded: Guarded) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: tried(guarded, "byron"), range(3))) == [400] * 3
    assert time.monotonic() - began > 2.9 * SECONDS_A_WRONG_PASSWORD


@needs_addresses
def test_who_tries_many_at_once_is_sent_away_and_others_are_not(guarded: Guarded) -> None:
    with ThreadPoolExecutor(10) as pool:
        many = [pool.submit(tried, guarded, "byron", "127.0.0.2") for _ in range(10)]
        while not any(guess.done() for guess in many):
            time.sleep(0.02)
        assert tried(guarded, guarded.user[1]) == 200
    assert {guess.result() for guess in many} == {400, 429}


@needs_addresses
@pytest.mark.long
def test_forty_wrong_passwords_from_one_client_then_from_many(
    guarded: Guarded, record_property: Callable[[str, object], None]
) -> None:
    took = []
    for _ in range(GUESSES):
        began = time.monotonic()
        assert tried(guarded, "byron") == 400
        took.append(time.monotonic() - began)
    assert min(took) > SECONDS_A_WRONG_PASSWORD
    over, counted = threading.Event(), Counter[int]()

    def guess(number: int) -> None:
        while not over.is_set():
            counted[tried(guarded, "byron", f"127.0.0.{2 + number % 3}")] += 1

    with ThreadPoolExecutor(GUESSES) as pool:
        began = time.monotonic()
        for number in range(GUESSES):
            pool.submit(guess, number)
        try:
            while sum(counted.values()) < GUESSES:
                time.sleep(0.1)
            asked = time.monotonic()
            assert tried(guarded, guarded.user[1]) == 200
            waited = time.monotonic() - asked
        finally:
            over.set()
    seconds = time.monotonic() - began
    assert set(counted) == {400, 429}
    assert counted[400] < seconds / SECONDS_A_WRONG_PASSWORD + 1
    assert waited < WAITING * 2 * SECONDS_A_WRONG_PASSWORD
    record_property(
        "figures",
        f"{GUESSES} wrong passwords of one client took {sum(took):.0f} s, each at least "
        f"{min(took):.2f} s; of {GUESSES} clients at three addresses, who went on for "
        f"{seconds:.0f} s, {counted[400]} were tried and {counted[429]:,} sent away, and who knew "
        f"the password, at a fourth address, was in after {waited:.1f} s",
    )


@pytest.mark.parametrize(
    "host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "", "[::2]:80"]
)
def test_a_page_without_a_password_answers_to_this_machine_only(address: str, host: str) -> None:
    assert httpx.get(f"{address}config", headers={"Host": host}).status_code == 400
    upload = {"files": b"eye"}
    answer = httpx.post(f"{address}gradio_api/upload", files=upload, headers={"Host": host})
    assert answer.status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7860", "LOCALHOST:80"])
def test_this_machine_has_several_names(address: str, host: str) -> None:
    assert httpx.get(f"{address}config", headers={"Host": host}).status_code == 200


def test_behind_a_password_a_proxy_may_call_it_as_it_likes(guarded: Guarded) -> None:
    answer = httpx.get(guarded.address, headers={"Host": "retina.example"})
    assert answer.status_code == 200


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
