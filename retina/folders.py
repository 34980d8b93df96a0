"""Where files lie: this user's, and this program's own."""

import os
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
"""Where the package lies: a clone of the repository, or what a wheel was installed into."""

_IN_A_CLONE = (CLONE / "train.py").is_file()
TRAIN = "python train.py" if _IN_A_CLONE else "retina train"
"""How one trains here, for sentences that say so."""
DEMO = "python app.py" if _IN_A_CLONE else "retina demo"
"""How one opens the page here."""


def user_cache_folder() -> Path:
    """Where this user's caches lie: ``RETINA_CACHE``, or the platform's folder for caches."""
    if chosen := os.environ.get("RETINA_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "retina"
