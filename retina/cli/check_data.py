"""``retina check-data``: find what is wrong with a data folder before training on it."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retina.cli.exit_status import DONE, printable
from retina.cli.flags import add_folders
from retina.reporting.formatting import counted

if TYPE_CHECKING:
    from retina.datasets.check import Alike, BothCheck, FolderCheck

HELP = "Check data folders for leaks, conflicting labels, damaged files and overlap."

_SHOWN = 5
_FAULTS = {
    "no picture": "whose photograph is missing",
    "no name": "without the name of a photograph",
    "no grade": "without a grade from 0 to 4",
    "ungradable": "marked as ungradable",
    "ambiguous": "whose name fits several photographs",
    "contradicted": "contradicted by another row for the same photograph",
    "repeated": "repeated",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_folders(parser, Path)
    parser.add_argument(
        "--json", action="store_true", help="print JSON, with every finding, instead of a summary"
    )


def run(options: argparse.Namespace) -> int:
    """Check and print; findings are no error, so the exit status is 0."""
    from retina.datasets.check import check_data
    from retina.errors import SettingsError

    given = [*options.folders, *options.data]
    if not given:
        raise SettingsError("there is nothing to check: name a data folder")
    folders, both = check_data(given)
    pairs = [*zip(combinations(folders, 2), both, strict=True)]
    if options.json:
        answer: dict[str, Any] = {
            "folders": [{"verdict": check_verdict(folder), **asdict(folder)} for folder in folders],
            "both": asdict(both[0]) if len(both) == 1 else None,
        }
        if len(both) > 1:
            answer["pairs"] = [
                {"folders": [folder.name for folder in two], **asdict(found)}
                for two, found in pairs
            ]
        json.dump(answer, sys.stdout, indent=2, allow_nan=False)
        print()
        return DONE
    sections = [_both(found, two) for two, found in pairs]
    sections += [_folder(folder) for folder in folders]
    print("\n\n".join("\n".join(map(printable, section)) for section in sections))
    return DONE


def check_verdict(folder: "FolderCheck") -> str:
    """Summarise the findings of a folder in one line."""
    across = _across_parts(folder.near_identical)
    conflicts = [group for group in folder.identical if group.conflicting]
    leaks = []
    if folder.split and folder.split.shared_patients:
        leaks.append(
            f"{folder.split.shared_test_share:.0%} of its test photographs are of patients who are "
            "in another split too"
        )
    if across:
        leaks.append(f"{counted(across, 'near-identical pair')} in different splits")
    notes = [
        f"{counted(number, thing)}{rest}"
        for number, thing, rest in (
            (len(conflicts), "group", " of identical photographs with conflicting grades"),
            (len(folder.identical) - len(conflicts), "other group", " of identical photographs"),
            (len(folder.near_identical) - across, "other near-identical pair", ""),
            (len(folder.unreadable), "unreadable photograph", ""),
            *((len(rows), "row", f" {_FAULTS[fault]}") for fault, rows in folder.faults.items()),
            (len(folder.unlabelled), "photograph", " without a label"),
        )
        if number
    ]
    if leaks:
        return f"leaks: {'; '.join(leaks + notes)}"
    return f"no leak, but {'; '.join(notes)}" if notes else "no problems found"


def _folder(folder: "FolderCheck") -> Iterator[str]:
    from retina.scale import LABELS

    yield f"{folder.name}: {folder.format}, {folder.rows:,} rows, {folder.pictures:,} photographs"
    yield f"Verdict: {check_verdict(folder)}"
    if folder.split:
        yield from ("", f"Split ({'its own' if folder.split.given else 'by patient, seed 0'})")
        yield "  " + ", ".join(f"{part} {size:,}" for part, size in folder.split.sizes.items())
        yield (
            f"  {counted(folder.split.shared_patients, 'patient')} in more than one split; "
            f"{folder.split.shared_test_share:.0%} of the test photographs are of them"
            if folder.split.shared_patients
            else "  no patient is in more than one split"
        )
    elif folder.rows:
        yield from ("", "Split", "  none: too few patients")
    if folder.pictures:
        yield from _pictures_alike(folder.identical, folder.near_identical)
    yield from ("", "Labels")
    for fault, rows in folder.faults.items():
        yield f"  {counted(len(rows), 'row')} {_FAULTS[fault]}"
        yield from _some(f"{image_id or '(no name)'} ({written})" for image_id, written in rows)
    yield f"  {counted(len(folder.unlabelled), 'photograph')} without a label"
    yield from _some(folder.unlabelled)
    if folder.rows:
        yield from ("", "Grades")
        total = max(1, sum(folder.grades))
        for grade, count in enumerate(folder.grades):
            yield f"  {grade} {LABELS[grade]:<18}{count:>8,}{count / total:>7.1%}"
    yield from ("", "Photographs")
    yield f"  {len(folder.unreadable):,} unreadable"
    yield from _some(folder.unreadable.values())
    for width, height, count in folder.sizes[:_SHOWN]:
        yield f"  {width} x {height} pixels: {count:,}"
    if folder.sizes[_SHOWN:]:
        rest = folder.sizes[_SHOWN:]
        yield f"  {len(rest):,} other sizes: {sum(count for _, _, count in rest):,}"


def _both(both: "BothCheck", folders: "Sequence[FolderCheck]") -> Iterator[str]:
    first, second = (folder.name for folder in folders)
    held = {
        "identical photograph": both.identical,
        "near-identical pair": both.near_identical,
        "patient name": both.shared_patients,
        "photograph name": both.shared_ids,
    }
    found = [counted(len(things), thing) for thing, things in held.items() if things]
    yield f"{first} and {second}"
    yield f"Verdict: {'both hold ' + '; '.join(found) if found else 'no overlap'}"
    yield from _pictures_alike(both.identical, both.near_identical)
    yield from ("", "Names in both")
    for names, thing in ((both.shared_patients, "patient"), (both.shared_ids, "photograph")):
        yield f"  {counted(len(names), thing)}"
        yield from _some(names)


def _pictures_alike(
    identical: "tuple[Alike, ...]", near_identical: "tuple[Alike, ...]"
) -> Iterator[str]:
    yield from ("", "Identical photographs (after decoding)")
    files = sum(len(group.pictures) for group in identical)
    conflicts = sum(group.conflicting for group in identical)
    yield (
        f"  {counted(len(identical), 'group')} of {counted(files, 'file')}, {conflicts:,} with "
        "conflicting grades"
        if identical
        else "  none"
    )
    yield from _some(map(_names, identical))
    yield from ("", "Near-identical photographs")
    conflicts = sum(pair.conflicting for pair in near_identical)
    yield (
        f"  {counted(len(near_identical), 'pair')}, {conflicts:,} with conflicting grades, "
        f"{_across_parts(near_identical):,} in different splits"
        if near_identical
        else "  none"
    )
    yield from _some(f"{pair.correlation:.2f}  {_names(pair)}" for pair in near_identical)


def _across_parts(pairs: "tuple[Alike, ...]") -> int:
    parts = [{picture.part for picture in pair.pictures} - {None} for pair in pairs]
    return sum(len(found) > 1 for found in parts)


def _names(group: "Alike") -> str:
    return ", ".join(
        picture.image_id
        + ("" if picture.grade is None else f" ({picture.grade})")
        + (f" in {picture.part}" if picture.part else "")
        for picture in group.pictures
    )


def _some(things: Iterable[str]) -> Iterator[str]:
    for number, thing in enumerate(things := list(things)):
        if number == _SHOWN:
            yield f"    ... and {len(things) - _SHOWN:,} more (--json lists them)"
            return
        yield f"    {thing}"
