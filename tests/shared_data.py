"""Where the real photographs lie, for the tests that use them; absent in most checkouts."""

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(
    os.environ.get("RETINA_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
)

needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason=f"the real photographs are not at {SHARED_DATA}"
)
