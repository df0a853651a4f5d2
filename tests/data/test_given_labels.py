"""Cohorts of public data sets: labels by breast, gaps, rules that cannot be judged, given splits."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mammolab.data.adapters.base import Card, Source, table
from mammolab.data.adapters.folder import write_source
from mammolab.data.cohort import CohortRules, build_cohort
from mammolab.data.outcomes import build_outcomes
from mammolab.data.splits import assign_split
from mammolab.data.tables import read_export
from mammolab.errors import InputError
from mammolab.model.baselines import baseline_scores
from mammolab.model.exams import exam_labels, image_labels, selection_exams
from mammolab.schemas import SPLITS, read_table, write_table

SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}
CARD = Card(
    name="none", title="A set that is none", label="Cancer by formula.", labels="given",
    prevalence="enriched", lacks=("dates", "follow_up", "reading"), cannot=(), mapped=(), traps=(),
    licence="none", citation="nobody",
)  # fmt: skip
# exam -> (cancer, invasive) of the left and of the right breast
BREASTS = {
    "E1": (("1", "1"), ("0", "0")),
    "E2": (("1", "0"), ("1", "")),
    "E3": (("1", "0"), ("", "")),
    "E4": (("0", "0"), ("", "")),
    "E5": (("", ""), ("", "")),
    "E6": (("0", "0"), ("0", "0")),
}


def source(root, breasts=BREASTS, **changes) -> Source:
    exams = list(breasts)
    people = [exam.replace("E", "P") for exam in exams]
    rows = [(e, side, *told) for e in exams for side, told in zip("LR", breasts[e], strict=True)]
    exam_ids, sides, cancer, invasive = map(list, zip(*rows, strict=True))
    kind = ["pathology" if one else "" for one in cancer]
    made = Source(
        card=CARD,
        images_root=root,
        patients=table("patients", {"patient_id": people}),
        exams=table("exams", {"exam_id": exams, "patient_id": people}),
        labels=table("labels", {
            "exam_id": exam_ids, "laterality": sides, "cancer": cancer, "invasive": invasive,
            "kind": kind,
        }),
        images=table("images", {
            "image_id": [f"{e}{s}" for e, s, *_ in rows], "exam_id": exam_ids,
            "patient_id": [one.replace("E", "P") for one in exam_ids],
            "path": [f"{e}{s}.dcm" for e, s, *_ in rows], "laterality": sides, "view": "CC",
            "use": "1",
        }),
    )  # fmt: skip
    return replace(made, **changes)


@pytest.fixture
def read(tmp_path):
    """A function (source) that writes it as `mammolab adapt` does and reads it as chapter 02."""
    return lambda made: read_export(write_source(made, tmp_path / "raw"))


def cohort_of(raw, **rules):
    return build_cohort(raw, CohortRules(SHARES, **rules))


class TestLabels:
    def test_an_exam_is_positive_if_one_breast_is_and_out_if_none_is_labelled(self, read, tmp_path):
        built = cohort_of(read(source(tmp_path)))
        cohort = built.cohort.set_index("exam_id")
        assert cohort["cancer_within_1y"].to_dict() == {
            "E1": True, "E2": True, "E3": True, "E4": False, "E6": False,
        }  # fmt: skip
        assert cohort["cancer_laterality"].tolist() == ["L", "B", "L", "", ""]
        assert cohort["labelled_laterality"].tolist() == ["B", "B", "L", "L", "B"]
        flow = built.flow.set_index("step")
        assert flow.loc["labelled", "n_removed_exams"] == 1

    def test_invasive_is_unknown_unless_one_breast_is_or_all_are_told(self, read, tmp_path):
        invasive = cohort_of(read(source(tmp_path))).cohort.set_index("exam_id")["invasive"]
        assert invasive.dtype == "boolean"
        assert invasive["E1"] and pd.isna(invasive["E2"]) and not invasive["E3"]
        assert not invasive["E4"]

    def test_images_of_unlabelled_breasts_are_of_no_use(self, read, tmp_path):
        cohort = cohort_of(read(source(tmp_path))).cohort
        images = pd.DataFrame(
            [(f"{e}{s}", e, e.replace("E", "P"), s, "CC", n)
             for n, (e, s) in enumerate((e, s) for e in BREASTS for s in "LR")],
            columns=["image_id", "exam_id", "patient_id", "laterality", "view", "row"],
        ).assign(status="ok")  # fmt: skip
        labelled = image_labels(images, cohort).set_index("image_id")["label"]
        assert labelled.to_dict() == {
            "E1L": True, "E1R": False, "E2L": True, "E2R": True, "E3L": True, "E4L": False,
            "E6L": False, "E6R": False,
        }  # fmt: skip
        rows = exam_labels(images, cohort).set_index("exam_id")
        assert rows.loc["E3", ["row_l_cc", "row_r_cc"]].tolist() == [4, 4]  # the other stands in
        assert rows.loc["E1", ["row_l_cc", "row_r_cc"]].tolist() == [0, 1]

    def test_a_cancer_without_a_side_is_a_positive_exam(self, read, tmp_path):
        made = source(tmp_path)
        card = replace(CARD, lacks=(*CARD.lacks, "breasts"))
        exams = made.exams.assign(years_to_cancer=["", "", "", "", "0", "1"])
        cohort = cohort_of(read(replace(made, card=card, exams=exams))).cohort.set_index("exam_id")
        assert cohort.loc["E5", "cancer_within_1y"] and cohort.loc["E5", "cancer_laterality"] == ""
        assert not cohort.loc["E6", "cancer_within_1y"]

    def test_the_cohort_survives_its_file(self, read, tmp_path):
        cohort = cohort_of(read(source(tmp_path))).cohort
        write_table(cohort, tmp_path / "cohort.parquet", "cohort")
        again = read_table(tmp_path / "cohort.parquet", "cohort")
        pd.testing.assert_frame_equal(again, cohort.reset_index(drop=True))


class TestGaps:
    def test_rules_that_cannot_be_judged_remove_nobody_and_are_named(self, read, tmp_path):
        built = cohort_of(read(source(tmp_path)))
        flow = built.flow.set_index("step")
        assert "age at least 40" not in flow.index
        reason = flow.loc["rules not judged", "reason"]
        for rule in ("screening exams", "age at least 40", "one exam a day", "followed up"):
            assert rule in reason
        assert (built.cohort[["exam_date", "exam_year", "age_years", "age_band"]].isna()).all(None)

    def test_a_rule_is_applied_where_it_can_be_judged(self, read, tmp_path):
        made = source(tmp_path)
        exams = made.exams.assign(age_years=["39", "", "40", "50", "60", "70"])
        built = cohort_of(read(replace(made, exams=exams)))
        assert "E1" not in set(built.cohort["exam_id"]) and len(built.cohort) == 4
        flow = built.flow.set_index("step")
        assert flow.loc["age at least 40", "n_removed_exams"] == 1
        assert "1 of whom it is unknown" in flow.loc["age at least 40", "reason"]
        assert built.cohort.set_index("exam_id")["age_band"].to_dict() == {
            "E2": None, "E3": "40-49", "E4": "50-59", "E6": "70+",
        }  # fmt: skip

    def test_an_exam_without_a_decision_is_out_where_decisions_are_told(self, read, tmp_path):
        made = source(tmp_path)
        card = replace(CARD, lacks=("dates", "follow_up"))
        exams = made.exams.assign(recall=["1", "0", "", "0", "0", "0"])
        built = cohort_of(read(replace(made, card=card, exams=exams)))
        assert "E3" not in set(built.cohort["exam_id"])
        assert built.cohort["recall"].dtype == bool
        flow = built.flow.set_index("step")
        assert flow.loc["reader's decision told", "n_removed_exams"] == 1

    def test_no_outcomes_without_dates(self, read, tmp_path):
        raw = read(source(tmp_path))
        built = cohort_of(raw)
        outcomes = build_outcomes(
            built.cohort.head(0), built.diagnoses, raw.patients, raw.exams,
            raw.registry_complete_through,
        )  # fmt: skip
        write_table(outcomes, tmp_path / "outcomes.parquet", "outcomes")
        assert len(read_table(tmp_path / "outcomes.parquet", "outcomes")) == 0

    def test_every_exam_with_an_image_in_use_weighs_one_where_none_has_a_weight(
        self, read, tmp_path
    ):
        made = source(tmp_path)
        gone = made.images["exam_id"] == "E6"
        images = made.images.assign(
            use=np.where(gone, "0", "1"), reason=np.where(gone, "view AT", "")
        )
        cohort = cohort_of(read(replace(made, images=images))).cohort.set_index("exam_id")
        assert not cohort.loc["E6", "has_pixels"] and np.isnan(cohort.loc["E6", "sampling_weight"])
        assert (cohort["sampling_weight"].dropna() == 1).all() and cohort["has_pixels"].sum() == 4

    def test_weights_that_are_told_stay(self, read, tmp_path):
        made = source(tmp_path)
        exams = made.exams.assign(sampling_weight=["1", "1", "1", "9", "9", "9"])
        raw = read(replace(made, exams=exams))
        assert raw.tells("prevalence") and not read(made).tells("prevalence")
        assert cohort_of(raw).cohort["sampling_weight"].tolist() == [1, 1, 1, 9, 9]


class TestExport:
    def test_dates_may_be_blank_only_where_the_set_lacks_them(self, read, tmp_path):
        made = source(tmp_path)
        raw = read(made)
        assert raw.exams["exam_date"].isna().all() and pd.isna(raw.extract_date)
        dated = replace(
            made, card=replace(CARD, lacks=("follow_up", "reading")), extract_date="2020-01-01",
            registry_complete_through="2020-01-01",
        )  # fmt: skip
        with pytest.raises(InputError, match=r"exams.csv: column exam_date is blank"):
            read(dated)

    def test_an_older_adapters_folder_is_told(self, tmp_path):
        folder = write_source(source(tmp_path), tmp_path / "raw")
        text = (folder / "export.json").read_text().replace('"label_meaning"', '"meaning"')
        (folder / "export.json").write_text(text)
        with pytest.raises(InputError, match=r"label_meaning is missing.*`mammolab adapt`"):
            read_export(folder)


class TestSplit:
    @pytest.fixture
    def many(self, tmp_path):
        breasts = {f"E{n}": (("0", "0"), ("0", "0")) for n in range(300)}
        return source(tmp_path, breasts)

    def splits(self, many, told, read, **rules):
        labels = many.labels.assign(split=[told(int(one[1:])) for one in many.labels["exam_id"]])
        cohort = cohort_of(read(replace(many, labels=labels)), **rules).cohort
        number = cohort["exam_id"].str[1:].astype(int)
        return cohort.assign(number=number).set_index("number")["split"].sort_index()

    def test_test_women_are_kept_and_the_others_divided(self, many, read):
        split = self.splits(many, lambda n: "test" if n < 60 else "train", read)
        assert (split[:60] == "test").all()
        rest = split[60:].value_counts(normalize=True)
        assert set(rest.index) == {"train", "dev"} and 0.65 < rest["train"] < 0.85

    def test_three_parts_are_kept_as_they_are(self, many, read):
        split = self.splits(many, lambda n: SPLITS[n % 3], read)
        assert split.tolist() == [SPLITS[n % 3] for n in range(300)]

    def test_women_of_whom_nothing_is_told_are_divided_as_elsewhere(self, many, read):
        split = self.splits(many, lambda n: "test" if n < 60 else "", read)
        hashed = assign_split([f"P{n}" for n in range(300)], SHARES, "mammolab")
        assert split[60:].tolist() == hashed[60:].tolist()

    def test_no_test_set_and_no_wish_for_it_mean_the_hash(self, many, read):
        hashed = assign_split([f"P{n}" for n in range(300)], SHARES, "mammolab").tolist()
        assert self.splits(many, lambda n: "train", read).tolist() == hashed
        kept = self.splits(many, lambda n: "test" if n < 60 else "", read, published_split=False)
        assert kept.tolist() == hashed


class TestUnknownInModels:
    def test_every_cancer_counts_as_caught_where_no_decision_is_told(self, read, tmp_path):
        cohort = cohort_of(read(source(tmp_path))).cohort.assign(split="dev")
        dev = selection_exams(cohort, set(cohort["exam_id"]), 10, np.random.default_rng(0))
        assert dev["caught"].tolist() == dev["label"].tolist() == [True] * 3 + [False] * 2

    def test_baselines_of_unknown_columns_are_left_out_and_a_gap_is_said(self):
        n = 40
        rng = np.random.default_rng(1)
        age = rng.uniform(40, 80, n)
        exams = pd.DataFrame({
            "exam_id": [f"E{i}" for i in range(n)], "patient_id": [f"P{i}" for i in range(n)],
            "age_years": age, "density": None, "cancer_within_1y": age > 60,
            "sampling_weight": 1.0,
        })  # fmt: skip
        store = rng.integers(0, 255, (n, 32, 26), dtype=np.uint8)
        images = pd.DataFrame({"exam_id": exams["exam_id"], "row": range(n)})
        whole = baseline_scores(exams, exams, store, images)
        assert set(whole) == {"age", "texture"}
        gap = exams.assign(age_years=exams["age_years"].where(exams.index % 5 > 0))
        scores = baseline_scores(gap, gap, store, images)["age"]
        known = gap["age_years"].notna()
        assert np.corrcoef(scores[known], age[known])[0, 1] > 0.99
        assert np.ptp(scores[~known]) == 0  # of the unknown, one score
        nobody = exams.assign(age_years=np.nan)
        assert set(baseline_scores(nobody, nobody, store, images)) == {"texture"}
