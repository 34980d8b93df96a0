"""Open the page, with the settings that a clinic needs: nothing leaves the machine."""

import ipaddress
import logging
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from retina.errors import SettingsError
from retina.inference.audit_log import AuditLog
from retina.models.checkpoint_folder import unusable_checkpoints
from retina.process import share_freed_memory
from retina.web import text
from retina.web.examples import drawn_examples, own_examples
from retina.web.gradio_internals import (
    LAUNCH_SETTINGS,
    check_gradio,
    check_page,
    forget_temporary_files,
    forget_uploads,
    forget_visitors,
    limit_remembered_calls,
)
from retina.web.model_pool import ModelPool
from retina.web.page import STYLESHEETS, build_page, page_script, page_theme
from retina.web.security import MIDDLEWARE, guards, log_to

_log = logging.getLogger(__name__)

MAX_FILE_SIZE = 100
"""In megabytes of 1024 x 1024 bytes, as Gradio counts."""

CACHE_SECONDS = (600, 3600)
"""How often uploads and visitors are forgotten, and those of what age."""

QUEUE_SIZE = 128

SESSIONS = 256
"""Pages and calls of the API that are remembered at once; each takes 0.2 MB and what it shows."""

EVENTS = 2000
"""Pages and calls whose events are remembered: as many as Gradio keeps messages for."""


def build_demo(
    workspace: Path,
    checkpoints: Path | None = None,
    examples: Path | None = None,
    audit: AuditLog | None = None,
) -> gr.Blocks:
    """The page and its API, not yet served.

    Args:
        workspace: An empty folder for what the page keeps while it is open.
        checkpoints: The folder of checkpoints; None: where ``retina`` looks for them.
        examples: A folder of photographs to offer in place of the drawn ones.
        audit: Where assessments and verdicts are kept; None: nowhere.

    Raises:
        InputError: ``examples`` holds no photograph, or a checkpoint cannot be used.
    """
    shown = drawn_examples(workspace) if examples is None else own_examples(examples, workspace)
    page = build_page(ModelPool(checkpoints), shown, audit, own=examples is not None)
    page.queue(max_size=QUEUE_SIZE)
    check_gradio(page)
    limit_remembered_calls(page, EVENTS)
    return page


def launch(
    host: str = "127.0.0.1",
    port: int = 7860,
    checkpoints: Path | None = None,
    auth_file: Path | None = None,
    examples: Path | None = None,
    *,
    insecure: bool = False,
    max_file_size: int = MAX_FILE_SIZE,
    log: Path | None = None,
    root_path: str = "",
    audit_log: Path | None = None,
) -> None:
    """Serve the page until it is interrupted; what was uploaded is deleted at the end.

    The environment is the caller's: ``retina.process.prepare_for_page`` is what the command does.

    Args:
        host: The address to listen at.
        port: The port to listen at.
        checkpoints: As for ``build_demo``.
        auth_file: Who may enter: a line ``user:password`` each. None: everyone.
        examples: As for ``build_demo``.
        insecure: Let other machines in without ``auth_file``.
        max_file_size: Of an upload, in megabytes.
        log: A file that gets a line for each request and each graded photograph.
        root_path: The path, as ``/retina``, at which a proxy shows the page; empty: a host's root.
        audit_log: A file that gets a line for each assessment and each clinician's verdict.

    Raises:
        InputError: A setting cannot be used; the message says how to mend it.
        KeyboardInterrupt: Ctrl-C, or what the caller makes of SIGTERM.
    """
    people = None if auth_file is None else read_auth_file(auth_file)
    if max_file_size < 1:
        raise SettingsError(f"--max-file-size is 1 megabyte or more, not {max_file_size}")
    check_open(host, guarded=people is not None, insecure=insecure)
    check_free(host, port)
    if log is not None:
        log_to(log)
    audit = None if audit_log is None else AuditLog(audit_log)
    for reason in unusable_checkpoints(checkpoints).values():
        print(f"warning: a model is left out: {reason}", file=sys.stderr)
    share_freed_memory()
    at_the_door = guards(
        host, guarded=people is not None, insecure=insecure, is_loopback=_is_loopback(host)
    )
    with _private_cache() as workspace:
        page = build_demo(workspace, checkpoints, examples, audit)
        cache = workspace.with_name("cache")
        examples_shown = set(cache.rglob("*"))
        try:
            _, address, _ = page.launch(
                server_name=f"[{host}]" if ":" in host else host,
                server_port=port,
                root_path=f"/{root_path.strip('/')}" if root_path else "",
                auth=people,
                theme=page_theme(),
                css_paths=STYLESHEETS,
                head=page_script(),
                share=False,
                run_history=False,
                enable_monitoring=False,
                state_session_capacity=SESSIONS,
                mcp_server=False,
                ssr_mode=False,
                strict_cors=True,
                max_file_size=f"{max_file_size}mb",
                allowed_paths=[],
                footer_links=["api", "settings"],
                i18n=gr.I18n(en=text.GRADIO),
                app_kwargs={
                    "middleware": [*(Middleware(each) for each in MIDDLEWARE), *at_the_door]
                },
                prevent_thread_lock=True,
                quiet=True,
                **LAUNCH_SETTINGS,
            )
            check_page(page)
            print(f"Retina is open at {address}", flush=True)
            # PyTorch takes seconds to import: while one looks at the page, not at its first grade.
            threading.Thread(target=import_module, args=["retina.inference.grader"]).start()
            every, age = CACHE_SECONDS
            met: dict[str, float] = {}
            while True:
                time.sleep(every)
                try:
                    forget_uploads(cache, age, examples_shown)
                    forget_visitors(page, met, age)
                    forget_temporary_files(page)
                except Exception as error:  # the page goes on; the next round may do better
                    _log.error("what visitors left was not deleted (%s)", type(error).__name__)
        finally:
            page.close(verbose=False)


def check_open(host: str, *, guarded: bool, insecure: bool) -> None:
    """Let the page be reached from other machines only where that was meant; then warn of it.

    Args:
        host: The address to listen at.
        guarded: Whether only those may enter whom ``--auth-file`` names.
        insecure: Whether everyone may, by ``--insecure``.

    Raises:
        SettingsError: Other machines could reach the page, and neither was said.
    """
    if _is_loopback(host):
        return
    if not (guarded or insecure):
        raise SettingsError(
            f"--host {host} lets other machines in: name who may enter with --auth-file FILE, or "
            "let everyone in with --insecure"
        )
    if not guarded:
        print(
            f"warning: everyone who can reach {host} can use this page and see what it shows",
            file=sys.stderr,
        )
    print(
        f"warning: what other machines exchange with {host} can be read on the way, unless a proxy "
        "with TLS stands before it: docs/deployment.md",
        file=sys.stderr,
    )


def read_auth_file(file: Path) -> list[tuple[str, str]]:
    """Users and their passwords, a line ``user:password`` each; empty lines do not count.

    Raises:
        SettingsError: The file cannot be read, is empty, or has a line of another form.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            f"--auth-file {file} cannot be read: name a text file with a line user:password "
            "for each who may enter"
        ) from None
    people: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        user, _, password = line.strip().partition(":")
        if not (user and password):
            raise SettingsError(f"line {number} of --auth-file {file} is not user:password")
        if user in people:
            raise SettingsError(f"line {number} of --auth-file {file} names {user} again")
        people[user] = password
    if not people:
        raise SettingsError(f"--auth-file {file} is empty: write a line user:password into it")
    return list(people.items())


def check_free(host: str, port: int) -> None:
    """Make sure that the page can listen at an address.

    Raises:
        SettingsError: It cannot, because the port is taken, or the address is not this machine's.
    """
    if not 1 <= port <= 65535:
        raise SettingsError(f"--port lies between 1 and 65535, not at {port}")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise SettingsError(f"--host {host} is not an address of this machine") from None
    except PermissionError:
        raise SettingsError(f"port {port} may not be used: choose one above 1023") from None
    except OSError:
        raise SettingsError(
            f"port {port} of {host} is taken, or the address is not this machine's: "
            "choose another with --port or --host"
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        found = {ipaddress.ip_address(each[4][0]) for each in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(address.is_loopback for address in found)


@contextmanager
def _private_cache() -> Iterator[Path]:
    """A folder that no other user can read, for uploads and pictures, deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="retina-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get("GRADIO_TEMP_DIR")
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "cache")
        workspace = Path(folder) / "examples"
        workspace.mkdir()
        try:
            yield workspace
        finally:
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before
