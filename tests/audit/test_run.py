"""Every level can be reached, for the right reason, and a check that cannot be run says why."""

import re

import numpy as np
import pandas as pd
import pytest

from mammolab.audit import report
from mammolab.audit.figures import alone_figure
from mammolab.audit.registry import CHECKS
from mammolab.audit.run import (
    FEWEST_POSITIVES,
    LEVELS,
    Check,
    Finding,
    Settings,
    level_of,
    run_checks,
)
from mammolab.audit.table import read_tables, with_scores
from mammolab.audit.wording import in_words_of, tells_nothing
from mammolab.errors import InputError
from mammolab.evaluate.roc import auc
from mammolab.pitfalls.verdict import GuardVerdict
from mammolab.report.style import style

SETTINGS = Settings(
    prevalence=0.1, disclosure={"n_candidates": 3, "n_test_looks": 1, "n_seeds": 5}, seed=1
)
BY_NAME = {check.name: check for check in CHECKS}


def levels(table, settings=SETTINGS, names=None):
    checks = CHECKS if names is None else [BY_NAME[name] for name in names]
    return {one.name: one for one in run_checks(table, settings, checks)}


def audited(frame, write, **how):
    return read_tables([write(frame)], **how)


@pytest.fixture(scope="module")
def clean(make_cohort, tmp_path_factory):
    path = tmp_path_factory.mktemp("clean") / "cohort.csv"
    make_cohort().to_csv(path, index=False)
    return levels(read_tables([path]))


def test_a_clean_table_is_red_nowhere(clean):
    assert [one.sentence for one in clean.values() if one.level == "red"] == []
    skipped = {name for name, one in clean.items() if one.level == "skipped"}
    assert skipped == {
        "duplicate_images", "border_probe", "device_probe",  # no images
        "feature_probe",  # no features
        "alone_view", "alone_sex", "missing_by_label",  # no such columns; nothing blank
    }  # fmt: skip
    assert sum(one.level == "green" for one in clean.values()) >= len(clean) - 10


def spoil_split(t):
    return t.assign(split=np.where(np.arange(len(t)) % 2, "test", "train"))


def spoil_device(t):
    """Cancers from both devices, the others from one."""
    rng = np.random.default_rng(0)
    alder = (t["cancer"] == 0) & (rng.random(len(t)) < 0.9)
    return t.assign(device=np.where(alder, "alder", "birch"))


def spoil_year(t):
    """The myth of 0.95: cancers of all years, the others of even years."""
    date = pd.to_datetime(t["exam_date"])
    odd = (date.dt.year % 2 == 1) & (t["cancer"] == 0)
    date = date.where(~odd, date + pd.Timedelta(days=365))
    return t.assign(exam_date=date.dt.strftime("%Y-%m-%d"), diagnosis_date="")


def spoil_dates(t):
    exam, diagnosis = t["exam_date"].copy(), t["diagnosis_date"].copy()
    late = (t["cancer"] == 1) & (np.arange(len(t)) % 3 == 0)
    return t.assign(
        exam_date=exam.where(~late, diagnosis), diagnosis_date=diagnosis.where(~late, exam)
    )


def spoil_scores(t):
    return t.assign(score=t["score"] + 1.0 * (t["device"] == "alder"))


def spoil_group(t):
    rng = np.random.default_rng(0)
    bad = t["race_ethnicity"] == "black"
    return t.assign(score=t["score"].where(~bad, rng.normal(size=len(t))))


def spoil_exclusions(t):
    return t.assign(included=np.where(t["implant"] == 1, 0, t["included"]))


def spoil_missing(t):
    rng = np.random.default_rng(0)
    gone = (t["cancer"] == 1) & (rng.random(len(t)) < 0.5)
    return t.assign(recalled=t["recalled"].astype(object).where(~gone, ""))


SPOILT = {
    "score_order": (lambda t: t.assign(score=-t["score"]), {}),
    "patient_overlap": (spoil_split, {}),
    "prevalence": (lambda t: t, {"prevalence": 0.006}),
    "alone_device": (spoil_device, {}),
    "metadata_together": (spoil_device, {}),
    "prevalence_by_device": (spoil_device, {}),
    "alone_exam_year": (spoil_year, {}),
    "prevalence_by_exam_year": (spoil_year, {}),
    "missing_by_label": (spoil_missing, {}),
    "label_timing": (spoil_dates, {}),
    "label_source": (lambda t: t.assign(recalled=t["cancer"]), {}),
    "follow_up": (lambda t: t.assign(follow_up_days=t["follow_up_days"] - 300), {}),
    "exclusions": (spoil_exclusions, {}),
    "exclusions_by_label": (
        lambda t: t.assign(included=np.where(t["cancer"] == 1, np.arange(len(t)) % 2, 1)),
        {},
    ),
    "early_cancers": (lambda t: t.assign(time_years=(t["time_years"] - 1).round(2)), {}),
    "informative_censoring": (
        lambda t: t.assign(score=t["score"] + 1.0 * ((t["event"] == 0) & (t["time_years"] < 5))),
        {},
    ),
    "score_by_device": (spoil_scores, {}),
    "threshold_by_device": (spoil_scores, {}),
    "calibration": (lambda t: t.assign(probability=t["probability"] ** 0.5), {}),
    "calibration_by_device": (
        lambda t: t.assign(
            probability=np.where(t["device"] == "alder", t["probability"] ** 0.5, t["probability"])
        ),
        {},
    ),
    "subgroup_gap": (spoil_group, {}),
    "clustered_interval": (
        lambda t: pd.concat([t, t.assign(exam_id=t["exam_id"] + "b")], ignore_index=True),
        {},
    ),
    "disclosure": (lambda t: t, {"disclosure": {"n_test_looks": 50}}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_each_guard_is_wired_to_its_columns(make_cohort, write, clean, name):
    spoil, asked = SPOILT[name]
    settings = Settings(**{**vars(SETTINGS), **asked})
    table = audited(spoil(make_cohort()), write)
    found = levels(table, settings, [name])[name]
    assert found.level == "red", found.sentence
    assert clean[name].level != "red"


def test_every_check_is_tried_red_or_needs_images():
    untried = {check.name for check in CHECKS} - set(SPOILT)
    alone = {name for name in untried if name.startswith(("alone_", "prevalence_by_"))}
    assert untried - alone == {
        "duplicate_images", "border_probe", "device_probe",  # in test_command.py
        "feature_probe",  # in test_features.py
        "cancers_needed", "score_covers",  # never red: too few to know is amber
    }  # fmt: skip


class TestCovered:
    def found(self, cohort, write):
        return levels(audited(cohort, write), names=["score_covers"])["score_covers"]

    def test_part_of_the_rows_and_who(self, make_cohort, write):
        cohort = make_cohort(1500).drop(columns=["split", "included", "probability"])
        assert self.found(cohort, write).level == "green"
        alike = cohort.groupby("cancer").cumcount() % 3 > 0  # a third of either class is missing
        found = self.found(cohort.assign(score=cohort["score"].where(alike)), write)
        assert found.level == "amber" and f"{alike.sum():,} of 1,500 exams" in found.sentence
        assert found.statistic == pytest.approx(alike.mean())
        assert found.sentence.endswith("no difference is seen.")
        without_cancers = cohort.assign(score=cohort["score"].where(cohort["cancer"] == 0))
        found = self.found(without_cancers, write)
        assert found.level == "amber" and found.sentence.endswith("they differ.")
        assert "0.0% of those with and 100.0% of those without" in found.sentence
        one = cohort.assign(score=cohort["score"].where(np.arange(1500) > 0))
        assert "of too few for an interval" in self.found(one, write).sentence

    def test_scores_of_the_test_set_are_enough(self, make_cohort, write):
        cohort = make_cohort(600).drop(columns="probability")
        test = cohort.assign(score=cohort["score"].where(cohort["split"] == "test"))
        assert self.found(test, write).level == "green"


class TestExclusionsByLabel:
    def found(self, cohort, write):
        return levels(audited(cohort, write), names=["exclusions_by_label"])["exclusions_by_label"]

    @pytest.mark.parametrize("kept", [0, 1])
    def test_all_cancers_gone_or_all_kept(self, make_cohort, write, kept):
        """No cancer is left in the study then; the check is asked all the same."""
        cohort = make_cohort(1000)
        half = np.arange(1000) % 2
        spoilt = cohort.assign(included=np.where(cohort["cancer"] == 1, kept, half))
        found = self.found(spoilt, write)
        assert found.level == "red", found.sentence
        others = 1 - half[cohort["cancer"] == 0].mean()
        assert found.statistic == pytest.approx((1 - kept) - others)
        assert found.low < found.statistic < found.high

    def test_weights_say_who_was_left_out(self, make_cohort, write):
        """Half of the rows of others are gone, each of which stands for hardly any exam."""
        cohort = make_cohort(2000)
        gone = (cohort["cancer"] == 0) & (np.arange(2000) % 2 == 0)
        spoilt = cohort.assign(included=1 - gone.astype(int))
        assert self.found(spoilt, write).level == "red"
        light = spoilt.assign(sampling_weight=np.where(gone, 0.01, 1))
        assert self.found(light, write).level == "green"

    def test_few_and_none(self, make_cohort, write):
        cohort = make_cohort(200).assign(cancer=lambda t: (np.arange(len(t)) < 4).astype(int))
        few = self.found(cohort.assign(included=(np.arange(200) % 3 == 0).astype(int)), write)
        assert few.level == "amber", few.sentence
        none = self.found(cohort.assign(included=1), write)
        assert none.level == "skipped" and "0 of 200 rows are left out" in none.sentence


class TestOrder:
    """The score turned round, blind, constant; few patients."""

    def level(self, cohort, write):
        return levels(audited(cohort, write), names=["score_order"])["score_order"]

    def test_the_number_and_its_interval(self, make_cohort, write):
        cohort = make_cohort()
        found = self.level(cohort.drop(columns="probability"), write)
        test = cohort[(cohort["split"] == "test") & (cohort["included"] == 1)]
        assert found.level == "green" and found.limit == 0.5
        assert found.statistic == pytest.approx(auc(test["score"], test["cancer"]))
        assert found.low < 0.921 < found.high  # two normals two apart
        assert f"above the others: AUC {found.statistic:.3f}" in found.sentence

    def test_constant_blind_and_turned_round(self, make_cohort, write):
        cohort = make_cohort().drop(columns="probability")
        noise = np.random.default_rng(1).normal(size=len(cohort))
        constant = self.level(cohort.assign(score=0.5), write)
        assert constant.level == "red" and "is the same in all" in constant.sentence
        blind = self.level(cohort.assign(score=noise), write)
        assert blind.level == "amber" and blind.low <= 0.5 <= blind.high
        upside_down = self.level(cohort.assign(score=-cohort["score"]), write)
        assert upside_down.level == "red" and upside_down.high < 0.5
        assert upside_down.sentence.startswith("The score ranks cancers below the others")
        last = self.level(cohort.assign(score=1 - cohort["cancer"]), write)
        assert last.level == "red" and last.statistic == 0
        assert self.level(cohort.assign(score=cohort["cancer"]), write).level == "green"

    def test_a_probability_turned_round_beside_a_good_score(self, make_cohort, write):
        cohort = make_cohort()
        found = self.level(cohort.assign(probability=1 - cohort["probability"]), write)
        assert found.level == "red" and found.sentence.startswith("The probability")

    def test_weights_and_patients(self, make_cohort, write):
        """A score that is right in the rows that stand for many, and wrong in the others."""
        cohort = make_cohort().drop(columns=["probability", "split", "included"])
        many = np.arange(len(cohort)) % 2 == 0
        sign = np.where(many, 1, -1)
        mixed = cohort.assign(score=sign * (cohort["score"] - cohort["score"].mean()),
                              sampling_weight=np.where(many, 30, 1))  # fmt: skip
        assert self.level(mixed, write).statistic > 0.85
        once, twice = cohort, pd.concat([cohort, cohort.assign(exam_id=cohort["exam_id"] + "b")])
        width = [(one := self.level(t, write)).high - one.low for t in (once, twice)]
        assert width[1] == pytest.approx(width[0], rel=0.02)

    def test_few_patients_prove_nothing(self, make_cohort, write):
        few = make_cohort(40)[["patient_id", "score"]].assign(cancer=0)
        few["score"] = np.arange(40.0)
        for n, expected in ((1, "skipped"), (3, "amber"), (5, "red")):
            few["cancer"] = np.isin(np.arange(40), np.arange(1, 1 + 3 * n, 3)).astype(int)
            few["patient_id"] = [f"P{k}" for k in range(40)]
            assert self.level(few, write).level == expected


def test_a_number_and_its_limit_are_told_apart(make_cohort, write):
    def run(table, settings, seed):
        return Finding(GuardVerdict("a", 0.6031, 0.6, True, "An AUC of 0.60 (limit 0.60): far."))

    check = Check("a", "A?", (), run, False, "A")
    (one,) = run_checks(audited(make_cohort(20), write), SETTINGS, [check])
    assert one.sentence == "An AUC of 0.603 (limit 0.600): far."


def verdict(fired):
    return GuardVerdict("a", 0.1, 0.2, fired, "A sentence.")


@pytest.mark.parametrize(
    "finding, n_smaller, expected",
    [
        (Finding(verdict(True)), 3, "red"),
        (Finding(verdict(False), close=True), 500, "amber"),
        (Finding(verdict(False), told=False), None, "amber"),
        (Finding(verdict(False)), FEWEST_POSITIVES - 1, "amber"),
        (Finding(verdict(False)), FEWEST_POSITIVES, "green"),
        (Finding(verdict(False)), None, "green"),
    ],
)
def test_levels(finding, n_smaller, expected):
    assert level_of(finding, n_smaller) == expected and expected in LEVELS


def test_an_auc_below_one_half_is_shown_as_telling_nothing(clean):
    """The raw number stays in the result, which is what audit.json holds."""
    below = [one for one in clean.values() if one.name.startswith("alone_") and one.statistic < 0.5]
    above = [one for one in clean.values() if one.name.startswith("alone_") and one.statistic > 0.5]
    assert below and above
    for one in below:
        assert "an AUC not above 0.50 (limit" in one.sentence and "it tells nothing" in one.sentence
        shown = report._check(one)
        assert (shown["number"], shown["interval"]) == ("≤ 0.5", "tells nothing")
    assert all(f"an AUC of {one.statistic:.2f}" in one.sentence for one in above)
    assert not tells_nothing("score_order", 0.3)  # a score below one half is turned round
    with style():
        (ax,) = alone_figure([*below, *above], "cancer").axes
    said = [text.get_text() for text in ax.texts]
    assert said.count("tells nothing") == len(below)
    drawn = [x for line in ax.lines[1:] for x in line.get_xdata()]
    assert len(drawn) == len(below) + len(above) and min(drawn) == 0.5


def test_close_to_the_limit_is_amber(make_cohort, write):
    """An AUC of the device above 0.55, not by chance, and not above 0.60."""
    rng = np.random.default_rng(3)
    cohort = make_cohort(20_000)
    moved = (cohort["cancer"] == 1) & (rng.random(len(cohort)) < 0.3)
    cohort["device"] = cohort["device"].where(~moved, "birch")
    found = levels(audited(cohort, write), names=["alone_device"])["alone_device"]
    assert found.level == "amber" and "over half of the way" in found.sentence
    assert 0.5 < found.low and 0.55 < found.statistic <= 0.60


def test_few_cancers_are_amber_and_say_so(make_cohort, write):
    cohort = make_cohort(300)
    keep = (cohort["cancer"] == 0) | (cohort["cancer"].cumsum() <= 12)
    found = levels(audited(cohort[keep], write), names=["alone_site"])["alone_site"]
    assert found.level == "amber" and "too few to tell" in found.sentence
    one = cohort.drop(columns="included")
    one = one[(one["cancer"] == 0) | (one["cancer"].cumsum() == 1)]
    found = levels(audited(one, write), names=["score_order"])["score_order"]
    assert found.level == "skipped"  # one patient is no sample
    found = levels(audited(one, write), names=["label_timing"])["label_timing"]
    assert "Only 1 patient is of the smaller class" in found.sentence


def test_the_smallest_group_in_plain_words(make_cohort, write, clean):
    assert re.match(
        r"\d+ women with cancer are in [a-z_]+=.*, the group with fewest\. To notice that the score "
        r"does worse there \(an AUC of 0\.75, where the others have 0\.85\) in 80 of 100 such studies, "
        r"about \d+ are needed: what is not seen",
        clean["cancers_needed"].sentence,
    ), clean["cancers_needed"].sentence
    few = make_cohort(300)[["patient_id", "cancer", "score", "site"]]
    few = few[(few["cancer"] == 0) | (few["cancer"].cumsum() <= 5)]
    told = levels(audited(few, write), names=["cancers_needed"])["cancers_needed"].sentence
    assert "no number would do, since the other groups have too few: what is not" in told


def test_rows_that_are_there_twice_are_counted_and_told(make_cohort, write):
    cohort = make_cohort(50).drop(columns="exam_id")
    twice = pd.concat([cohort, cohort[:3]])
    told = "3 rows are exactly the same as an earlier one, the first in line 52; each is counted again."
    assert told in audited(twice, write).notes
    assert not any("exactly the same" in note for note in audited(cohort, write).notes)
    exams = make_cohort(50)
    table = audited(pd.concat([exams, exams[:1]]), write)
    assert any("1 row is exactly the same" in n and "taken together" in n for n in table.notes)
    assert len(table.units) == 50
    nameless = twice[["cancer", "site"]]
    assert not any("exactly the same" in note for note in audited(nameless, write).notes)


def test_no_number_is_shown_of_no_exam(make_cohort, write):
    cohort = make_cohort(30)
    said = report.opening(audited(cohort.assign(cancer=""), write))
    assert said.endswith("Of no exam of the study the label is known.")
    one = levels(audited(cohort[:1].assign(included=1), write), names=["alone_site"])["alone_site"]
    assert one.sentence.startswith("The one exam is with")


def test_skipped_checks_name_what_they_lack(make_cohort, write):
    cohort = make_cohort(200)[["patient_id", "cancer", "site", "density"]].assign(density="")
    found = levels(audited(cohort, write))
    assert found["patient_overlap"].sentence == "The table lacks split."
    assert found["alone_density"].sentence == "The table lacks density (blank throughout)."
    assert found["device_probe"].sentence == "The table lacks device and images (--images)."
    assert found["disclosure"].sentence == "The table lacks score or probability."
    assert found["label_source"].sentence == "The table lacks recalled (or birads)."
    assert "site is the only one" in found["metadata_together"].sentence
    assert found["prevalence"].level != "skipped"


@pytest.mark.parametrize("value, kind", [(0, "without"), (1, "with")])
def test_one_class_is_an_answer(make_cohort, write, value, kind):
    cohort = make_cohort(100).assign(cancer=value).drop(columns=["split", "included", "time_years"])
    found = levels(audited(cohort, write))
    told = {name: one.sentence for name, one in found.items() if one.level != "skipped"}
    assert set(told) == {"disclosure"}  # which asks nothing of the label
    assert found["alone_site"].sentence == f"All 100 exams are {kind} cancer: one class."


def test_no_row_is_an_answer(make_cohort, write):
    found = levels(audited(make_cohort(5)[:0], write))
    assert {one.level for one in found.values()} == {"skipped"}
    assert {one.sentence for one in found.values()} == {"The table has no row."}


def test_a_blank_label_is_not_a_negative(make_cohort, write):
    cohort = make_cohort(400).drop(columns="included")
    blank = np.arange(400) % 4 == 0
    table = audited(cohort.assign(cancer=cohort["cancer"].astype(object).where(~blank, "")), write)
    assert len(table.labelled) == 300
    assert any("100 rows have no label: unknown, not negative" in note for note in table.notes)


def test_no_check_disturbs_the_draws_of_another(make_cohort, write, clean):
    table = audited(make_cohort(), write)
    alone = levels(table, names=["prevalence_by_site"])["prevalence_by_site"]
    assert repr(alone) == repr(clean["prevalence_by_site"])


def test_another_seed_other_draws(make_cohort, write):
    table = audited(make_cohort(600), write)
    one, two = (
        levels(table, Settings(prevalence=0.1, seed=seed), ["alone_site"])["alone_site"]
        for seed in (1, 2)
    )
    assert one.statistic != two.statistic and one.level == two.level


def test_images_of_an_exam_are_taken_together(make_cohort, write):
    exams = make_cohort(600)
    images = exams.loc[exams.index.repeat(4)].reset_index(drop=True)
    images["image_id"] = [f"I{k}" for k in range(len(images))]
    one_view = images["cancer"].where(images.index % 4 == 2, 0)
    by_image = audited(images.assign(cancer=one_view), write)
    by_exam = audited(exams, write)
    assert (by_image.row, by_image.unit, by_image.n_rows) == ("image", "exam", 2400)
    names = ["alone_site", "prevalence_by_device", "score_by_device", "label_timing"]
    assert repr(levels(by_image, names=names)) == repr(levels(by_exam, names=names))


def test_weights(make_cohort, write):
    """Rows that were not sampled are left out, and the prevalence is that by weight."""
    cohort = make_cohort()
    weight = np.where(cohort["cancer"] == 1, 1.0, 20.0)
    table = audited(cohort.assign(sampling_weight=weight), write)
    found = levels(table, Settings(prevalence=0.006), ["prevalence"])["prevalence"]
    assert found.level == "green", found.sentence
    blank = cohort.assign(sampling_weight=np.where(np.arange(len(cohort)) % 2, "", "3"))
    table = audited(blank, write)
    assert len(table.rows) == 1500 and table.n_rows == 3000
    assert any("1,500 rows without a sampling weight" in note for note in table.notes)


def test_what_the_study_left_out_is_looked_at_by_one_check(make_cohort, write):
    """Left-out exams that would turn every check red turn none."""
    cohort = make_cohort()
    out = cohort["included"] == 0
    spoilt = spoil_device(cohort).assign(recalled=cohort["cancer"], follow_up_days=3)
    mixed = cohort.where(~out, spoilt)
    names = ["alone_device", "label_source", "follow_up", "prevalence_by_device", "prevalence"]
    table = audited(mixed, write)
    assert repr(levels(table, names=names)) == repr(levels(audited(cohort, write), names=names))
    assert any("rows were left out of the study" in note for note in table.notes)


def test_other_names_for_a_column_are_told(make_cohort, write):
    cohort = make_cohort(40)
    old = cohort.rename(columns={"cancer": "cancer_within_1y", "recalled": "recall"})
    table = audited(old.assign(exam_date=old["exam_date"] + " 13:45:07", note="x"), write)
    pd.testing.assert_frame_equal(table.rows, audited(cohort, write).rows)
    assert "Column recall was taken for recalled." in table.notes
    assert table.unused == ("note",)


def test_a_table_of_risk_has_its_label_from_the_event(make_cohort, write):
    cohort = make_cohort(60).drop(columns="cancer")
    rows = audited(cohort, write).rows
    np.testing.assert_array_equal(rows["cancer"] == 1, cohort["event"] == 1)


def test_scores_are_judged_on_test_alone(make_cohort, write):
    cohort = make_cohort()
    better = cohort["score"] + 3 * cohort["cancer"] * (cohort["split"] == "train")
    names = ["score_by_device", "clustered_interval", "subgroup_gap"]
    spoilt = levels(audited(cohort.assign(score=better), write), names=names)
    assert repr(spoilt) == repr(levels(audited(cohort, write), names=names))


class TestScores:
    def test_scores_of_another_file_are_joined(self, make_cohort, write):
        cohort = make_cohort(300)
        given = cohort[["exam_id", "score", "probability"]].sample(frac=1, random_state=0)[:250]
        table = with_scores(
            audited(cohort.drop(columns=["score", "probability"]), write),
            write(given, "scores.csv"),
        )
        merged = table.rows.merge(given, on="exam_id", how="left", suffixes=("", "_given"))
        np.testing.assert_array_equal(merged["score"], merged["score_given"])
        np.testing.assert_array_equal(merged["probability"], merged["probability_given"])
        assert table.notes[-1] == "Scores were found for 250 of 300 rows, by exam_id."
        assert len(table.files) == 2

    @pytest.mark.parametrize(
        "spoil, match",
        [
            (lambda t: t.drop(columns="score"), "needs score or probability"),
            (lambda t: t.rename(columns={"exam_id": "accession"}), "needs score or probability"),
            (lambda t: pd.concat([t, t[:3]]), r"exam_id repeats an id, such as E00000, in 3 rows"),
            (lambda t: t.assign(exam_id=t["exam_id"] + "x"), "no exam_id of it is in the table"),
        ],
    )
    def test_scores_that_do_not_fit(self, make_cohort, write, spoil, match):
        cohort = make_cohort(50)
        table = audited(cohort.drop(columns=["score", "probability"]), write)
        with pytest.raises(InputError, match=match):
            with_scores(table, write(spoil(cohort[["exam_id", "score"]]), "scores.csv"))


def test_words_fit_the_table(make_cohort, write):
    table = audited(make_cohort(20).rename(columns={"cancer": "relapse"}), write, label="relapse")
    said = in_words_of(table, "Of 12 exams without cancer 3 women with cancers; exam_year stays.")
    assert said == (
        "Of 12 exams without the label relapse 3 patients with positives; exam_year stays."
    )
