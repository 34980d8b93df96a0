"""``app.py`` and ``retina demo``."""

import argparse
from pathlib import Path

from retina.cli.exit_status import DONE
from retina.cli.flags import add_checkpoints
from retina.errors import SettingsError
from retina.process import prepare_for_page

HELP = "Open a web page that grades fundus photographs."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add("--port", type=int, default=7860, help="port to listen on (default: 7860)")
    add_checkpoints(parser)
    add(
        "--auth-file",
        type=Path,
        metavar="FILE",
        help="users who may log in: lines of user:password",
    )
    add("--insecure", action="store_true", help="accept other machines without --auth-file")
    add(
        "--examples",
        type=Path,
        metavar="DIR",
        help="photographs to offer as examples (default: drawn ones)",
    )
    add(
        "--max-file-size",
        type=int,
        default=100,
        metavar="MB",
        help="largest upload (default: 100)",
    )
    add("--log", type=Path, metavar="FILE", help="log each request and graded photograph")
    add("--audit-log", type=Path, metavar="FILE", help="log each assessment and verdict")
    add(
        "--root-path",
        default="",
        metavar="PATH",
        help="path at which a reverse proxy serves the page, such as /retina",
    )


def run(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    prepare_for_page()
    from retina.web.server import launch

    if options.audit_log and options.audit_log == options.log:
        raise SettingsError("--log and --audit-log are the same file: name two")
    launch(
        host=options.host,
        port=options.port,
        checkpoints=options.checkpoints,
        auth_file=options.auth_file,
        examples=options.examples,
        insecure=options.insecure,
        max_file_size=options.max_file_size,
        log=options.log,
        root_path=options.root_path,
        audit_log=options.audit_log,
    )
    return DONE
