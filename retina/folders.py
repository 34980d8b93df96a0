"""Where this user's files lie."""

import os
import sys
from pathlib import Path


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
