"""A file that several processes write, one at a time."""

import os
import sys
import time

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BYTE = 1 << 40
"""What Windows locks: a byte that is never written, since locked ones cannot be read either."""

_LOOK_SECONDS = 0.02


def lock(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed, which the system does however this process ends.

    Args:
        descriptor: Of the file; where it stands is not changed.
        wait: Until another process has closed it.

    Returns:
        Whether it is locked now: not, if another process holds it and there is no waiting.

    Raises:
        OSError: The file system knows no locks.
    """
    while not _locked(descriptor):
        if not wait:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _locked(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            place = os.lseek(descriptor, 0, os.SEEK_CUR)
            os.lseek(descriptor, _BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, place, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
