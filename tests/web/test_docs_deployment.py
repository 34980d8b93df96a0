"""``docs/deployment.md`` names flags and limits of the page: they are the page's own."""

import re

from retina.cli import demo
from retina.cli.exit_status import Parser
from retina.web.server import CACHE_SECONDS, MAX_FILE_SIZE
from tests.web.conftest import REPOSITORY

DOCUMENT = (REPOSITORY / "docs/deployment.md").read_text(encoding="utf-8")
WITHOUT_SHELL = re.sub(r"^```sh\n.+?^```$", "", DOCUMENT, flags=re.MULTILINE | re.DOTALL)


def flags() -> Parser:
    parser = Parser()
    demo.add_flags(parser)
    return parser


def test_the_service_is_started_with_flags_that_exist() -> None:
    [command] = re.findall(r"^ExecStart=\S+ app\.py (.+)$", DOCUMENT, re.MULTILINE)
    assert flags().parse_args(command.split()).auth_file is not None


def test_every_flag_that_is_named_exists() -> None:
    named = set(re.findall(r"--[a-z][a-z-]+", WITHOUT_SHELL))
    assert {"--auth-file", "--insecure", "--root-path"} <= named
    assert named <= set(re.findall(r"--[a-z][a-z-]+", flags().format_help()))


def test_the_proxy_takes_what_the_page_takes() -> None:
    [limit] = re.findall(r"client_max_body_size (\d+)g;", DOCUMENT)
    default = flags().parse_args([])
    assert default.max_file_size == MAX_FILE_SIZE
    assert int(limit) * 1024 > 10 * MAX_FILE_SIZE, "a triage's files come in one request"
    ports = re.findall(r"proxy_pass http://127\.0\.0\.1:(\d+)", DOCUMENT)
    assert ports
    assert set(ports) == {str(default.port)}


def test_the_cache_is_emptied_when_it_says() -> None:
    every, age = (seconds // 60 for seconds in CACHE_SECONDS)
    assert f"{age} to {age + every} minutes have passed" in DOCUMENT
