"""Makes the package importable from the tests, and gives them one made-up laboratory."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory):
    """Synthetic tables and labels."""
    from watchfloor_training import synthetic

    return synthetic.laboratory(tmp_path_factory.mktemp("laboratory"))


@pytest.fixture(scope="session")
def data(laboratory):
    """Loaded tables with their streams."""
    from watchfloor_training.labels import streams
    from watchfloor_training.methods import Data
    from watchfloor_training.tables import Tables

    tables = Tables(laboratory / "tables")
    return Data(tables, streams(tables, laboratory / "labels.jsonl")[0])
