import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from retina.cli import COMMANDS
from retina.cli.exit_status import exit_status
from retina.errors import CheckpointError, DataError, InputError
from retina.version import __version__
from tests.cli.shell import retina


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize("status", [0, 2])
def test_the_commands_own_status_is_kept(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status(lambda: status) == status
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [InputError, DataError, CheckpointError])
def test_what_the_user_can_mend_is_2_and_one_line(
    kind: type[InputError], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(raising(kind("no such\nmodel:  \x1b[2Jtrain one"))) == 2
    assert capsys.readouterr() == ("", "error: no such model: \ufffd[2Jtrain one\n")


@pytest.mark.parametrize(
    "number", [errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.EEXIST]
)
def test_a_path_that_cannot_be_is_2(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(number, os.strerror(number), "place")
    assert exit_status(raising(error)) == 2
    assert capsys.readouterr() == ("", f"error: {os.strerror(number)}: place\n")


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "I/O"), MemoryError()],
)
def test_what_the_machine_refuses_is_1(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(raising(error)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().out == ""


def test_a_fault_of_this_program_surfaces() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_status(raising(ZeroDivisionError()))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["grade", "eye.jpg"],
        ["grade", "--model", "small"],
        ["evaluate", "--model", "small", "--data", ".", "--split", "exam"],
        ["models", "--colour"],
    ],
)
def test_flags_that_cannot_be_are_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = retina(capsys, *arguments)
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.count("\n") == len(answer.errors) == 1
    assert "--help" in answer.errors[0]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    answer = retina(capsys, "--help")
    assert answer.status == 0
    assert set(COMMANDS) <= {line.split()[0] for line in answer.out.splitlines() if line.strip()}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = retina(capsys, command, "--help")
    assert (answer.status, answer.err) == (0, "")


def test_states_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert retina(capsys, "--version") == (0, f"retina {__version__}\n", "")


def test_python_m_retina_is_the_same_program(checkpoints: Path, tmp_path: Path) -> None:
    text = tmp_path / "eye.jpg"
    text.write_text("not a picture")
    command = [sys.executable, "-m", "retina", "grade", str(text), "--model", "small", "--json"]
    run = subprocess.run(
        [*command, "--checkpoints", str(checkpoints)], capture_output=True, text=True
    )
    assert run.returncode == 2
    assert run.stdout.startswith('[\n  {\n    "image"')
    assert run.stderr.startswith("error: eye.jpg ")
    assert run.stderr.count("\n") == 1


BUFFERING = pytest.mark.parametrize("unbuffered", ["", "1"])


def models_writing_to(stdout: int, folder: Path, unbuffered: str) -> tuple[int, str]:
    """The exit status and stderr of ``retina models --json``."""
    command = [sys.executable, "-m", "retina", "models", "--json", "--checkpoints", str(folder)]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    run = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)
    return run.returncode, run.stderr


@BUFFERING
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_1(tmp_path: Path, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        status, err = models_writing_to(full.fileno(), tmp_path, unbuffered)
    assert status == 1
    assert err == "error: the machine failed: [Errno 28] No space left on device\n"


@BUFFERING
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert models_writing_to(writing, tmp_path, unbuffered) == (0, "")
    finally:
        os.close(writing)
