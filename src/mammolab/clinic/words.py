"""What was found, in plain sentences: the same for the terminal, the certificate and the sheet."""

from __future__ import annotations

import numpy as np

from mammolab.clinic.analysis import Analysis
from mammolab.evaluate import Estimate
from mammolab.evaluate.thresholds import cancers_needed

ENRICHED = 0.02  # share of cancers from which a file is no screening sample; assumption
PROMISES = (0.9, 0.95, 0.98, 0.99)  # sensitivities for which the cancers needed are listed
RULE_NAMES = {
    "certified": "certified",
    "minimum": "lowest caught cancer",
    "mean_of_bootstrap_minima": "mean of bootstrap minima",
}


def percent(share: float, digits: int = 1) -> str:
    """A share in percent.

    Examples
    --------
    >>> percent(0.1234), percent(-0.05, 0), percent(float("nan"))
    ('12.3%', '−5%', 'not estimable')
    """
    if not np.isfinite(share):
        return "not estimable"
    text = f"{100 * share:.{digits}f}%"
    return text.replace("-", "−") if float(text[:-1]) else text.lstrip("-")


def with_interval(estimate: Estimate, digits: int = 1) -> str:
    """A share in percent with its interval.

    Examples
    --------
    >>> with_interval(Estimate(0.2, 0.18, 0.224))
    '20.0% (18.0–22.4)'
    """
    if not np.isfinite([estimate.low, estimate.high]).all():
        return percent(estimate.value, digits)
    low, high = (percent(x, digits)[:-1] for x in estimate.ci)
    return f"{percent(estimate.value, digits)} ({low}{' to ' if estimate.low < 0 else '–'}{high})"


def points_with_interval(estimate: Estimate) -> str:
    """A difference of shares in percentage points with its interval.

    Examples
    --------
    >>> points_with_interval(Estimate(-0.013, -0.072, 0.036))
    '−1.3 points (−7.2 to 3.6)'
    """
    return with_interval(estimate).replace("%", " points")


def score_text(value: float) -> str:
    """A score to four digits that matter.

    Examples
    --------
    >>> score_text(0.0012345), score_text(71.0)
    ('0.001234', '71')
    """
    return f"{value:.4g}".replace("-", "−")


def rules_out(a: Analysis) -> str:
    """Which exams are not read, in units of the file."""
    side = "above" if a.scores.lower_is_suspicious else "below"
    return f"{side} {score_text(a.scores.in_file_units(a.chosen.threshold))}"


def cancers_in_words(a: Analysis) -> str:
    """Of which cancers a promise speaks."""
    return "cancers that readers catch" if a.scores.has_recall else "cancers"


def promise(a: Analysis) -> str:
    """What the threshold promises, by which rule and on how many cancers: one sentence."""
    rule, settings = a.chosen, a.settings
    caught = "caught cancers" if a.scores.has_recall else "cancers"
    lost = rule.n_missed or "none"
    basis = f"{rule.n_cancers} women with {caught} in dev, {lost} of them ruled out"
    if not np.isfinite(rule.certified_sensitivity):
        return (
            f"Nothing is promised: the {caught} of dev have unequal weights, so that they are no "
            f"simple sample of all ({basis})."
        )
    bound = percent(np.floor(1000 * rule.certified_sensitivity) / 1000)
    kept = f"at least {bound} of the {cancers_in_words(a)} among women like these are still read"
    sure = f"with {settings.confidence:.0%} confidence"
    if rule.rule == "mean_of_bootstrap_minima":
        return (
            f"By the published rule, the mean of bootstrap minima, {kept}, {sure}, but only "
            f"nominally: this rule carries no proof ({basis})."
        )
    asked = ""
    if rule.rule == "certified":
        asked = f"; asked for: {100 * settings.target_sensitivity:g}%"
    return f"{sure[0].upper()}{sure[1:]}, {kept} ({basis}{asked})."


def conditions(a: Analysis) -> list[str]:
    """Under which the promise holds."""
    tail = (
        "A cancer that readers missed before is not covered by it."
        if a.scores.has_recall
        else "Whether readers would have caught these cancers is not known here."
    )
    return [
        "The unit is the woman: of several exams followed by her cancer the lowest score counts.",
        (
            "Later women are like those of dev: same population, devices, acquisition and version "
            "of the scoring software."
        ),
        "The threshold is not moved after looking at test.",
        tail,
    ]


def kept_on_test(a: Analysis) -> str:
    """How the promise fared on test: one sentence."""
    caught = "caught cancers" if a.scores.has_recall else "cancers"
    if not a.kept.n:
        return f"Test holds no {caught} to try the promise on."
    said = (
        f"In test {a.kept.n - a.kept.n_lost} of {a.kept.n} women with {caught} had none of them "
        f"ruled out, {with_interval(a.kept.share)}"
    )
    bound = a.chosen.certified_sensitivity
    if np.isfinite(bound) and a.kept.share.high < bound:
        return (
            f"{said}, which is less than was promised: dev and test differ, or chance was unkind."
        )
    return f"{said}."


def verdict(a: Analysis) -> tuple[str, str]:
    """The answer in a few words, and in a sentence or two how sure it is."""
    clinic = a.clinic
    saved = f"{with_interval(clinic.fraction_ruled_out)} of exams would not be read"
    if not clinic.n_ruled_out:
        return "No exam is ruled out", "The threshold lies beyond every score of test."
    if not a.scores.has_recall:
        share = clinic.sensitivity_with
        return (
            "What readers would lose is not known",
            (
                f"{saved}; of the exams with cancer {with_interval(share)} would still be read, "
                f"and {clinic.n_cancers_ruled_out} of {clinic.n_cancers} women with cancer have such an "
                "exam ruled out. Without a column recall or birads nobody can say how many of "
                "them readers would have caught."
            ),
        )
    test = clinic.noninferiority
    points = f"{100 * test.margin:g} points"
    loss = (
        f"{saved}; sensitivity changes by {points_with_interval(test.difference)}, over "
        f"{clinic.n_cancers} women with cancer"
    )
    p = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.2g}"
    if test.noninferior:
        return (
            f"Not inferior by more than {points}",
            f"{loss}. A loss of {points} or more is refuted ({p}, one-sided, tested at 0.025).",
        )
    if test.difference.high < -test.margin:
        return (
            f"Inferior by more than {points}",
            f"{loss}. The loss is larger than the {points} held acceptable.",
        )
    return (
        f"Not shown to lose less than {points}",
        (
            f"{loss}. A loss of {points} cannot be refuted ({p}, one-sided, tested at 0.025): too "
            "few cancers, or too many ruled out."
        ),
    )


def against_chance(a: Analysis) -> str:
    """What leaving out as many exams at random would have cost: one sentence."""
    clinic, share = a.clinic, a.clinic.fraction_ruled_out.value
    caught = "caught cancers" if a.scores.has_recall else "cancers"
    lost = clinic.n_cancers_missed_by_triage if a.scores.has_recall else clinic.n_cancers_ruled_out
    among = a.kept.n if a.scores.has_recall else clinic.n_cancers
    return (
        f"Left out at random, as many exams would have cost about {share * among:.1f} of {among} "
        f"women with {caught} their finding; here {lost}. Of the exams ruled out in test "
        f"{per_thousand(clinic.gross_false_omission)} per 1,000 were followed by cancer."
    )


def per_thousand(share: Estimate) -> str:
    """A share per 1,000, with its interval."""
    return ratio_text(Estimate(*(1000 * one for one in (share.value, share.low, share.high))))


def decisions(a: Analysis) -> list[str]:
    """What was decided in reading the file, for whoever must know."""
    s = a.scores
    told = []
    if s.split_from == "hash":
        told.append(
            "Patients were split into dev and test, about half and half, by a hash of patient_id "
            "(the file has no column split)."
        )
    if s.recall_from == "birads":
        told.append("Recall was taken from BI-RADS: 0, 3, 4, 5 recalled; 1, 2 not.")
    if s.n_from_birads:
        told.append(f"In {s.n_from_birads:,} exams a blank recall was filled from BI-RADS.")
    if s.n_conflicts:
        told.append(
            f"In {s.n_conflicts:,} exams the BI-RADS category says otherwise than recall; recall "
            "was followed."
        )
    if s.n_weightless:
        told.append(f"{s.n_weightless:,} exams of weight 0 were left out.")
    if s.lower_is_suspicious:
        told.append("A low score was taken for suspicious (--lower-is-suspicious).")
    prevalence = float(a.exams["cancer"].mean())
    if not s.weighted and prevalence > ENRICHED:
        told.append(
            f"{percent(prevalence)} of exams have cancer, far more than at screening, and no weights "
            "are given: the share of exams not read, probabilities, PPV and recall rates hold for "
            "this mix only."
        )
    if s.unused:
        shown = ", ".join(s.unused[:6]) + ", ..." * (len(s.unused) > 6)
        told.append(f"Columns not used: {shown}.")
    return told


def needed_for(a: Analysis) -> dict[str, int]:
    """Women with caught cancers, none of them ruled out, that certify each sensitivity."""
    confidence = a.settings.confidence
    return {f"{s:g}": cancers_needed(s, confidence=confidence) for s in PROMISES}


def summary(a: Analysis) -> list[str]:
    """A few lines for the terminal."""
    lines = []
    for name, part in (("dev", a.dev), ("test", a.test)):
        lines.append(
            f"{name:5s}{len(part):>8,} exams of {part['patient_id'].nunique():,} women, "
            f"{part.loc[part['cancer'], 'patient_id'].nunique():,} with cancer"
        )
    head, sentence = verdict(a)
    lines += [
        f"exams with a score {rules_out(a)} are ruled out (rule: {RULE_NAMES[a.settings.rule]})",
        promise(a),
        kept_on_test(a),
        f"{head}: {sentence}",
        against_chance(a),
        (
            f"AUC {ratio_text(a.auc, 3)}; expected over observed "
            f"cancers {ratio_text(a.after.expected_over_observed)} after calibration"
        ),
        *decisions(a),
    ]
    if a.scores.synthetic:
        lines.append("Synthetic data: nothing of this is a clinical finding.")
    return lines


def ratio_text(estimate: Estimate, digits: int = 2) -> str:
    """A number with its interval, not in percent."""
    if not np.isfinite(estimate.value):
        return "not estimable"
    if not np.isfinite([estimate.low, estimate.high]).all():
        return f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f}–{estimate.high:.{digits}f})"
