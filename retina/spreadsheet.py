"""CSV that is safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# At the start, or after what a spreadsheet of another country takes for the end of a cell.
_FORMULA = re.compile(r"(^|[;\t\n])(?=\s*[=+\-@＝＋－＠]|[\t\r])")
_APOSTROPHE = re.compile(_FORMULA.pattern.replace(")(?=", ")'(?=", 1))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV, in which no cell can run as a formula.

    A carriage return, which Python's writer leaves unquoted and its reader then refuses, becomes a
    space.

    Args:
        columns: The header, in order.
        rows: Each with a value for every column; None is an empty cell.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _safe(row[name]) for name in columns})
    return text.getvalue()


def no_formula(text: str) -> str:
    """A text in which no formula begins (OWASP, "CSV Injection").

    What would begin one gets an apostrophe before it, also after a semicolon or tab, where
    spreadsheets of some countries begin a cell.
    """
    return _FORMULA.sub(r"\1'", text)


def with_formulas(text: str) -> str:
    """A text as it was before ``no_formula``."""
    return _APOSTROPHE.sub(r"\1", text)


def _safe(value: object) -> object:
    return no_formula(value).replace("\r", " ") if isinstance(value, str) else value
