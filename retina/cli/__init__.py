"""``python -m retina ...``, the console script ``retina``: flags in, an exit status out."""

from collections.abc import Sequence

from retina.cli import (
    check_data,
    compare,
    demo,
    evaluate,
    export,
    grade,
    models,
    prepare,
    train,
    triage,
    watch,
)
from retina.cli.exit_status import Parser, exit_status
from retina.process import silence_libraries
from retina.version import __version__

COMMANDS = {
    "grade": grade,
    "triage": triage,
    "watch": watch,
    "evaluate": evaluate,
    "compare": compare,
    "models": models,
    "prepare": prepare,
    "export": export,
    "check-data": check_data,
    "train": train,
    "demo": demo,
}


def main(arguments: Sequence[str] | None = None, program: str = "retina") -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; ``sys.argv`` by default.
        program: The name that the help shows.

    Returns:
        The exit status.
    """
    parser = Parser(prog=program, description="Grades diabetic retinopathy, 0 to 4.")
    parser.add_argument("--version", action="version", version=f"retina {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        flags = commands.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_flags(flags)
        flags.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    silence_libraries()
    return exit_status(lambda: options.run(options))


def script(name: str) -> int:
    """Run ``train.py`` or ``app.py``: the command ``name`` with the flags of this process."""
    command = COMMANDS[name]
    parser = Parser(description=command.HELP)
    command.add_flags(parser)
    options = parser.parse_args()
    silence_libraries()
    return exit_status(lambda: command.run(options))
