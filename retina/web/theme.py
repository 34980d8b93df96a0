"""How the page looks: a calm theme of our own for an office (light) and a reading room (dark)."""

from pathlib import Path

from gradio.themes import Base, colors, sizes

_ASSETS = Path(__file__).parent / "assets"
STYLESHEETS = tuple(_ASSETS / name for name in ("page.css", "models.css", "triage.css"))

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "Consolas", "monospace")


def page_theme() -> Base:
    """The theme: system fonts only, so that no font is ever fetched from elsewhere."""
    theme = Base(
        primary_hue=colors.cyan,
        secondary_hue=colors.cyan,
        neutral_hue=colors.slate,
        text_size=sizes.text_md,
        spacing_size=sizes.spacing_md,
        radius_size=sizes.radius_md,
        font=_SANS,
        font_mono=_MONO,
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="#0d1420",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="white",
        block_background_fill_dark="#152033",
        block_border_color="*neutral_200",
        block_border_color_dark="#26344d",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_800",
        button_primary_background_fill_hover="*primary_900",
        button_primary_background_fill_dark="#5fb3c9",
        button_primary_background_fill_hover_dark="#8fcbdb",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        color_accent="*primary_700",
        border_color_accent_dark="*primary_400",
        link_text_color="*primary_800",
        link_text_color_dark="*primary_300",
    )


def page_script() -> str:
    """What moves on the page, for its head."""
    scripts = (_ASSETS / name for name in ("page.js", "triage.js"))
    return "".join(f"<script>{each.read_text(encoding='utf-8')}</script>" for each in scripts)


def shade(share: float) -> str:
    """The background of a cell of a confusion matrix: darker blue for a larger share, 0 to 1."""
    pale, deep = (244, 247, 251), (8, 69, 148)
    mixed = (round(p + share * (d - p)) for p, d in zip(pale, deep, strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)
