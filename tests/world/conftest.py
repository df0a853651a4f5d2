"""The cases of pacs_cases.py and their export (tests are no package, so it is loaded by path)."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def pacs() -> ModuleType:
    """The module pacs_cases."""
    path = Path(__file__).with_name("pacs_cases.py")
    spec = importlib.util.spec_from_file_location("world_pacs_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def export(pacs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an export with every kind of object; not to be changed."""
    folder = tmp_path_factory.mktemp("pacs")
    pacs.write_tree(folder)
    return folder


@pytest.fixture(scope="session")
def listed(pacs: ModuleType) -> dict:
    """The objects of that export, (exam, instance), by the path that each should have."""
    return pacs.planned()
