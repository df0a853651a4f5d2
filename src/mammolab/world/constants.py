"""What a constant of the world is, and the names and days that every other module needs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One constant of the world.

    Attributes
    ----------
    value : the number, tuple or table (dict) itself.
    unit : unit of the value; "1" for a pure number.
    meaning : what it stands for, in one line.
    source : publication, "assumption" or "calibrated".
    """

    value: object
    unit: str
    meaning: str
    source: str = "assumption"


RACES = ("white", "black", "asian", "hispanic", "other")
DENSITIES = ("a", "b", "c", "d")

# ---- calendar ------------------------------------------------------------------------------
EPOCH = Parameter("2009-01-01", "date", "first day of exported exams; time zero of the world")
EXAMS_END = Parameter("2016-12-31", "date", "last day of exported exams")
EXTRACT_DATE = Parameter("2021-12-31", "date", "day the hospital wrote the export")
REGISTRY_COMPLETE = Parameter("2020-06-30", "date", "registry thought complete up to this day")
