"""What goes wrong in a loader's worker, said as if there were no worker."""

from collections.abc import Iterator
from contextlib import contextmanager

from retina.errors import InputError


@contextmanager
def in_own_words() -> Iterator[None]:
    """Take the loader's words, and the worker's traceback, off what is raised in the block.

    Raises:
        InputError: A photograph cannot be used; of the kind that the worker raised.
        ChildProcessError: A worker has died.
        OSError: The worker could not read or write.
    """
    try:
        yield
    except (InputError, OSError) as error:
        if not str(error).startswith("Caught "):
            raise
        _, _, words = str(error).rpartition(f"{type(error).__qualname__}: ")
        raise type(error)(words.strip()) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ChildProcessError(
            "a process that prepares photographs was ended from outside, most often for want of "
            "memory; go on with --resume and fewer --workers, the last good state is kept"
        ) from None
