"""The sentences of guards in the words of a table, and numbers that read as what they are."""

from __future__ import annotations

import re

from mammolab.audit.table import AuditTable

_AUC_IN_WORDS = re.compile(r"an AUC of 0\.\d+")
# Checks whose statistic is a cross-validated AUC: below one half it tells nothing, since what was
# learnt of one part of the patients is held against the rest.
CROSS_VALIDATED = ("alone_", "metadata_together", "border_probe", "device_probe", "feature_probe")
TELLS_NOTHING = 0.5


def tells_nothing(name: str, statistic: float) -> bool:
    """Whether a check's number is a cross-validated AUC below one half."""
    return name.startswith(CROSS_VALIDATED) and statistic < TELLS_NOTHING


def telling_nothing(name: str, statistic: float, sentence: str) -> str:
    """A check's sentence, in which an AUC below one half is told as one that tells nothing."""
    if not tells_nothing(name, statistic):
        return sentence
    sentence = _AUC_IN_WORDS.sub("an AUC not above 0.50", sentence)
    return sentence.replace("no more than the limit", "it tells nothing")


def plural(unit: str) -> str:
    """Several of a unit.

    Examples
    --------
    >>> plural("woman"), plural("exam")
    ('women', 'exams')
    """
    return "women" if unit == "woman" else f"{unit}s"


def in_words_of(table: AuditTable, sentence: str) -> str:
    """A guard's sentence, which speaks of exams and cancer, in the words of the table.

    On chest X-rays "12 exams have cancer" becomes "12 images have a finding".
    """
    words = {"exams": plural(table.unit), "exam": table.unit}
    if table.label != "cancer":
        words |= {"cancers": "positives", "cancer": table.label}
        words |= {"women": "patients", "woman": "patient"}
    pattern = r"(?<!_)\b(" + "|".join(words) + r")\b(?!_)"
    return re.sub(pattern, lambda found: words[found[0]], sentence)


def told_apart(sentence: str, number: float, limit: float) -> str:
    """The sentence with more digits where number and limit would read alike and are not.

    Examples
    --------
    >>> told_apart("An AUC of 0.60 (limit 0.60): too far.", 0.6031, 0.6)
    'An AUC of 0.603 (limit 0.600): too far.'
    """
    alike = f"{number:.2f}"
    if number == limit or alike != f"{limit:.2f}" or f"{alike} (limit {alike}" not in sentence:
        return sentence
    digits = next((n for n in range(3, 9) if f"{number:.{n}f}" != f"{limit:.{n}f}"), 2)
    apart = f"{number:.{digits}f} (limit {limit:.{digits}f}"
    return sentence.replace(f"{alike} (limit {alike}", apart)


def sentence_case(text: str) -> str:
    """The text with its first letter large; a name with an underscore stays as it is."""
    return text if "_" in text.split(" ", 1)[0] else text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """The text with its first letter small."""
    return text[:1].lower() + text[1:]
