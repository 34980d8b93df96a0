"""A patient's number becomes a name that pairs two eyes and says nothing else.

Patients' numbers are short. Whoever has the plain SHA-256 of one finds the number in seconds, by
hashing them all. So the hash is keyed (HMAC, RFC 2104), and the key never leaves the machine: 32
random bytes in the user's cache folder, readable by this user only. One patient has one pseudonym
in all that this user grades there, today, after a restart and next year, and another one elsewhere.
Who deletes the key, or the folder, breaks the link for good; who copies it can guess again.
"""

import hmac
import os
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from retina.files import user_cache_folder

KEY_FILE = "patients.key"
_KEY_BYTES = 32
_DIGITS = 16
_lock = Lock()


def pseudonym(identity: bytes) -> str:
    """16 hexadecimal digits: the first 64 bits of an HMAC-SHA-256.

    Args:
        identity: What tells one patient from all others.
    """
    with _lock:
        key = _key(user_cache_folder() / KEY_FILE)
    return hmac.digest(key, identity, "sha256").hex()[:_DIGITS]


@cache
def _key(path: Path) -> bytes:
    """The key in ``path``, made if there is none; where it cannot be kept, one for this process."""
    fresh = secrets.token_bytes(_KEY_BYTES)
    with suppress(OSError):
        if path.exists() and path.stat().st_size != _KEY_BYTES:
            path.unlink()
        if not path.exists():
            _make(path, fresh)
        return path.read_bytes()
    return fresh


def _make(path: Path, key: bytes) -> None:
    """Write the key whole, unless another process was quicker: then its key stays.

    Raises:
        OSError: the disk refused.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:  # which only this user may enter
        temporary = Path(folder, KEY_FILE)
        temporary.touch(mode=0o600)
        temporary.write_bytes(key)
        with suppress(FileExistsError):
            os.link(temporary, path)  # a rename would take the place of another's key
