"""Reading a reader study: what comes out, what is refused, and the real half where it is there."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mammolab.data.reader_study import read_reader_study
from mammolab.errors import InputError, MissingInput


def study_frame(**changes) -> pd.DataFrame:
    """Four exams of two breasts, two readers, one system; exams 007 and 12 have cancer."""
    frame = pd.DataFrame(
        {
            "case_ID": ["007", "007", "12", "12", "a b", "a b", "4", "4"],
            "side": ["L", "R"] * 4,
            "label": ["0.0", "1.0", "1", "0", "0", "0", "0", "0"],
            "Reader01_POM": [0.1, 0.7, 0.4, 0.5, 0, 0, 0.05, 0],
            "Reader02_POM": [0, 1, 0.2, 0, 0, 0.3, 0, 0],
            "AI_new_net_POM": [0.01, 0.9, 0.6, 0.2, 0.1, 0.2, 0.4, 0.3],
            "comment": ["x"] * 8,
        }
    )
    return frame.assign(**changes)


@pytest.fixture
def write(tmp_path):
    """A function (frame or text, name) that writes a file and returns its path."""

    def written(content, name="study.csv"):
        path = tmp_path / name
        if isinstance(content, str):
            path.write_text(content)
        else:
            content.to_csv(path, index=False)
        return path

    return written


def test_breasts_and_exams(write):
    study = read_reader_study(write(study_frame()))
    assert study.readers == ("Reader01_POM", "Reader02_POM")
    assert study.systems == ("AI_new_net_POM",)
    assert list(study.breasts) == ["case_ID", "side", "label", *study.readers, *study.systems]
    assert study.breasts["label"].tolist() == [False, True, True] + [False] * 5
    exams = study.exams.set_index("case_ID")
    assert exams.index.tolist() == ["007", "12", "a b", "4"]  # ids are text, in the file's order
    assert exams["label"].tolist() == [True, True, False, False]
    assert exams["Reader01_POM"].tolist() == [0.7, 0.5, 0.0, 0.05]
    assert exams["Reader02_POM"].tolist() == [1.0, 0.2, 0.3, 0.0]
    assert exams["AI_new_net_POM"].tolist() == [0.9, 0.6, 0.2, 0.4]


def test_an_exam_is_the_maximum_over_its_breasts_in_any_order(write):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"case_ID": np.repeat(np.arange(30), 2), "side": ["L", "R"] * 30})
    frame["label"] = (rng.random(60) < 0.3).astype(int)
    for column in ("Reader1_POM", "Reader2_POM", "AI_x_POM"):
        frame[column] = rng.random(60).round(2)
    first = read_reader_study(write(frame)).exams.set_index("case_ID").sort_index()
    shuffled = read_reader_study(write(frame.sample(frac=1, random_state=2)))
    pd.testing.assert_frame_equal(first, shuffled.exams.set_index("case_ID").sort_index())
    for case, rows in frame.groupby(frame["case_ID"].astype(str)):
        assert first.loc[case, "label"] == rows["label"].any()
        assert first.loc[case, "AI_x_POM"] == max(rows["AI_x_POM"])


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (study_frame().drop(columns="side"), "column side is missing; expected: case_ID"),
        (study_frame().drop(columns=["case_ID", "label"]), "column case_ID, label is missing"),
        (study_frame(Reader02_POM=1.5), "Reader02_POM holds '1.5' for case_ID/side 007/L, .*to 1"),
        (study_frame(AI_new_net_POM=[-0.1] + [0.5] * 7), "AI_new_net_POM holds '-0.1' for .*007/L"),
        (
            study_frame(Reader01_POM=[0.5] * 7 + [None]),
            r"Reader01_POM holds '' for .*4/R \(1 row\)",
        ),
        (study_frame(Reader01_POM="high"), r"Reader01_POM holds 'high' .*\(8 rows\)"),
        (study_frame(label=[2] + [1, 1] + [0] * 5), "label holds '2' for .*007/L.*valid: 0, 1"),
        (study_frame(label=["", *[1] * 7]), "label holds '' for"),
        (study_frame(side="B"), "side holds 'B' for .*valid: L, R"),
        (study_frame(side="L"), r"given more than once: case_ID/side 007/L, .*\(4 rows\)"),
        (study_frame(case_ID=["", *"1223344"]), "case_ID holds '' for"),
        (study_frame().drop(columns="Reader02_POM"), r"1 reader column\(s\), where at least two"),
        (study_frame().drop(columns="AI_new_net_POM"), "no system's column"),
        (study_frame(reader_3_POM=0.5), "column reader_3_POM is neither a reader's nor a system's"),
        (study_frame(label=0), "0 of 4 exams have cancer"),
        (study_frame(label=1), "4 of 4 exams have cancer"),
        (study_frame(label=[1] + [0] * 7), "1 of 4 exams have cancer .* at least two"),
        (study_frame().iloc[:0], "the table has no row"),
    ],
)
def test_what_is_malformed_is_named(write, frame, words):
    with pytest.raises(InputError, match=words) as error:
        read_reader_study(write(frame))
    assert "study.csv: " in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a readable CSV table"),
        ("case_ID,side,label\n1,L,0,0.5\n", "more or fewer fields than the header"),
        ("a;b\n1;2\n", "column case_ID, side, label is missing"),
    ],
)
def test_no_table_is_refused(write, text, words):
    with pytest.raises(InputError, match=words):
        read_reader_study(write(text))


def test_a_pickle_is_not_opened(write, tmp_path):
    with pytest.raises(InputError, match=r"pickles are not read.*to_csv\('reader_study.csv'"):
        read_reader_study(write("anything", "results.pkl"))
    with pytest.raises(MissingInput, match="there is no such file"):
        read_reader_study(tmp_path / "none.csv")
    with pytest.raises(MissingInput, match="there is no such file"):
        read_reader_study(tmp_path)


def test_the_nyu_half(shared_data):
    path = shared_data / "nyu_reader_study" / "results_half_by_exam.csv"
    study = read_reader_study(path)
    assert (len(study.readers), len(study.systems)) == (14, 7)
    assert (len(study.breasts), len(study.exams)) == (730, 365)
    assert (study.breasts["label"].sum(), study.exams["label"].sum()) == (35, 34)
    file = pd.read_csv(path)  # the oracle: the file as pandas reads it
    for column in (*study.readers, *study.systems):
        assert study.breasts[column].tolist() == pytest.approx(file[column].tolist(), abs=1e-15)
    gmic = roc_auc_score(study.breasts["label"], study.breasts["AI_GMIC_top5_POM"])
    assert 0.85 < gmic < 0.92
    assert roc_auc_score(study.exams["label"], study.exams["AI_GMIC_top5_POM"]) < gmic
