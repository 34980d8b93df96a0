import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library alone")

PAGE_FAULTS = """
import resource, torch
from retina.process import keep_freed_memory
{call}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(2**24)
before = faults()
for _ in range(5):
    torch.ones(2**24)
print(faults() - before)
"""


def test_freed_memory_is_kept() -> None:
    given_back, kept = (
        int(subprocess.check_output([sys.executable, "-c", PAGE_FAULTS.format(call=call)]))
        for call in ("", "assert keep_freed_memory()")
    )
    assert given_back > 5 * 1000
    assert kept < 100


HEAPS = """
import sys, threading
from retina.process import share_freed_memory
{call}
together = threading.Barrier(9)
def hold():
    held = [bytes(1000) for _ in range(1000)]
    together.wait()
    together.wait()
threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
together.wait()
# Each heap beside the first lies in a mapping of its own that begins at a multiple of 64 MiB.
print(sum(int(line.split("-")[0], 16) % 2**26 == 0 for line in open("/proc/self/maps")))
together.wait()
"""


@pytest.mark.skipif(sys.platform != "linux" or sys.maxsize < 2**32, reason="64 bits of Linux")
def test_threads_share_heaps() -> None:
    of_its_own, shared = (
        int(subprocess.check_output([sys.executable, "-c", HEAPS.format(call=call)]))
        for call in ("", "assert share_freed_memory()")
    )
    assert of_its_own > 4
    assert shared <= 2
