"""A guard that cannot judge is silent and says why: too few exams must not stop a chapter."""

from __future__ import annotations

from collections.abc import Callable

from mammolab.errors import InputError
from mammolab.pitfalls.verdict import GuardVerdict


def judged(guard: Callable[..., GuardVerdict], *arguments: object) -> GuardVerdict:
    """Return the guard's verdict, or a silent one without a number where it cannot judge."""
    try:
        return guard(*arguments)
    except InputError as error:
        nan = float("nan")
        return GuardVerdict(guard.__name__, nan, nan, False, f"It could not judge: {error}")
