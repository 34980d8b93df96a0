"""Many clients of one page at once: some ask well, some badly, some go away in the middle."""

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np

PATIENCE = 600.0
KINDS = {"grade": 11, "slow": 1, "broken": 3, "models": 2, "nothing": 1, "leave": 1, "half": 1}
"""How often each kind of request is among twenty."""


class Caller:
    """A client of the page.

    Args:
        address: Of the page.
        photographs: Files to be graded; the last is no photograph.
    """

    def __init__(self, address: str, photographs: Sequence[Path]) -> None:
        self.photographs = photographs
        self.page = httpx.Client(base_url=address, timeout=PATIENCE)

    def grade(self, number: int) -> Any:
        """What ``/grade`` says of a photograph, without the time that it took."""
        content = self.photographs[number].read_bytes()
        name = self.photographs[number].name
        path = self.page.post("gradio_api/upload", files={"files": (name, content)}).json()[0]
        return self.ask("grade", {"image": _file(path)})

    def grade_slowly(self, number: int) -> Any:
        """The same of a photograph that takes a second and a half to come."""
        head = '--b\r\nContent-Disposition: form-data; name="files"; filename="{}"\r\n\r\n'
        file = self.photographs[number]
        body = head.format(file.name).encode() + file.read_bytes() + b"\r\n--b--\r\n"

        def pieces() -> Iterator[bytes]:
            size = -(-len(body) // 15)
            for first in range(0, len(body), size):
                time.sleep(0.1)
                yield body[first : first + size]

        form = {"Content-Type": "multipart/form-data; boundary=b"}
        path = self.page.post("gradio_api/upload", content=pieces(), headers=form).json()[0]
        return self.ask("grade", {"image": _file(path)})

    def ask(self, endpoint: str, arguments: dict[str, Any]) -> Any:
        """The first output of an endpoint, or the sentence of an error."""
        joined = self.page.post(f"gradio_api/call/v2/{endpoint}", json=arguments)
        event = joined.json()["event_id"]
        text = self.page.get(f"gradio_api/call/{endpoint}/{event}").text
        data = json.loads(text.rpartition("data: ")[2])
        if "event: error" in text:
            return data["error"] if isinstance(data, dict) else data
        answer = data[0]
        if isinstance(answer, dict):
            answer.pop("seconds")
        return answer

    def leave(self, number: int) -> None:
        """Ask, and go away before the answer."""
        content = self.photographs[number].read_bytes()
        path = self.page.post("gradio_api/upload", files={"files": content}).json()[0]
        joined = self.page.post("gradio_api/call/v2/grade", json={"image": _file(path)})
        address = f"gradio_api/call/grade/{joined.json()['event_id']}"
        with self.page.stream("GET", address) as answer:
            answer.close()

    def half(self) -> None:
        """Send half of an upload and close the connection."""
        url = self.page.base_url
        head = (
            f"POST /gradio_api/upload HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        )
        with socket.create_connection((url.host, url.port or 80)) as connection:
            connection.sendall(head.encode() + bytes(1000))


def _file(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def serial_answers(caller: Caller) -> dict[str, Any]:
    """What each request is answered when nobody else asks."""
    answers = {f"grade {number}": caller.grade(number) for number in range(len(caller.photographs))}
    answers["models"] = caller.ask("models", {})
    answers["nothing"] = caller.ask("grade", {"image": None})
    return answers


def storm(
    address: str, photographs: Sequence[Path], clients: int, requests: int, seed: int
) -> tuple[Counter[str], list[str]]:
    """Ask with so many clients at once; how often what was asked, and what was answered wrongly."""
    callers = [Caller(address, photographs) for _ in range(clients)]
    expected = serial_answers(callers[0])
    chance = random.Random(seed)
    twenty = [kind for kind, count in KINDS.items() for _ in range(count)]
    kinds = [twenty[number % len(twenty)] for number in range(requests)]
    chance.shuffle(kinds)
    good = len(photographs) - 1

    def one(number: int) -> str | None:
        caller, kind = callers[number % clients], kinds[number]
        if kind == "leave":
            caller.leave(number % good)
            return None
        if kind == "half":
            caller.half()
            return None
        if kind in ("grade", "slow", "broken"):
            which = good if kind == "broken" else number % good
            sent = caller.grade_slowly if kind == "slow" else caller.grade
            found, key = sent(which), f"grade {which}"
        else:
            found = (
                caller.ask("models", {})
                if kind == "models"
                else caller.ask("grade", {"image": None})
            )
            key = kind
        return None if found == expected[key] else f"{key}: {found}"

    with ThreadPoolExecutor(clients) as pool:
        wrong = [each for each in pool.map(one, range(requests)) if each is not None]
    return Counter(kinds), wrong


def seconds_of_one(caller: Caller, times: int = 15) -> float:
    """The median time of a single request, when nobody else asks."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        caller.grade(0)
        took.append(time.perf_counter() - began)
    return float(np.median(took))
