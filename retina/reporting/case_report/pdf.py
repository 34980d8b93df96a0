"""Case reports as PDF: an A4 page each, with searchable text.

If the text does not fit, images, spaces and letters are made smaller, letters down to ``SMALLEST``;
``case_page`` limits the text so that this is enough.
"""

import io
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import matplotlib
from fpdf import FPDF

from retina.reporting.case_report.page import CasePage, Passage
from retina.reporting.case_report.pictures import CasePictures, Picture
from retina.reporting.figures import FAINT, GREY, INK, text_on

BY_HAND = "(not in the font of this PDF: write it by hand, or print the HTML report)"

SMALLEST = 7.0
"""Smallest font size, in points."""

_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_FAMILY = "DejaVu"
_POINT = 25.4 / 72  # millimetres
_ROUNDING = 0.01  # millimetres
_LEADING = 1.36

# Millimetres.
_PAGE_WIDTH, _X, _TOP, _END = 210.0, 16.0, 13.0, 285.0
_FULL = _PAGE_WIDTH - 2 * _X
_GAP = 8.0
_COLUMN = (_FULL - _GAP) / 2
_SECOND = _X + _COLUMN + _GAP
_PICTURE_HEIGHT = 68.0
_BAR_LABEL, _BAR_SHARE = 31.0, 13.0
_BROWSERS = 10.0  # extra space for browsers that print the HTML report
_TO_SIGN = 8.0  # smallest height of a line to write on

_SIZES = [0.96**step for step in range(1, 50)]

# Sizes of letters, in points.
_TITLE, _HEADLINE, _STRONG, _BODY, _SMALL = 14.0, 20.0, 10.5, 8.6, 7.4


CasePageAndPictures = tuple[CasePage, CasePictures]
"""The text and images of a report."""


def case_pdf(cases: Sequence[CasePageAndPictures], made: datetime) -> bytes:
    """Draw case reports, a page each; the file is the same for the same arguments.

    Args:
        cases: The reports.
        made: Written into the file; with its time zone.
    """
    pdf = _blank()
    pdf.set_creation_date(made)
    for (page, pictures), size in zip(cases, fitting_sizes(cases), strict=True):
        _Sheet(pdf, size).draw(page, pictures)
    return bytes(pdf.output())


def fitting_sizes(cases: Sequence[CasePageAndPictures]) -> list[float]:
    """For each report the size, 1 or less, at which all of it fits its page.

    It is the size of its pictures and spaces, and by ``size_of_letters`` of its letters.
    """
    trial = _blank()

    def fitting(page: CasePage, pictures: CasePictures) -> float:
        def fits(size: float) -> bool:
            spare = _ROUNDING if size == 1 else -_BROWSERS
            return _Sheet(trial, size).draw(page, pictures) <= _END + spare

        return 1.0 if fits(1.0) else _SIZES[bisect_left(_SIZES[:-1], True, key=fits)]

    return [fitting(*case) for case in cases]


def size_of_letters(size: float) -> float:
    """Return the factor of font sizes on a page of a size, so that none is below ``SMALLEST``."""
    return max(size, SMALLEST / _SMALL)


def _blank() -> FPDF:
    pdf = FPDF(format="A4", unit="mm")
    pdf.alias_nb_pages("")  # A name that holds {nb} is to be printed as it is.
    pdf.set_title("Case report")
    pdf.set_lang("en-GB")
    pdf.set_auto_page_break(False)
    pdf.c_margin = 0
    for style, file in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        pdf.add_font(_FAMILY, style, _FONTS / file)
    return pdf


class _Sheet:
    """An A4 page that is drawn from the top down; positions and lengths are in millimetres."""

    def __init__(self, pdf: FPDF, size: float) -> None:
        self.pdf, self.size, self.letters = pdf, size, size_of_letters(size)
        self.pdf.add_page()

    def draw(self, page: CasePage, pictures: CasePictures) -> float:
        """Draw the page, and return where it would end if nothing were moved to the foot."""
        y = self._head(page)
        left = self._picture(pictures.photograph, page.photograph_caption, _X, y)
        if pictures.overlay is None:
            y = max(left, self._answer(page, _SECOND, y, _COLUMN)) + self._space(2)
        else:
            right = self._picture(pictures.overlay, page.heatmap_caption, _SECOND, y)
            right = self._scale(page, pictures.colour_bar, right)
            y = self._answer(page, _X, max(left, right) + self._space(3), _FULL)
        left = self._passages(page.left, _X, self._bars(page, _X, y, _COLUMN), _COLUMN)
        y = max(left, self._passages(page.right, _SECOND, y, _COLUMN))
        y = self._passages(page.below, _X, y, _FULL)
        y = self._record(page, y)
        self._spaces(page, y)
        return y + 2 * self._step

    def _head(self, page: CasePage) -> float:
        self._write(page.made, _X, _TOP + self._space(1.8), _FULL, _SMALL, colour=GREY, right=True)
        y = self._write(page.title, _X, _TOP, _FULL, _TITLE, "B")
        y = self._write(page.purpose, _X, y + self._space(0.5), _FULL, _BODY)
        y = self._rule(y + self._space(1.5), INK)
        return self._field(page.name_label, page.name, y + self._space(1.5)) + self._space(2)

    def _field(self, label: str, value: str, y: float) -> float:
        """Draw a line with a value, or to write on."""
        lower = y + self._space(0.75)
        self._write(label, _X, lower, _FULL, _SMALL, colour=GREY)
        x = _X + 32
        if self._can_show(value):
            y = self._write(value, x, y, _X + _FULL - x, _STRONG, "B")
        else:
            self._write(BY_HAND, x, lower, _X + _FULL - x, _SMALL, colour=GREY)
            y += self._line(_STRONG)
        return self._rule(y + self._space(0.5), FAINT)

    def _picture(self, picture: Picture, caption: str, x: float, y: float) -> float:
        height = min(self.size * _PICTURE_HEIGHT, _COLUMN * picture.height / picture.width)
        width = height * picture.width / picture.height
        self.pdf.image(io.BytesIO(picture.data), x, y, width, height, alt_text=caption)
        return self._write(caption, x, y + height + self._space(1), _COLUMN, _BODY, "B")

    def _scale(self, page: CasePage, bar: Picture, y: float) -> float:
        low, high = page.scale
        widths = [self._width(end, _SMALL) for end in page.scale]
        self._write(low, _SECOND, y, _COLUMN, _SMALL, colour=GREY)
        self._write(high, _SECOND, y, _COLUMN, _SMALL, colour=GREY, right=True)
        width = _COLUMN - sum(widths) - 4
        place = (_SECOND + widths[0] + 2, y + self._space(0.5), width, self.size * 2.6)
        self.pdf.image(io.BytesIO(bar.data), *place)
        y += self._line(_SMALL) + self._space(0.5)
        return self._write(page.heatmap_meaning, _SECOND, y, _COLUMN, _SMALL, colour=GREY)

    def _answer(self, page: CasePage, x: float, y: float, width: float) -> float:
        """Draw the headline, its meaning, and the verdict beside a vertical bar."""
        indent = 0.0
        if page.grade is not None:
            side = self._line(_HEADLINE)
            self.pdf.set_fill_color(page.grade.colour)
            self.pdf.rect(x, y, side, side, style="F", round_corners=True, corner_radius=side / 6)
            number = str(page.grade.number)
            middle = x + (side - self._width(number, _HEADLINE, "B")) / 2
            ink = text_on(page.grade.colour)
            self._write(number, middle, y, width, _HEADLINE, "B", colour=ink)
            indent = side + 3
        y = self._write(page.headline, x + indent, y, width - indent, _HEADLINE, "B")
        y = self._passages(page.main, x, y + self._space(1), width)
        top, indent = y, 4.0
        y = self._write(page.verdict.strong, x + indent, y, width - indent, _STRONG, "B")
        for index, line in enumerate(page.verdict.lines):
            points, colour = (_SMALL, GREY) if index else (_BODY, INK)
            y = self._write(line, x + indent, y, width - indent, points, colour=colour)
        self.pdf.set_fill_color(INK)
        self.pdf.rect(x, top, 1.2, y - top, style="F")
        return y + self._space(3)

    def _bars(self, page: CasePage, x: float, y: float, width: float) -> float:
        if not page.bars:
            return y
        y = self._write(page.bars_heading, x, y, width, _BODY, "B") + self._space(0.7)
        track = width - _BAR_LABEL - _BAR_SHARE
        for bar in page.bars:
            style = "B" if bar.grade == page.grade else ""
            label = f"{bar.grade.number} {bar.grade.label}"
            self._write(label, x, y, _BAR_LABEL, _BODY, style)
            self._write(bar.told, x, y, width, _BODY, style, right=True)
            height = self.size * 2.6
            top = y + (self._line(_BODY) - height) / 2
            for share, colour in ((1.0, FAINT), (bar.probability, bar.grade.colour)):
                self.pdf.set_fill_color(colour)
                self.pdf.rect(x + _BAR_LABEL, top, share * track, height, style="F")
            y += self._line(_BODY) + self._space(0.5)
        return y + self._space(1)

    def _passages(self, passages: tuple[Passage, ...], x: float, y: float, width: float) -> float:
        for passage in passages:
            for said in (passage.heading, passage.strong):
                if said:
                    y = self._write(
                        said, x, y, width, _BODY, "B" if said == passage.heading else ""
                    )
            for line in passage.lines:
                indent = 3.0 if passage.listed else 0.0
                if passage.listed:
                    self._write("•", x, y, width, _BODY)
                y = self._write(line, x + indent, y, width - indent, _BODY)
            y += self._space(2.2)
        return y

    def _record(self, page: CasePage, y: float) -> float:
        y = self._rule(y, FAINT) + self._space(1.2)
        for label, value in page.record:
            self._write(label, _X, y, _FULL, _SMALL, colour=GREY)
            y = self._write(value, _X + 42, y, _FULL - 42, _SMALL)
        return y

    @property
    def _step(self) -> float:
        """The height of a line to write on."""
        return max(self.size * 10, _TO_SIGN)

    def _spaces(self, page: CasePage, y: float) -> None:
        """Draw lines to fill in, at the foot of the page if there is room."""
        first, *rest = page.spaces
        y = max(y, _END - 2 * self._step)
        for labels in ([first], rest):
            y += self._step
            width = (_FULL - _GAP * (len(labels) - 1)) / len(labels)
            for number, label in enumerate(labels):
                x = _X + number * (width + _GAP)
                self._write(label, x, y - self._line(_SMALL), width, _SMALL, colour=GREY)
                self.pdf.set_draw_color(GREY)
                self.pdf.line(x, y, x + width, y)

    def _write(
        self,
        text: str,
        x: float,
        y: float,
        width: float,
        points: float,
        style: str = "",
        *,
        colour: str = INK,
        right: bool = False,
    ) -> float:
        """Write a paragraph, and return where it ends."""
        self.pdf.set_font(_FAMILY, style, self.letters * points)
        self.pdf.set_text_color(colour)
        self.pdf.set_xy(x, y)
        line = self._line(points)
        self.pdf.multi_cell(width, line, text, align="R" if right else "L", new_x="LEFT")
        return self.pdf.get_y()

    def _rule(self, y: float, colour: str) -> float:
        self.pdf.set_draw_color(colour)
        self.pdf.line(_X, y, _X + _FULL, y)
        return y

    def _width(self, text: str, points: float, style: str = "") -> float:
        self.pdf.set_font(_FAMILY, style, self.letters * points)
        return self.pdf.get_string_width(text)

    def _line(self, points: float) -> float:
        return self.letters * points * _POINT * _LEADING

    def _space(self, height: float) -> float:
        return self.size * height

    def _can_show(self, text: str) -> bool:
        """Whether the font has the letters, and they are written from left to right."""
        self._width(text, _STRONG, "B")
        letters = getattr(self.pdf.current_font, "cmap", {})
        return all(
            ord(letter) in letters and unicodedata.bidirectional(letter) not in ("R", "AL")
            for letter in text
        )
