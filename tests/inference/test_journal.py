from pathlib import Path

import pytest

from retina.errors import SettingsError
from retina.inference.journal import journal_of, read_journal, writing_journal
from retina.inference.sources import Source
from retina.inference.worklist import Row, failed_row


def source(name: str, stamp: str = "1-1") -> Source:
    return Source(name, stamp, Path(name).open)  # type: ignore[arg-type]


def row(name: str) -> Row:
    return failed_row(name, "It is cut off.", "small", "a" * 64)


def write(journal: Path, *names: str) -> None:
    with writing_journal(journal) as add:
        for name in names:
            add(source(name), row(name))


def images(journal: Path) -> list[str]:
    return [row["image"] for _, row in read_journal(journal)]


def test_it_gives_back_what_was_added_in_that_order(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "new" / "worklist.csv")
    assert read_journal(journal) == []
    write(journal, "b.png", "ä.png")
    write(journal, "a.png", "b.png")
    assert images(journal) == ["b.png", "ä.png", "a.png", "b.png"]
    assert read_journal(journal)[0] == ("1-1", row("b.png"))
    assert journal.name == ".worklist.csv.unfinished"


def test_a_line_that_a_kill_cut_off_spoils_no_other(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write(journal, "a.png", "b.png")
    journal.write_bytes(journal.read_bytes()[:-20])
    assert images(journal) == ["a.png"]
    write(journal, "c.png")
    assert images(journal) == ["a.png", "c.png"]


def test_two_cannot_write_one_journal(tmp_path: Path) -> None:
    journal = tmp_path / ".worklist.csv.unfinished"
    with writing_journal(journal) as add:
        add(source("a.png"), row("a.png"))
        with pytest.raises(SettingsError, match="another triage or watch"):
            write(journal, "b.png")
        assert images(journal) == ["a.png"], "it can be read meanwhile"
    write(journal, "c.png")
    assert images(journal) == ["a.png", "c.png"]


def test_what_is_no_record_of_today_is_passed_over(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write(journal, "a.png")
    with journal.open("ab") as file:
        file.write(b'[]\n7\n{"row": {"image": "old.png"}, "stamp": "1-1"}\n{"stamp": "1-1"}\n')
        file.write(b"\xff\n")
    assert images(journal) == ["a.png"]
