"""Who may enter: every route of the page is tried from outside."""

import re
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
