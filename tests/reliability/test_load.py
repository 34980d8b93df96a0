"""Many at once are answered as one alone, and the page is afterwards what it was before."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retina.datasets.synthetic import draw_fundus
from retina.web.gradio_internals import forget_uploads
from retina.web.server import QUEUE_SIZE
from tests.reliability.conftest import Running
from tests.reliability.load import KINDS, Caller, seconds_of_one, storm

CLIENTS, REQUESTS = 32, 1000
FEW_CLIENTS, FEW_REQUESTS = 8, 40
GROWTH = 1.05
"""Of memory over the second half of all requests, once the first half has filled what is kept."""
SLOWER = 1.5
"""Of one request afterwards, on a machine that others use too."""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photographs")
    files = [folder / f"{number}.png" for number in range(6)]
    for number, file in enumerate(files):
        draw_fundus(number % 5, seed=number, size=200).save(file)
    broken = folder / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:2000])
    return [*files, broken]


def test_a_few_at_once_are_answered_as_one_alone(running: Running, photographs: list[Path]) -> None:
    asked, wrong = storm(running.address, photographs, FEW_CLIENTS, FEW_REQUESTS, seed=1)
    assert wrong == []
    assert {*asked} == {*KINDS}
    assert "Traceback" not in (running.folder / "errors").read_text()


def test_uploads_are_deleted_and_what_is_left_of_half_of_one(
    running: Running, photographs: list[Path]
) -> None:
    caller = Caller(running.address, photographs)
    (cache,) = (running.folder / "temporary").glob("retina-*/cache")

    def halves() -> list[Path]:
        return [each for each in cache.iterdir() if each.is_file()]

    caller.half()
    until = time.monotonic() + 20
    while not halves():
        assert time.monotonic() < until
        time.sleep(0.1)
    whole = Path(caller.page.post("gradio_api/upload", files={"files": b"eye"}).json()[0])
    kept = caller.page.post("gradio_api/upload", files={"files": b"example"}).json()[0]
    forget_uploads(cache, 3600)
    assert halves()
    assert whole.exists()
    while halves():  # another may be on its way
        forget_uploads(cache, 0, {Path(kept)})
        assert time.monotonic() < until
    assert not whole.exists()
    assert Path(kept).exists()


@pytest.mark.long
def test_a_full_queue_says_so_and_empties(running: Running, photographs: list[Path]) -> None:
    caller = Caller(running.address, photographs)
    content = photographs[0].read_bytes()
    path = caller.page.post("gradio_api/upload", files={"files": content}).json()[0]
    arguments = {"image": {"path": path, "meta": {"_type": "gradio.FileData"}}}
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(
            pool.map(
                lambda _: caller.page.post("gradio_api/call/v2/grade", json=arguments),
                range(2 * QUEUE_SIZE),
            )
        )
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} == {503}
    assert all(len(answer.json()["detail"]) < 100 for answer in refused)
    until = time.monotonic() + 300
    while caller.page.get("gradio_api/queue/status").json()["queue_size"]:
        assert time.monotonic() < until
        time.sleep(0.5)
    assert caller.grade(0)["grade"] is not None


@pytest.mark.long
def test_a_thousand_requests_of_thirty_two_clients(
    running: Running, photographs: list[Path], record_property: Callable[[str, object], None]
) -> None:
    caller = Caller(running.address, photographs)
    caller.grade(0)
    before = seconds_of_one(caller)
    memory = [running.megabytes()]
    asked: dict[str, int] = {}
    for part in range(4):
        told, wrong = storm(running.address, photographs, CLIENTS, REQUESTS // 4, seed=part)
        assert wrong == []
        memory.append(running.megabytes())
        asked = {kind: asked.get(kind, 0) + count for kind, count in told.items()}
    time.sleep(2)
    after = seconds_of_one(caller)
    record_property(
        "figures",
        f"{REQUESTS} requests of {CLIENTS} clients ({json.dumps(asked)}), none answered wrongly; "
        f"memory {', '.join(f'{each:.0f}' for each in memory)} MB at the start and after each "
        f"quarter; one request took {before:.3f} s before and {after:.3f} s after",
    )
    assert memory[4] < GROWTH * memory[2]
    assert after < SLOWER * before
