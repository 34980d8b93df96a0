"""Who may enter: every route of the page is tried from outside."""

import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from retina.web import text
from retina.web.guard import BEFORE_THE_PASSWORD, SECONDS_A_WRONG_PASSWORD, WAITING
from tests.web.conftest import Guarded

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
