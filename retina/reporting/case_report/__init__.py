"""Case reports: an A4 page on one photograph, as PDF and as HTML."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from retina.assessment import Assessment
from retina.files import replacing, write_text
from retina.reporting.case_report.page import CasePage, case_page
from retina.reporting.case_report.pictures import CasePictures, Picture, case_pictures
from retina.reporting.figures import text_on
from retina.reporting.formatting import template

if TYPE_CHECKING:
    from retina.models.checkpoint import Checkpoint
    from retina.reporting.case_report.pdf import CasePageAndPictures


def _now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True)
class CaseReport:
    """The report on a photograph, with the same text as PDF and as HTML.

    The only name in it is ``name``; the name of the file is left out.

    Args:
        assessment: The assessment of the photograph.
        checkpoint: The model that made the assessment.
        photograph: The photograph: RGB, upright, of any size.
        overlay: The heatmap over the image, from ``Grader.overlay``; None if the photograph was
            not graded.
        name: Name or number of the patient; if empty, the report has a space to write it in.
        made: Time of the report, by default now; local time if it has no time zone.

    Raises:
        SettingsError: The name is too long.

    Example:
        >>> overlay = grader.overlay(photograph, assessment)             # doctest: +SKIP
        >>> report = CaseReport(                                    # doctest: +SKIP
        ...     assessment, grader.checkpoint, photograph.image, overlay, name="Case 17"
        ... )
        >>> report.to_pdf()                                         # doctest: +SKIP
    """

    assessment: Assessment
    checkpoint: "Checkpoint"
    photograph: Image.Image
    overlay: Image.Image | None
    name: str = ""
    made: datetime = field(default_factory=_now)
    page: CasePage = field(init=False)

    def __post_init__(self) -> None:
        made = self.made if self.made.tzinfo else self.made.astimezone()
        object.__setattr__(self, "made", made)
        page = case_page(self.assessment, self.checkpoint, name=self.name, made=made)
        object.__setattr__(self, "page", page)

    @cached_property
    def pictures(self) -> CasePictures:
        """The images of the report."""
        return case_pictures(self.photograph, self.overlay)

    def to_pdf(self) -> bytes:
        """Return the report as a PDF file; deterministic."""
        return reports_pdf([self])

    def to_html(self) -> str:
        """Return the report as a self-contained HTML page, which prints on one A4 page."""
        return reports_html([self])

    def write(self, folder: Path, stem: str) -> None:
        """Write ``STEM.pdf`` and ``STEM.html``, each atomically.

        Raises:
            OSError: A file cannot be written.
        """
        with replacing(folder / f"{stem}.pdf") as temporary:
            temporary.write_bytes(self.to_pdf())
        write_text(folder / f"{stem}.html", self.to_html())


def reports_pdf(reports: Sequence[CaseReport]) -> bytes:
    """Return reports, such as on both eyes of a patient, as one PDF file with a page each."""
    from retina.reporting.case_report.pdf import case_pdf

    return case_pdf(_cases(reports), max(report.made for report in reports))


def reports_html(reports: Sequence[CaseReport]) -> str:
    """Return reports as one HTML page, which prints each on an A4 page."""
    from retina.reporting.case_report.pdf import fitting_sizes, size_of_letters

    page = template("retina.reporting", "case_report.html")
    cases = _cases(reports)
    shown = [
        (*case, size, size_of_letters(size))
        for case, size in zip(cases, fitting_sizes(cases), strict=True)
    ]
    return page.render(cases=shown, address=_address, ink=text_on)


def _cases(reports: Sequence[CaseReport]) -> "list[CasePageAndPictures]":
    return [(report.page, report.pictures) for report in reports]


def _address(picture: Picture) -> str:
    data = base64.b64encode(picture.data).decode("ascii")
    return f"data:image/{picture.kind};base64,{data}"
