"""What a chapter may turn in the world: selection, prevalence, habits, planted harms, readers.

The defaults are neutral: with them the world is the one its parameters describe. Every setting
leaves all random streams as they are, so two worlds of one seed differ by that setting alone: a
woman in both has the same ids, the same life and the same record but for what the setting does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mammolab.world import parameters as p

SITES = tuple(p.SITE_SHARES.value)
DEVICES = tuple(sorted({row[0] for rows in p.SITE_DEVICES.value.values() for row in rows}))
EXCLUSIONS = ("implants", "dense", "small_breasts", "poor_follow_up")
YEARS = (int(p.EPOCH.value[:4]), int(p.EXAMS_END.value[:4]))


@dataclass(frozen=True)
class WorldSettings:
    """Settings of one world; the defaults change nothing.

    "Followed by cancer" means: diagnosed, in truth, within 365 days after the exam.

    Attributes
    ----------
    incidence_by_site : factor on the incidence of women by their first hospital; 1 where absent.
    subgroup_incidence : factor on the incidence by race; 1 where absent.
    subgroup_contrast : log factor on the attenuation contrast of cancers by race; 0 where absent.
        Below 0, cancers of that group show less, in the pixels and to the readers alike.
    device_of_cancers : shift, in log odds, of the machine on which exams followed by cancer were
        made, among those the hospital has that year; 0 where absent. The pixels come from that
        machine; the reading is left as it was.
    years_of_cancers, years_of_healthy : (first, last) calendar year of the exams exported, followed
        by cancer or not; None exports all.
    exclude : exams that the hospital leaves out of its export, of EXCLUSIONS: `implants` women with
        implants, `dense` density read as c or d, `small_breasts` below `parameters.SMALL_BREAST`,
        `poor_follow_up` not followed by cancer, and the woman left or died within
        `parameters.POOR_FOLLOW_UP`.
    marker_habit : probability by hospital that an exam followed by cancer carries an extra marker
        (`extra_marker` in `pixels_exams`); 0 where absent.
    reader_criterion_shift : logit, all readers; above 0 they recall more, cancers and others.
    ai_reliance : 0..1, how far readers follow an AI. The world holds no AI: a chapter with scores
        hands this to `readers.with_ai`.
    """

    incidence_by_site: Mapping[str, float] = field(default_factory=dict)
    subgroup_incidence: Mapping[str, float] = field(default_factory=dict)
    subgroup_contrast: Mapping[str, float] = field(default_factory=dict)
    device_of_cancers: Mapping[str, float] = field(default_factory=dict)
    years_of_cancers: tuple[int, int] | None = None
    years_of_healthy: tuple[int, int] | None = None
    exclude: frozenset[str] = frozenset()
    marker_habit: Mapping[str, float] = field(default_factory=dict)
    reader_criterion_shift: float = 0.0
    ai_reliance: float = 0.0

    def __post_init__(self) -> None:
        for name, known in (
            ("incidence_by_site", SITES),
            ("subgroup_incidence", p.RACES),
            ("subgroup_contrast", p.RACES),
            ("device_of_cancers", DEVICES),
            ("exclude", EXCLUSIONS),
            ("marker_habit", SITES),
        ):
            _check_names(name, getattr(self, name), known)
        for name, low, high in (
            ("incidence_by_site", 0.0, np.inf),
            ("subgroup_incidence", 0.0, np.inf),
            ("subgroup_contrast", -np.inf, np.inf),
            ("device_of_cancers", -np.inf, np.inf),
            ("marker_habit", 0.0, 1.0),
        ):
            for key, value in getattr(self, name).items():
                _check_number(f"{name}[{key!r}]", value, low, high)
        _check_number("reader_criterion_shift", self.reader_criterion_shift, -np.inf, np.inf)
        _check_number("ai_reliance", self.ai_reliance, 0.0, 1.0)
        for name in ("years_of_cancers", "years_of_healthy"):
            years = getattr(self, name)
            if years is not None and not YEARS[0] <= years[0] <= years[1] <= YEARS[1]:
                raise ValueError(
                    f"{name} must be (first, last) within {YEARS[0]}..{YEARS[1]}, not {years}"
                )


def _check_names(name: str, given: Iterable[str], known: tuple[str, ...]) -> None:
    if isinstance(given, str):
        raise TypeError(f"{name} must be a collection of names, not the text {given!r}")
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"unknown {name} {', '.join(unknown)}; known: {', '.join(known)}")


def _check_number(name: str, value: float, low: float, high: float) -> None:
    if not (np.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be a finite number within {low}..{high}, not {value}")


NEUTRAL = WorldSettings()
