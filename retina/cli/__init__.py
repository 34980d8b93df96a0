"""The command line: ``python -m retina``, or ``retina`` where it is installed."""

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
    """Run the command in ``arguments``, by default ``sys.argv[1:]``; return its exit status."""
    parser = Parser(prog=program, description="Grade fundus photographs for diabetic retinopathy.")
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
    """Run the command ``name`` with ``sys.argv[1:]``, as ``train.py`` and ``app.py`` do."""
    command = COMMANDS[name]
    parser = Parser(description=command.HELP)
    command.add_flags(parser)
    options = parser.parse_args()
    silence_libraries()
    return exit_status(lambda: command.run(options))
