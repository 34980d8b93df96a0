"""A page with ``--auth-file``: who may enter, and what the others get."""

from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AuthenticationError
from playwright.sync_api import Browser, expect

from retina.web import text
from retina.web.text import GIVES, TAKES
from tests.web.conftest import PHOTOGRAPH, Guarded, open_page

EVENT = {"data": [None, "", False], "fn_index": 0, "session_hash": "mine"}
ROUTES: dict[str, Any] = {
    "config": None,
    "gradio_api/info": None,
    "gradio_api/openapi.json": None,
    "gradio_api/queue/status": None,
    "gradio_api/queue/data?session_hash=mine": None,
    "gradio_api/file=/etc/hostname": None,
    "gradio_api/deep_link?session_hash=mine": None,
    "gradio_api/call/grade/event": None,
    "gradio_api/queue/join": {"json": EVENT},
    "gradio_api/run/grade": {"json": EVENT},
    "gradio_api/call/grade": {"json": EVENT},
    "gradio_api/call/v2/grade": {"json": {"image": None}},
    "gradio_api/component_server": {"json": {}},
    "gradio_api/upload": {"files": {"files": b"eye"}},
}


def log_in(page: httpx.Client, user: tuple[str, str]) -> httpx.Response:
    return page.post("login", data={"username": user[0], "password": user[1]})


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_gets_in_without_the_password(guarded: Guarded, route: str) -> None:
    with httpx.Client(base_url=guarded.address) as page:
        sent = ROUTES[route]
        answer = page.get(route) if sent is None else page.post(route, **sent)
        assert answer.status_code == 401
        assert log_in(page, guarded.user).status_code == 200
        # The same request is let through, whatever then becomes of it; an open stream is enough.
        with page.stream("GET" if sent is None else "POST", route, **(sent or {})) as answer:
            assert answer.status_code != 401


@pytest.mark.parametrize(
    "user", [("ada", "byron"), ("ada", ""), ("", ""), ("grace", "lovelace"), ("ADA", "lovelace")]
)
def test_a_wrong_password_opens_nothing(guarded: Guarded, user: tuple[str, str]) -> None:
    with httpx.Client(base_url=guarded.address) as page:
        assert log_in(page, user).is_client_error
        assert not page.cookies
        assert page.get("config").status_code == 401


def test_the_page_before_the_password_shows_no_more_than_the_question(guarded: Guarded) -> None:
    with httpx.Client(base_url=guarded.address) as page:
        assert '"auth_required":true' in page.get("").text
        assert '"components":[]' in page.get("").text
        for word in ("resnet18", "/grade", "/triage", *TAKES, *GIVES):
            assert f'"{word}' not in page.get("").text
        log_in(page, guarded.user)
        assert "resnet18" in page.get("").text
        assert '"auth_required":true' not in page.get("").text


def test_the_form_lets_in_who_knows_the_password(browser: Browser, guarded: Guarded) -> None:
    with open_page(browser, guarded.address) as page:
        for field, word in zip(("username", "password"), guarded.user, strict=True):
            page.get_by_label(field).fill(word)
        page.get_by_role("button", name="Login").click()
        expect(page.get_by_role("tab", name=text.TAB_GRADE)).to_be_visible()
        assert "/grade" in page.evaluate("Object.keys(gradio_api_info.named_endpoints)")


def test_who_logs_out_is_out(guarded: Guarded) -> None:
    with httpx.Client(base_url=guarded.address) as page:
        log_in(page, guarded.user)
        cookies = dict(page.cookies)
        assert page.get("config").json()["username"] == guarded.user[0]
        page.get("logout")
        page.cookies.update(cookies)
        assert page.get("config").status_code == 401


def test_gradio_client_enters_with_the_password_only(guarded: Guarded) -> None:
    client = Client(guarded.address, auth=guarded.user, verbose=False, download_files=False)
    answer = client.predict(image=handle_file(PHOTOGRAPH), api_name="/grade")
    assert answer[0]["grade"] is not None
    with pytest.raises(ValueError, match="Could not login"):
        Client(guarded.address, auth=(guarded.user[0], "byron"), verbose=False)
    with pytest.raises(AuthenticationError):
        Client(guarded.address, verbose=False)


def test_an_upload_above_the_limit_is_refused_in_a_sentence(guarded: Guarded) -> None:
    with httpx.Client(base_url=guarded.address) as page:
        log_in(page, guarded.user)
        assert page.get("config").json()["max_file_size"] == 1024**2
        small, large = ({"files": bytes(size)} for size in (1024**2, 1024**2 + 1))
        assert page.post("gradio_api/upload", files=small).status_code == 200
        answer = page.post("gradio_api/upload", files=large)
        assert answer.status_code == 413
        assert answer.text.startswith("File size exceeded")
