"""Errors that are meant for the user: one sentence, no traceback, exit code 2."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something the user gave is wrong; the message is one sentence that says what and how to mend it."""


class MissingInput(InputError):
    """A chapter's input does not exist; the message names the command that makes it."""


def closest_first(given: str, valid: Iterable[str]) -> list[str]:
    """Return the valid names, those most like the given one first, the others in their order."""
    names = list(valid)
    close = difflib.get_close_matches(given, names, n=3, cutoff=0.4)
    return close + [name for name in names if name not in close]


def unknown_name(kind: str, given: str, valid: Iterable[str]) -> InputError:
    """Build the error for a misspelt name, listing the valid ones with the closest first.

    Parameters
    ----------
    kind : str
        What the name stands for, such as "chapter" or "profile".
    given : str
        What the user wrote.
    valid : iterable of str
        Every valid name.

    Returns
    -------
    InputError
        To be raised by the caller.

    Examples
    --------
    >>> str(unknown_name("profile", "smok", ["demo", "paper", "smoke"]))
    "there is no profile 'smok'; valid names, closest first: smoke, demo, paper"
    """
    listing = ", ".join(closest_first(given, valid)) or "(none)"
    return InputError(f"there is no {kind} '{given}'; valid names, closest first: {listing}")
