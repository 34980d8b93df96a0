"""The strings of the Triage tab."""

from collections import Counter
from collections.abc import Sequence

from retina.inference.sources import Found
from retina.inference.warnings import close_call
from retina.inference.worklist import (
    REFERABLE,
    REST,
    SIGHT_THREATENING,
    UNGRADABLE,
    UNSURE,
    URGENCIES,
    Row,
)
from retina.scale import NUM_GRADES, REFERABLE_FROM, SIGHT_THREATENING_FROM

TAB = "Triage"
UPLOAD_MANY = "Many photographs, a folder, or a ZIP of them"
BUTTON = "Grade all"
BUTTON_STOP = "Stop"
NO_PHOTOGRAPHS = "There are no photographs yet: choose some, or a ZIP of them."
FOLDER = "Choose a folder"
LOOSE = (
    "Photographs that were chosen one by one do not tell in which folder they lie, so eyes were "
    "paired by name alone. Where two folders share names, choose the folder that holds both, or a "
    "ZIP of it."
)

URGENCY_NAMES = {
    SIGHT_THREATENING: "Sight-threatening",
    REFERABLE: "Referable",
    UNSURE: "Unsure",
    UNGRADABLE: "Ungradable",
    REST: "The rest",
}
MEANINGS = {
    SIGHT_THREATENING: f"grade {SIGHT_THREATENING_FROM} or above, or as likely as not",
    REFERABLE: f"grade {REFERABLE_FROM} or above at the model’s referral threshold",
    UNSURE: "close to that threshold, or to another grade",
    UNGRADABLE: "too poor, or unreadable: take it again; ungradable twice means refer",
    REST: "none of these",
}
LEGEND = "In order of urgency: " + "; ".join(
    f"{URGENCY_NAMES[each].lower()} ({MEANINGS[each]})" for each in URGENCIES
)
NOT_CLEARED = "What stands last was not cleared: it is what this model would look at last."
REFERABLE_ALL_THE_SAME = (
    f"{{}} is the likeliest grade, but grade {REFERABLE_FROM} or above is likely enough to refer."
)
SHOW = "Show"
FIND = "Find by name"
SORT = "Sort by"
SORTS = {
    "order": "urgency, a patient’s eyes together",
    "name": "name",
    "grade": "grade, highest first",
    "referable": "probability of referable disease",
}
DOWNLOAD = "Download CSV"
TABLE = "Worklist: click a photograph to open it on the Grade tab"
HEADS = ("Photograph", "Urgency", "Grade", "Referable", "Notes")
NONE_SHOWN = "No photograph is like this."
GONE = (
    "This photograph is no longer here: what is uploaded is deleted after a while. Choose the "
    "photographs again."
)


def every(count: int) -> str:
    """The filter that hides nothing."""
    return f"All {count:,}"


def filter_name(urgency: str, count: int) -> str:
    """A filter, and how many photographs it leaves."""
    return f"{URGENCY_NAMES[urgency]} {count:,}"


def none_found(endings: Sequence[str], left_out: str) -> str:
    """There is nothing to grade."""
    return f"There is no photograph among them: nothing ends in {', '.join(endings)}. {left_out}"


def waiting(others: int) -> str:
    """How many triages are before one's own."""
    if others == 1:
        return "Another triage is running; yours starts after it."
    return f"{others:,} triages are before yours; it starts after them."


def remarks(rows: Sequence[Row], found: Found) -> str:
    """What was left out, and what could not be known."""
    patients = [row["patient"] for row in rows]
    paired = found.loose and len(set(patients)) < len(patients)
    return f"{found.left_out} {LOOSE * paired}".strip()


def notes(row: Row) -> str:
    """What is particular to this photograph; what holds for the model stands on the Grade tab."""
    if row["error"] or row["grade"] is None:
        return str(row["error"] or row["reasons"])
    sentences = [row["reasons"], close_call([row[f"p{grade}"] for grade in range(NUM_GRADES)])]
    if row["referable"] and row["grade"] < REFERABLE_FROM:
        sentences.append(REFERABLE_ALL_THE_SAME.format(row["label"]))
    return " ".join(sentence for sentence in sentences if sentence)


def triage_progress(rows: Sequence[Row], count: int, seconds: float) -> str:
    """How far it has come, what was found, and how long it may take from here."""
    done = len(rows)
    sentence = f"{done:,} of {count:,} photographs are graded"
    left = seconds / done * (count - done) if done else 0
    if done and left >= 1:
        sentence += f", about {_duration(left)} left"
    return f"{sentence}. {_found(rows)}".strip()


def worklist_summary(rows: Sequence[Row], count: int, model: str, sha256: str) -> str:
    """What was done, by which model, and whether all of it."""
    by = f"by {model} (weights {sha256[:12]})"
    if len(rows) < count:
        return f"Stopped: {len(rows):,} of {count:,} photographs were graded {by}. {_found(rows)}"
    photographs = "1 photograph" if count == 1 else f"{count:,} photographs"
    return f"{photographs} graded {by}. {_found(rows)}"


def _found(rows: Sequence[Row]) -> str:
    counts = Counter(row["urgency"] for row in rows)
    found = [
        f"{counts[each]:,} {URGENCY_NAMES[each].lower()}" for each in URGENCIES[:-1] if counts[each]
    ]
    return f"{', '.join(found).capitalize()}." if found else ""


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
