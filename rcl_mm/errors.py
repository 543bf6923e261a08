"""Errors that are a user's to mend, told from all others by their type."""


class InputError(ValueError):
    """A user's mistake in a setting, a file, data or a call: the tools report it in one line.

    The message says what was given, what is allowed and what to do. It can be built from one
    string, so that torch keeps its type when it raises an error of a worker process again.
    """


class InputTypeError(InputError, TypeError):
    """An :class:`InputError` about the kind of a value, where callers expect a TypeError."""


class UsageError(InputError):
    """A tool was called in a way that can not work: reported in one line, exit code 2."""
