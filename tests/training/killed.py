"""A run that is killed, twice: ``python -m tests.training.killed DATA FOLDER``."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retina.training import trainer
from retina.training.data import SplitData, read_split_data
from retina.training.run import train_run
from retina.training.state import STATE_FILE
from tests.training.runs import CPU, settings


def kill_inside_the_epoch(pid: int, folder: Path) -> None:
    """Kill from outside, a moment after the first state was written."""
    deadline = time.monotonic() + 120
    while not (folder / STATE_FILE).exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(random.uniform(0, 0.3))
    os.kill(pid, signal.SIGKILL)


def die_between_the_epochs() -> None:
    """Let the process die while the state at the end of the first epoch is half written."""
    save, write = trainer.Trainer._save, Path.write_bytes

    def half(path: Path, data: Any) -> int:
        write(path, bytes(data)[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def dying(self: trainer.Trainer) -> None:
        if self.progress.epoch == 1 and self.progress.batch == 0:
            Path.write_bytes = half  # type: ignore[method-assign, assignment]
        save(self)

    trainer.Trainer._save = dying  # type: ignore[method-assign]


def killed(parts: SplitData, folder: Path, prepare: Callable[[], None] | None = None) -> int:
    """Train, or go on, in a process of its own and kill it; the signal that it died of."""
    pid = os.fork()
    if pid == 0:
        trainer.SECONDS_BETWEEN_SAVES = 0.0
        if prepare:
            prepare()
        train_run(settings(), parts, None, folder, CPU, resume=True)
        os._exit(0)
    if prepare is None:
        kill_inside_the_epoch(pid, folder)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


if __name__ == "__main__":
    parts, folder = read_split_data([sys.argv[1]], 0), Path(sys.argv[2])
    signals = [killed(parts, folder), killed(parts, folder, die_between_the_epochs)]
    sys.exit(signals != [signal.SIGKILL] * 2)
