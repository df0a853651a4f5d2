"""NYU's list and results: pickles are refused, labels by breast, results keyed by stems."""

import copy
import json
import pickle

import pytest

from mammolab.data.adapters.base import ABSENT
from mammolab.data.adapters.folder import write_source
from mammolab.data.adapters.nyu_list import read_predictions
from mammolab.data.adapters.registry import adapt, detect
from mammolab.data.lacks import NEED_PREVALENCE
from mammolab.errors import InputError

LIST = [
    {
        "horizontal_flip": "NO",
        "L-CC": ["0_L_CC", "0_L_CC_2"], "R-CC": ["0_R_CC"],
        "L-MLO": ["0_L_MLO"], "R-MLO": ["0_R_MLO"],
        "cancer_label": {"left_malignant": 1, "right_malignant": 0, "left_benign": 0,
                         "right_benign": 1, "unknown": 0},
    },
    {
        "horizontal_flip": "YES",
        "L-CC": ["1_L_CC"], "R-CC": ["1_R_CC"], "L-MLO": [], "R-MLO": ["1_R_MLO"],
        "best_center": {"L-CC": [[1, 2]]},
    },
]  # fmt: skip


@pytest.fixture
def read(lines, touch, tmp_path):
    """A function (records) that writes the list and its images, all but one, and adapts it."""

    def run(records=LIST):
        lines("exam_list.json", json.dumps(records))
        touch(*(f"images/{stem}.png" for record in LIST for key, held in record.items()
                if key[1] == "-" for stem in held if stem != "1_R_MLO"))  # fmt: skip
        return adapt("nyu", tmp_path / "set")

    return run


def changed(number=0, **items):
    records = copy.deepcopy(LIST)
    records[number] |= {key.replace("_", "-") if key[1] == "_" else key: held
                        for key, held in items.items()}  # fmt: skip
    return records


class TestList:
    def test_labels_by_breast_and_blank_where_none_is_told(self, read):
        labels = read().labels.set_index(["exam_id", "laterality"])
        assert labels["cancer"].to_dict() == {
            ("nyu_0", "L"): "1", ("nyu_0", "R"): "0", ("nyu_1", "L"): "", ("nyu_1", "R"): "",
        }  # fmt: skip
        assert labels.loc[("nyu_0", "R"), ["malignant_raw", "benign_raw"]].tolist() == ["0", "1"]

    def test_an_unknown_label_is_blank(self, read):
        told = {"left_malignant": 0, "right_malignant": 0, "unknown": 1}
        assert (read(changed(cancer_label=told)).labels["cancer"] == "").all()

    def test_images_and_flips(self, read):
        source = read()
        images = source.images.set_index("image_id")
        assert len(images) == 8
        assert images.loc["0_L_CC_2", ["exam_id", "laterality", "view", "path", "use"]].tolist() == [
            "nyu_0", "L", "CC", "images/0_L_CC_2.png", "1",
        ]  # fmt: skip
        assert images.loc["1_R_MLO", ["use", "reason"]].tolist() == ["0", ABSENT]
        assert source.exams["horizontal_flip_raw"].tolist() == ["NO", "YES"]
        assert "1 exams lack a standard view." in source.notes
        assert source.refused == tuple(NEED_PREVALENCE)

    def test_the_folder(self, read, tmp_path):
        write_source(read(), tmp_path / "out")
        text = (tmp_path / "out" / "DATASHEET.md").read_text()
        assert "No patient ids" in text and "| - cancer | 1 |" in text

    @pytest.mark.parametrize(
        "records, message",
        [
            (changed(horizontal_flip="no"), "exam nyu_0: horizontal_flip is 'no'; valid: NO, YES"),
            (changed(1, R_CC="1_R_CC"), "exam nyu_1: R-CC is no list of file stems"),
            (changed(1, R_CC=[3]), "exam nyu_1: R-CC is no list"),
            (changed(1, L_MLO=["0_L_MLO"]), "a stem is in the list more than once.*0_L_MLO"),
            (changed(cancer_label={"left_malignant": 2}), "cancer_label is no record of 0 and 1"),
            (changed(cancer_label=[0, 1]), "cancer_label is no record"),
            ([*LIST, {"horizontal_flip": "NO"}], "exam nyu_2 is no record with L-CC"),
            ([*LIST, "text"], "exam nyu_2 is no record with L-CC"),
        ],
    )
    def test_what_is_no_list_is_refused(self, read, records, message):
        with pytest.raises(InputError, match=message):
            read(records)

    def test_a_pickle_is_refused_and_not_opened(self, tmp_path):
        root = tmp_path / "set"
        root.mkdir()
        path = root / "exam_list_before_cropping.pkl"
        path.write_bytes(pickle.dumps(LIST, protocol=4))
        assert detect(root) == ["nyu"]
        with pytest.raises(InputError, match="runs the code in it.*find_class") as caught:
            adapt("nyu", root)
        assert str(caught.value).count(". ") == 0
        path.write_bytes(b"not even a pickle")
        with pytest.raises(InputError, match="is a pickle"):
            adapt("nyu", root)

    def test_the_way_told_to_convert_a_pickle_works_and_runs_nothing(self, tmp_path, read):
        class Plain(pickle.Unpickler):
            def find_class(self, module, name):
                raise pickle.UnpicklingError(f"{module}.{name}")

        path = tmp_path / "list.pkl"
        path.write_bytes(pickle.dumps(LIST, protocol=4))
        with path.open("rb") as file:
            assert read(Plain(file).load()).exams["exam_id"].tolist() == ["nyu_0", "nyu_1"]
        path.write_bytes(pickle.dumps([print]))
        with path.open("rb") as file, pytest.raises(pickle.UnpicklingError, match="builtins.print"):
            Plain(file).load()

    def test_two_lists(self, read, lines, tmp_path):
        read()
        lines("other.json", json.dumps(LIST))
        lines("notes.json", "{}")
        with pytest.raises(InputError, match="2 exam lists"):
            adapt("nyu", tmp_path / "set")


SCORES = {"0_L_CC": 0.1, "0_L_CC_2": 0.3, "0_L_MLO": 0.6, "0_R_CC": 0.5, "0_R_MLO": 0.7,
          "1_L_CC": 0.9, "1_R_CC": 0.2, "1_R_MLO": 0.4}  # fmt: skip


class TestPredictions:
    def by_image(self, lines, scores):
        return lines("../result.csv", "image_index,malignant_pred,malignant_label",
                     *(f"{stem},{score},0" for stem, score in scores.items()))  # fmt: skip

    def test_by_image_the_mean_of_views(self, read, lines):
        found = read_predictions(self.by_image(lines, dict(reversed(SCORES.items()))), read())
        scores = found.set_index(["exam_id", "laterality"])["score"].to_dict()
        assert scores == pytest.approx({
            ("nyu_0", "L"): (0.2 + 0.6) / 2, ("nyu_0", "R"): 0.6, ("nyu_1", "L"): 0.9,
            ("nyu_1", "R"): 0.3,
        })  # fmt: skip

    def test_by_breast_in_the_order_of_the_list(self, read, lines):
        path = lines(
            "../result.csv", "index,left_malignant,right_malignant", "0,0.1,0.2", "1,0.3,0.4"
        )
        found = read_predictions(path, read()).set_index(["exam_id", "laterality"])["score"]
        assert found.to_dict() == {
            ("nyu_0", "L"): 0.1, ("nyu_0", "R"): 0.2, ("nyu_1", "L"): 0.3, ("nyu_1", "R"): 0.4,
        }  # fmt: skip

    def test_other_keys_are_refused(self, read, lines):
        source = read()
        readme = {stem.replace("_L_", "_L-"): score for stem, score in SCORES.items()}
        with pytest.raises(InputError, match="image_index is no stem.*0_L_CC, not 0_L-CC"):
            read_predictions(self.by_image(lines, readme), source)
        short = {stem: score for stem, score in SCORES.items() if stem != "1_R_CC"}
        with pytest.raises(InputError, match="no row for image_id 1_R_CC"):
            read_predictions(self.by_image(lines, short), source)
        path = lines("../result.csv", "image_index,malignant_pred", "0_L_CC,0.1", "0_L_CC,0.1")
        with pytest.raises(InputError, match="is there twice"):
            read_predictions(path, source)

    @pytest.mark.parametrize("rows", [["0,0.1,0.2"], ["1,0.1,0.2", "0,0.3,0.4"]])
    def test_breasts_in_another_order_are_refused(self, read, lines, rows):
        path = lines("../result.csv", "index,left_malignant,right_malignant", *rows)
        with pytest.raises(InputError, match="must count the 2 exams of the list from 0"):
            read_predictions(path, read())
