"""Every constant of the synthetic screening programme, under one name.

A source names a publication; "assumption" marks a choice of this package, "calibrated" a value
moved until the programme met the targets in `targets.py`. Nothing here depends on a run. The
constants stand in `constants` and the modules named parameters_*; others say `parameters.NAME`.
"""

import pandas as pd

# one name for every constant is the point of this module
from mammolab.world.constants import *
from mammolab.world.constants import Parameter
from mammolab.world.parameters_disease import *
from mammolab.world.parameters_pacs import *
from mammolab.world.parameters_people import *
from mammolab.world.parameters_policy import *
from mammolab.world.parameters_practice import *


def parameter_table() -> pd.DataFrame:
    """List every constant of the world: name, value, unit, meaning, source.

    Returns
    -------
    DataFrame, one row a constant, in the order of the files.
    """
    rows = [
        {
            "name": name.lower(),
            "value": item.value,
            "unit": item.unit,
            "meaning": item.meaning,
            "source": item.source,
        }
        for name, item in globals().items()
        if isinstance(item, Parameter)
    ]
    return pd.DataFrame(rows)
