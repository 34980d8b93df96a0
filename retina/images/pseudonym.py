"""A patient's number becomes a name that pairs two eyes and says nothing else.

Patients' numbers are short. Whoever has the plain SHA-256 of one finds the number in seconds, by
hashing them all. So the hash is keyed (HMAC, RFC 2104), and the key never leaves the machine: 32
random bytes in the user's cache folder, readable by this user only. One patient has one pseudonym
in all that this user grades there, today, after a restart and next year, and another one elsewhere.
Who deletes the key, or the folder, breaks the link for good; who copies it can guess again.
"""

import hmac
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock

from retina.atomic import replacing
from retina.folders import user_cache_folder

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
        if not path.exists() or path.stat().st_size != _KEY_BYTES:
            with replacing(path) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_bytes(fresh)
        return path.read_bytes()
    return fresh
