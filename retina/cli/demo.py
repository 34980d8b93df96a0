"""``app.py`` and ``retina demo``."""

HELP = "Open the page in the browser."
