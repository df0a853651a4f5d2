"""A small table of women made by formula, to show the form; nobody in it exists."""

from __future__ import annotations

N_WOMEN = 240
HEADER = (
    "exam_id", "age_years", "race_ethnicity", "family_history_n", "menarche_age_years", "n_births",
    "age_first_birth_years", "n_biopsies", "atypia", "density", "menopausal_status", "bmi", "brca",
    "synthetic",
)  # fmt: skip
RACES = (
    ("white", 0.6), ("black", 0.13), ("hispanic", 0.06), ("hispanic_foreign_born", 0.05),
    ("chinese", 0.06), ("filipino", 0.04), ("other", 0.04), ("", 0.02),
)  # fmt: skip
DENSITIES = (("a", 0.1), ("b", 0.4), ("c", 0.4), ("d", 0.1))
# Fractional parts of multiples of these spread evenly (Weyl); one for each thing that varies.
STEPS = {
    "age": 2**0.5, "race": 3**0.5, "relatives": 5**0.5, "menarche": 7**0.5, "births": 11**0.5,
    "first": 13**0.5, "biopsies": 17**0.5, "atypia": 19**0.5, "density": 23**0.5, "bmi": 29**0.5,
    "unknown": 31**0.5,
}  # fmt: skip


def risk_example_rows() -> list[tuple]:
    """Rows of the example, the header first: always the same, the last two wrong on purpose."""
    rows: list[tuple] = [HEADER]
    for k in range(N_WOMEN - 2):
        age = 40 + 34.9 * _even("age", k)
        births = int(4.6 * _even("births", k) ** 1.2)
        biopsies = _choose(((0, 0.8), (1, 0.14), (2, 0.06)), _even("biopsies", k))
        rows.append(
            (
                f"EXAMPLE-{k:04d}",
                f"{age:.1f}",
                _choose(RACES, _even("race", k)),
                _choose(((0, 0.86), (1, 0.11), (2, 0.03)), _even("relatives", k)),
                "" if _even("unknown", k) < 0.08 else 10 + int(6 * _even("menarche", k)),
                births,
                17 + int(19 * _even("first", k)) if births else "",
                biopsies,
                int(_even("atypia", k) < 0.1) if biopsies else 0,
                _choose(DENSITIES, _even("density", k)),
                "post" if age > 51 else "pre",
                "" if _even("unknown", k) > 0.9 else f"{19 + 19 * _even('bmi', k) ** 2:.1f}",
                0,
                "yes",
            )
        )
    usual = rows[1]
    rows.append((f"EXAMPLE-{N_WOMEN - 2:04d}", "17", *usual[2:]))
    rows.append((f"EXAMPLE-{N_WOMEN - 1:04d}", "52.0", "martian", *usual[3:]))
    return rows


def _even(name: str, k: int) -> float:
    return (0.5 + k * STEPS[name]) % 1


def _choose(levels: tuple[tuple, ...], place: float) -> object:
    """The level in whose share of [0, 1) the place lies."""
    for level, share in levels:
        place -= share
        if place < 0:
            return level
    return levels[-1][0]
