"""Who may enter: every route of the page is tried from outside."""

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from retina.web import text
from retina.web.guard import BEFORE_THE_PASSWORD, SECONDS_A_WRONG_PASSWORD, WAITING
from tests.web.conftest import Guarded


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
@pytest.mark.parametrize("cookie", ["", "access-token-unsecure", "access-token"])
def test_no_spelling_of_a_route_leads_past_the_password(
    guarded: Guarded, path: str, cookie: str
) -> None:
    """Sent by hand, because clients tidy addresses up."""
    host = httpx.URL(guarded.address)
    head = f"GET /{path} HTTP/1.1\r\nHost: {host.host}\r\nConnection: close\r\n"
    if cookie:
        name = httpx.get(f"{guarded.address}login_check").headers.get("set-cookie", cookie)
        head += f"Cookie: {name.partition('=')[0]}=; {cookie}-1=None; {cookie}=null\r\n"
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


def wrong(guarded: Guarded) -> int:
    data = {"username": guarded.user[0], "password": "byron"}
    return httpx.post(f"{guarded.address}login", data=data, timeout=60).status_code


def test_wrong_passwords_are_tried_one_after_the_other(guarded: Guarded) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(wrong, [guarded] * 3)) == [400] * 3
    assert time.monotonic() - began > 2.9 * SECONDS_A_WRONG_PASSWORD


@pytest.mark.long
def test_who_tries_many_at_once_is_sent_away(guarded: Guarded) -> None:
    with ThreadPoolExecutor(2 * WAITING) as pool:
        statuses = list(pool.map(wrong, [guarded] * 2 * WAITING))
    assert set(statuses) == {400, 429}


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
