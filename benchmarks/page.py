"""The page: its start-up time, its memory, and its rate with eight clients at once.

Start-up: ``python app.py`` in its own process, until ``/`` and its configuration are served; then
resident memory before the first grade, once it stops growing, since PyTorch is loaded after the
page is served; medians of several starts. Clients: gradio_client grades drawn photographs one after
the other, then in a thread per client, each with its own connection; the results must be the same.
"""

import argparse
import http.client
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from gradio_client import Client, handle_file

from benchmarks._apart import resident
from benchmarks.triage import drawn_folder

APP = Path(__file__).parents[1] / "app.py"
LONGEST = 300
"""Seconds to wait for the page."""
QUIET = 3


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks page")
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="as for app.py")
    parser.add_argument("--model", default="resnet18-pretrained")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--calls", type=int, default=10, help="per client")
    parser.add_argument("--port", type=int, default=0, help="any free one by default")
    options = parser.parse_args(arguments)
    port = options.port or _free_port()
    seconds, memory = [], []
    for _ in range(options.starts):
        with _page(port, options.checkpoints) as (took, held):
            seconds.append(took)
            memory.append(held)
    print(f"python app.py, {options.starts} starts")
    print(f"  until the page is served   {statistics.median(seconds):>8.2f} s")
    print(f"  resident before a grade    {statistics.median(memory):>8.0f} MiB")
    with _page(port, options.checkpoints):
        return _clients(f"http://127.0.0.1:{port}", options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _page(port: int, checkpoints: Path | None) -> Iterator[tuple[float, float]]:
    """The page, served; seconds until it was, and its resident memory in MiB then."""
    command = [sys.executable, str(APP), "--port", str(port)]
    command += ["--checkpoints", str(checkpoints)] if checkpoints else []
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not (_served(port, "/") and _served(port, "/config")):
            if process.poll() is not None or time.perf_counter() - began > LONGEST:
                raise RuntimeError(f"the page did not open, status {process.poll()}")
            time.sleep(0.02)
        took = time.perf_counter() - began
        yield took, _settled(psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _settled(process: psutil.Process) -> float:
    """Resident MiB, once there is no more of it than ``QUIET`` seconds before."""
    before, held = 0.0, resident(process)
    while held - before > 1:
        time.sleep(QUIET)
        before, held = held, resident(process)
    return held


def _served(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _clients(address: str, options: argparse.Namespace) -> int:
    pictures = sorted(drawn_folder(options.clients, 512).iterdir())
    clients = [Client(address, verbose=False) for _ in pictures]
    alone: list[float] = []
    expected: dict[Path, Any] = {}
    for client, picture in zip(clients, pictures, strict=True):
        _, expected[picture] = _graded(client, picture, options.model)  # the first loads the model
    for client, picture in zip(clients, pictures, strict=True):
        alone += [_graded(client, picture, options.model)[0] for _ in range(options.calls)]

    def visit(client: Client, picture: Path) -> list[tuple[float, bool]]:
        answers = [_graded(client, picture, options.model) for _ in range(options.calls)]
        return [(seconds, answer == expected[picture]) for seconds, answer in answers]

    with ThreadPoolExecutor(options.clients) as pool:
        answers = [each for visited in pool.map(visit, clients, pictures) for each in visited]
    together = [seconds for seconds, _ in answers]
    single, slow = statistics.median(alone), float(np.percentile(together, 95))
    wrong = options.clients * options.calls - sum(same for _, same in answers)
    print(f"/grade, {options.model}, {options.calls} calls of each client")
    for name, each in (("one client", alone), (f"{options.clients} clients at once", together)):
        middle, high = np.percentile(each, (50, 95)) * 1e3
        print(f"  {name:<22}median{middle:>8.0f} ms, 95th percentile{high:>8.0f} ms")
    print(f"  95th percentile at once / median of one: {slow / single:.2f}")
    print(f"  {wrong} of {len(answers)} answers lost or other than alone")
    return 1 if wrong else 0


def _graded(client: Client, picture: Path, model: str) -> tuple[float, dict[str, Any]]:
    """Seconds that an answer took, and the assessment without its own."""
    began = time.perf_counter()
    assessment, _, _ = client.predict(handle_file(picture), model, api_name="/grade")
    took = time.perf_counter() - began
    return took, {name: value for name, value in assessment.items() if name != "seconds"}
