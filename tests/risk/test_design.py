"""The recipe from a table to model columns: what each row truly knows."""

import numpy as np
import pandas as pd

from mammolab.risk.design import Design, Factor

FACTORS = (
    Factor("age_years", squared=True),
    Factor("density", levels=tuple("abcd")),
    Factor("n_births", highest=4),
    Factor("age_first_birth_years"),
)


def test_known_marks_the_values_that_no_fill_stands_for():
    frame = pd.DataFrame(
        {
            "age_years": [50.0, 60.0, 70.0, 55.0],
            "density": ["a", None, "c", "d"],
            "n_births": [0.0, 2.0, np.nan, 1.0],
            "age_first_birth_years": [np.nan, np.nan, np.nan, 24.0],
        }
    )
    design = Design.learn(frame, FACTORS)
    known = pd.DataFrame(design.known(frame), columns=design.names)
    assert known.shape == design.columns(frame).shape
    assert known["age_years"].all() and known["age_years squared"].all()
    assert known["density c"].tolist() == [True, False, True, True]
    assert known["n_births"].tolist() == [True, True, False, True]
    # no birth, so no age at one: nothing is missing there
    assert known["no birth"].tolist() == [True, False, False, True]
    assert known.filter(like="unknown").all(axis=None)
