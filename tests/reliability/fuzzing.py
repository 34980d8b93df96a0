"""Valid files spoilt by Hypothesis, and what calls a reader with them."""

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Spoilt = TypeVar("Spoilt")

FEW_AND_MANY = pytest.mark.parametrize("examples", [12, pytest.param(500, marks=pytest.mark.long)])

_NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([5, -1, 10**400, 2**63, float("nan"), True])
)
ANY_JSON = st.recursive(
    st.one_of(st.none(), _NUMBERS, st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_LENGTHS = (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff")
_CELLS = st.one_of(
    st.sampled_from(["", "5", "-1", "NaN", "inf", "1e999", "9" * 400, '"', "'", "\0", "\r", "\n"]),
    st.sampled_from([",", ";", "\t", "=1+1", "2.0", "Moderate", "../../x.jpg", "train", "true"]),
    st.text(max_size=8),
)


def fuzz(
    strategy: st.SearchStrategy[Spoilt],
    check: Callable[[Spoilt], None],
    examples: int,
) -> None:
    """Call ``check`` with so many cases.

    The same ones each time; a failing one is made small before it is shown, and then belongs into
    the tests of what it breaks.
    """
    held = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    held(given(strategy)(lambda case: check(case)))()


@st.composite
def spoilt_bytes(draw: st.DrawFn, files: Sequence[bytes]) -> bytes:
    """One of the files with up to three places overwritten, taken out, said again or cut off."""
    data = bytearray(draw(st.sampled_from(list(files))))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        end = start + draw(st.integers(0, 64))
        match draw(st.sampled_from(["set", "bit", "out", "again", "cut", "length"])):
            case "set":
                data[start:end] = draw(st.binary(max_size=8))
            case "bit" if data:
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "out":
                del data[start:end]
            case "again":
                data[start:start] = data[start:end]
            case "cut":
                del data[start:]
            case _:
                data[start : start + 4] = draw(st.sampled_from(_LENGTHS))
    return bytes(data)


@st.composite
def spoilt_json(draw: st.DrawFn, valid: Any) -> Any:
    """A JSON value with one to three of the values in it replaced or taken out."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        inside = value
        while True:
            keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            deeper = isinstance(inside[key], dict | list)
            if deeper and draw(st.integers(0, 3)):
                inside = inside[key]
            elif draw(st.booleans()):
                inside[key] = draw(ANY_JSON)
                break
            else:
                del inside[key]
                break
    return value


def json_files(valid: Any) -> st.SearchStrategy[bytes]:
    """Such values as files; some are no longer JSON at all."""
    text = json.dumps(valid).encode()
    return st.one_of(
        spoilt_json(valid).map(lambda value: json.dumps(value).encode()),
        ANY_JSON.map(lambda value: json.dumps(value).encode()),
        spoilt_bytes([text]),
        st.sampled_from([b"", b"[" * 100_000, b"\xff\xfe{\0}\0", b"\xef\xbb\xbf" + text, b"\0"]),
    )


@st.composite
def spoilt_tables(draw: st.DrawFn, *valid: str) -> bytes:
    """A table with cells, lines, delimiters, line ends and encodings changed."""
    text = draw(st.sampled_from(valid))
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.integers(0, len(rows) - 1))
        match draw(st.sampled_from(["cell", "cell", "cell", "out", "again", "more", "fewer"])):
            case "cell" if rows[row]:
                rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(_CELLS)
            case "out" if len(rows) > 1:
                del rows[row]
            case "again":
                rows.append(list(rows[row]))
            case "more":
                rows[row].append(draw(_CELLS))
            case _:
                rows[row] = rows[row][:-1]
    delimiter = draw(st.sampled_from([",", ",", ",", ";", "\t", "|"]))
    ends = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\r\n"]))
    encoding = draw(st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "utf-16", "latin-1"]))
    table = ends.join(delimiter.join(row) for row in rows)
    return table.encode(encoding, errors="replace")


def table_files(*valid: str) -> st.SearchStrategy[bytes]:
    """Such tables as files; some are no longer tables at all."""
    files = [text.encode() for text in valid]
    return st.one_of(
        spoilt_tables(*valid), spoilt_bytes(files), st.sampled_from([b"", b"\0", b"\n", b'"'])
    )
