"""The one kind of error that is the user's to mend."""


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one sentence that says what was wrong and how to mend it. The shell prints it
    behind ``error:`` and exits with status 2; the page shows it as it is. Each room raises a
    subclass of its own (``ImageError``, ``DataError``, ``CheckpointError``, ``WeightsError``,
    ``SettingsError``), so that callers can tell them apart.
    """


class DataError(InputError):
    """A data folder, or a table in it, cannot be used."""


class CheckpointError(InputError):
    """A checkpoint is missing, incomplete or not what it says it is."""


class WeightsError(InputError):
    """Initial weights cannot be had, or do not fit the network."""


class SettingsError(InputError):
    """Settings contradict each other or lie outside their range."""
