"""Errors that the user can mend.

::

    InputError (a ValueError)
        ImageError             a file is no photograph that can be used
            MissingFile
            NotAPicture
            Truncated
            TooLarge
            TooSmall
            Unsupported
        DataError              a data folder or a table of labels
        CheckpointError        a checkpoint
        WeightsError           initial weights
        SettingsError          settings that contradict each other or are out of range
        TriageError            a folder or an archive of photographs to triage
        AuditError             the audit log

Anything else that is raised is a fault of this package.
"""


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one sentence that says what was wrong and how to mend it. The shell prints it
    behind ``error:`` and exits with status 2; the page shows it as it is. Subclasses tell
    callers what it was.
    """


class DataError(InputError):
    """A data folder, or a table in it, cannot be used."""


class CheckpointError(InputError):
    """A checkpoint is missing, incomplete or not what it says it is."""


class WeightsError(InputError):
    """Initial weights cannot be had, or do not fit the network."""


class SettingsError(InputError):
    """Settings contradict each other or lie outside their range."""


class TriageError(InputError):
    """A folder or archive cannot be triaged; the message says why and what to do."""


class AuditError(InputError):
    """The log cannot be read, or something cannot be recorded; the message says what to do."""


class ImageError(InputError):
    """A file cannot be used as a photograph."""


class MissingFile(ImageError):  # noqa: N818
    """There is no such file."""


class NotAPicture(ImageError):  # noqa: N818
    """The file is empty, or holds something else than a picture."""


class Truncated(ImageError):  # noqa: N818
    """The picture is cut off or damaged."""


class TooLarge(ImageError):  # noqa: N818
    """The picture has more than 100 million pixels, or the file more than 512 MiB."""


class TooSmall(ImageError):  # noqa: N818
    """The picture has a side of less than 16 pixels."""


class Unsupported(ImageError):  # noqa: N818
    """A picture of a kind that is refused: greyscale, animated, SVG, CMYK without a profile..."""
