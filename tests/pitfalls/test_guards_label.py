"""Outcomes by the wrong clock and by the wrong judge."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_label import label_source, label_timing


def flags(n: int, n_true: int) -> np.ndarray:
    return np.arange(n) < n_true


class TestLabelTiming:
    exam = pd.to_datetime(["2012-01-01"] * 5)

    def test_by_hand(self):
        diagnosis = pd.to_datetime(["2012-01-01", "2012-12-31", "2013-02-01", "2011-05-01", None])
        # The first two are right; one is late, one before, and the last has no date.
        verdict = label_timing(self.exam, diagnosis, [1, 1, 1, 1, 1])
        assert verdict.fired
        assert verdict.statistic == pytest.approx(3 / 5)
        assert "1 diagnosed before the exam, 1 over 365 days after it, 1 without" in verdict.message

    def test_silent_where_label_and_dates_agree(self):
        diagnosis = pd.to_datetime(["2012-01-01", "2012-12-31", "2013-02-01", "2011-05-01", None])
        verdict = label_timing(self.exam, diagnosis, [1, 1, 0, 0, 0])
        assert verdict.statistic == 0
        assert not verdict.fired

    def test_a_cancer_called_healthy_is_found(self):
        diagnosis = pd.to_datetime(["2012-01-05"] * 5)
        verdict = label_timing(self.exam, diagnosis, [1, 1, 1, 0, 0])
        assert verdict.statistic == pytest.approx(0.4)
        assert "2 diagnosed in time and called healthy" in verdict.message

    def test_the_horizon_is_the_labels(self):
        diagnosis = pd.to_datetime(["2013-06-01"] * 5)
        assert label_timing(self.exam, diagnosis, [1] * 5).fired
        assert not label_timing(self.exam, diagnosis, [1] * 5, horizon_days=730).fired

    def test_one_mistyped_date_of_forty_is_no_alarm(self):
        exam = pd.to_datetime(["2012-01-01"] * 40)
        diagnosis = exam + pd.Timedelta(days=20)
        label = flags(40, 39)
        verdict = label_timing(exam, diagnosis, label)
        assert verdict.statistic == pytest.approx(1 / 40)
        assert not verdict.fired
        assert label_timing(exam, diagnosis, flags(40, 37)).fired

    def test_text_dates_and_row_order(self):
        exam, diagnosis = ["2012-01-01", "2012-03-01", "2012-04-01"], ["2012-02-01", None, ""]
        first = label_timing(exam, [*diagnosis[:2], None], [1, 1, 0])
        again = label_timing(exam[::-1], [None, *diagnosis[1::-1]], [0, 1, 1])
        assert first == again
        assert first.statistic == 0.5

    def test_refusals(self):
        none = pd.to_datetime([None] * 5)
        with pytest.raises(InputError, match="Neither label nor dates"):
            label_timing(self.exam, none, [0] * 5)
        with pytest.raises(InputError, match="exam_date is missing in 5"):
            label_timing(none, self.exam, [1] * 5)
        with pytest.raises(InputError, match="no date"):
            label_timing(self.exam, ["soon"] * 5, [1] * 5)
        with pytest.raises(InputError, match="empty"):
            label_timing([], [], [])
        with pytest.raises(InputError, match="0 or 1"):
            label_timing(self.exam, none, [2] * 5)
        with pytest.raises(InputError, match="above 0"):
            label_timing(self.exam, none, [1] * 5, horizon_days=0)

    def test_rows_of_a_patient_count_as_one(self):
        """At most 1 in 20 may fire; of 60, more than 7 would come once in 100 times."""
        patient = np.repeat(np.arange(300), 8)
        exam = pd.Series(pd.to_datetime(["2012-01-01"] * 2400))

        def verdict(wrong, known):
            diagnosis = exam + pd.to_timedelta(np.where(wrong[patient], 800, 30), unit="D")
            ids = patient if known else None
            return label_timing(exam, diagnosis, flags(2400, 2400), patient_ids=ids)

        wrong = [np.random.default_rng(seed).random(300) < 0.01 for seed in range(60)]
        assert sum(verdict(one, True).fired for one in wrong) <= 7
        assert sum(verdict(one, False).fired for one in wrong) > 7
        assert verdict(flags(300, 12), True).fired

    @pytest.mark.parametrize("n_wrong", [0, 3, 4, 5, 20])
    def test_one_row_a_patient_changes_nothing(self, n_wrong):
        exam = pd.Series(pd.to_datetime(["2012-01-01"] * 200))
        diagnosis = exam + pd.to_timedelta(np.where(flags(200, n_wrong), 800, 30), unit="D")
        given = (exam, diagnosis, flags(200, 200))
        assert label_timing(*given, patient_ids=np.arange(200)) == label_timing(*given)


class TestLabelSource:
    def test_fires_where_the_reader_never_misses(self):
        verdict = label_source(flags(500, 40), flags(500, 90))
        assert verdict.fired
        assert verdict.statistic == 0

    def test_silent_at_the_published_sensitivity(self):
        label = flags(5000, 100)
        recalled = flags(5000, 87) | (np.arange(5000) > 4500)
        verdict = label_source(label, recalled)
        assert verdict.statistic == pytest.approx(0.13)
        assert not verdict.fired

    def test_21_cancers_are_too_few_and_22_enough(self):
        assert not label_source(flags(100, 21), flags(100, 30)).fired
        assert label_source(flags(100, 22), flags(100, 30)).fired

    def test_images_of_a_woman_are_one(self):
        label, recalled = flags(400, 40), flags(400, 60)
        ids = (np.arange(400) // 4).astype(str)
        assert label_source(label, recalled).fired
        assert not label_source(label, recalled, patient_ids=ids).fired

    def test_weights(self):
        label, recalled = flags(500, 60), flags(500, 59)
        assert label_source(label, recalled).fired
        weight = np.where(label & ~recalled, 10.0, 1.0)
        weighted = label_source(label, recalled, weight)
        assert weighted.statistic == pytest.approx(10 / 69)
        assert not weighted.fired

    def test_refusals(self):
        with pytest.raises(InputError, match="no cancer"):
            label_source(flags(10, 0), flags(10, 3))
        with pytest.raises(InputError, match="recalled has 3"):
            label_source(flags(10, 2), flags(3, 3))
