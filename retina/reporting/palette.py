"""The colours of the figures, on a light page and on a dark one."""

from typing import Any

from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

INK, GREY, FAINT, PAPER = "#1a1a1a", "#6b7480", "#d9dde2", "#ffffff"
RUN_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")

# What stands for each colour on a dark page. Text on the cells of a matrix has colours of its own,
# which are not among them.
DARK = {
    INK: "#e8eaed",
    GREY: "#a3acb7",
    FAINT: "#3d444d",
    PAPER: "#1a1e23",
    "#0072b2": "#56b4e9",
    "#d55e00": "#f08c4a",
    "#009e73": "#3cc79c",
    "#cc79a7": "#e3a3c6",
}
CELL_INK, CELL_PAPER = "#16202b", "#fdfdfd"
_BLACK, _WHITE = "#000000", "#ffffff"


def in_the_dark(figure: Figure) -> Figure:
    """Recolour a figure of this module, in place, for a dark page that shines through it."""
    figure.set_layout_engine("none")  # what was drawn before stays in its place
    figure.patch.set_alpha(0.0)
    for axes in figure.axes:
        axes.patch.set_alpha(0.0)
        axes.tick_params(labelcolor=DARK[INK])
        for image in axes.images:
            image.set_alpha(0.88)
        for bar in axes.patches:
            bar.set_facecolor(_dark(bar.get_facecolor()))
    for artist in figure.findobj(_has_colour):
        if isinstance(artist, LineCollection):
            artist.set_color([_dark(colour) for colour in artist.get_color()])
        elif isinstance(artist, Text | Line2D):
            artist.set_color(_dark(artist.get_color()))
        if isinstance(artist, Line2D):
            artist.set_markeredgecolor(_dark(artist.get_markeredgecolor()))
    return figure


def text_on(background: str) -> str:
    """Black or white, whichever contrasts more with a background; always 4.5 : 1 or more.

    Args:
        background: ``#rrggbb``.
    """
    luminance = relative_luminance(background)
    black_contrast = (luminance + 0.05) / 0.05
    white_contrast = 1.05 / (luminance + 0.05)
    return _BLACK if black_contrast >= white_contrast else _WHITE


def relative_luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, of an sRGB colour ``#rrggbb``, as WCAG 2.2 defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _dark(colour: Any) -> str:
    return DARK.get(to_hex(colour), to_hex(colour))


def _has_colour(artist: Artist) -> bool:
    return isinstance(artist, Text | Line2D | LineCollection)
