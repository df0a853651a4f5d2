"""The invented data of fabricate.py as a fixture (tests are no package, so it is loaded by path)."""

import importlib.util
from pathlib import Path

import matplotlib
import pytest

matplotlib.use("Agg")


@pytest.fixture(scope="session")
def fabricate():
    """The module of invented data."""
    spec = importlib.util.spec_from_file_location(
        "report_fabricate", Path(__file__).with_name("fabricate.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
