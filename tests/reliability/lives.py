"""A command that is stopped at random moments and started again until it is done.

``python -m tests.reliability.lives NAME STOPS SEED FOLDER`` stops one of ``WORKS`` so many times,
by SIGKILL, SIGTERM or SIGINT, at seeded moments spread over all that it does, and compares what it
leaves with what it leaves undisturbed. It prints how often each signal struck.

Each life is forked from here, where the libraries are loaded already, and leads a group of its
own. SIGKILL strikes the process alone, as the kernel's does; the others strike the whole group, as
a terminal's and a service's do.
"""

import argparse
import faulthandler
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from retina.cli import COMMANDS, main
from retina.datasets.synthetic import write_synthetic
from retina.signals import SIGNALS
from retina.training import experiment, trainer
from tests.checkpoints import save_small
from tests.reliability.works import WORKS, Work

STATUS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130}
PATIENCE = 300.0
SECONDS_TO_NOTICE = 15.0


class Life:
    """A process that runs a command in a folder; what it says is added to ``told`` there."""

    def __init__(self, work: Work, folder: Path, photographs: Path) -> None:
        self.work, self.folder = work, folder
        folder.mkdir(exist_ok=True)
        self.began = time.monotonic()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the command runs
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._live(photographs))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _live(self, photographs: Path) -> int:
        os.setsid()
        os.environ["RETINA_CACHE"] = str(self.folder / "cache")
        with (self.folder / "told").open("a") as told:
            os.dup2(told.fileno(), 1)
            os.dup2(told.fileno(), 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" had it ignored
        faulthandler.register(signal.SIGUSR1)
        name, *flags = self.work.arguments(self.folder, photographs)
        command = COMMANDS[name]
        run: Callable[[argparse.Namespace], int] = command.run

        def running(options: argparse.Namespace) -> int:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            return run(options)

        setattr(command, "run", running)  # noqa: B010 - mypy knows no module that changes
        try:
            return main([name, *flags])
        except BaseException:
            traceback.print_exc()
            return 70
        finally:
            sys.stderr.flush()

    def ended(self, within: float) -> int | None:
        """The exit status, or minus the signal it died of; None if it lives on."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        return None

    def stop(self, number: signal.Signals) -> int:
        """Send a signal; the exit status that follows."""
        if number == signal.SIGKILL:
            os.kill(self.pid, number)
        else:
            os.killpg(self.pid, number)
        status = self.ended(PATIENCE)
        assert status is not None, f"{number.name} did not end it: {self.stuck()}"
        return status

    def stuck(self) -> str:
        """What it said, and where each of its threads is."""
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(1)
        return (self.folder / "told").read_text()

    def finish(self) -> None:
        """Let it come to its end."""
        while not self.work.is_done(self.folder) or not self.work.endless:
            status = self.ended(0.05)
            if status is not None:
                assert status == 0, (status, (self.folder / "told").read_text())
                return
            assert time.monotonic() - self.began < PATIENCE, self.stuck()
        status = self.stop(signal.SIGTERM)
        assert status == 143, (status, (self.folder / "told").read_text())


def lives_on(group: int) -> bool:
    """Whether a process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def draw(folder: Path, work: Work) -> None:
    """Draw few enough that no processes are started, which a fork would inherit; then copy."""
    count = min(work.photographs, work.drawn)
    write_synthetic(folder, count=count, size=96)
    table = pd.read_csv(folder / "train.csv")
    tables = [table]
    for copy in range(1, work.photographs // count):
        renamed = table.assign(id_code=table["id_code"] + f"c{copy}")
        for old, new in zip(table["id_code"], renamed["id_code"], strict=True):
            shutil.copy(folder / "images" / f"{old}.jpg", folder / "images" / f"{new}.jpg")
        tables.append(renamed)
    pd.concat(tables).to_csv(folder / "train.csv", index=False)


def disturbed(name: str, stops: int, seed: int, place: Path) -> Counter[str]:
    """Stop a command so many times; how often by which signal."""
    work, photographs, chance = WORKS[name], place / "photographs", random.Random(seed)
    draw(photographs, work)
    save_small(place / "models" / "small")
    undisturbed = Life(work, place / "undisturbed", photographs)
    undisturbed.finish()
    span = time.monotonic() - undisturbed.began
    expected = work.result(place / "undisturbed")
    moments = [span * (number + chance.random()) / stops for number in range(stops)]
    chance.shuffle(moments)
    struck: Counter[str] = Counter()
    groups = []
    folder, runs = place / "run-0", 0
    while moments:
        life, number = Life(work, folder, photographs), chance.choice(list(STATUS))
        groups.append(life.pid)
        status = life.ended(moments[-1])
        if status is None:
            status = life.stop(number)
            moments.pop()
            struck[number.name] += 1
            assert status in (0, STATUS[number]), (status, (folder / "told").read_text())
        else:
            moments[-1] *= 0.8  # this life is quicker than the first was
        work.check(folder)
        if status == 0 and not work.endless:
            work.compare(work.result(folder), expected)
            runs += 1
            folder = place / f"run-{runs}"
            assert runs < 10 * stops
    Life(work, folder, photographs).finish()
    work.compare(work.result(folder), expected)
    until = time.monotonic() + SECONDS_TO_NOTICE
    while any(map(lives_on, groups)):  # processes that a killed one had started
        assert time.monotonic() < until
        time.sleep(0.1)
    for told in place.glob("*/told"):
        assert "Traceback" not in told.read_text(), told.read_text()
    return struck


if __name__ == "__main__":
    torch.set_num_threads(1)
    trainer.SECONDS_BETWEEN_SAVES = 0.05
    assert experiment  # loaded here, and not again in every life
    print(json.dumps(disturbed(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
