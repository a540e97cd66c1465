"""What the tests of this service share: the flights, the values of the features, and an offline repository."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shipway.bundle.source import import_from

SERVICE = Path(__file__).resolve().parents[1]


def module(name: str) -> Any:
    """Returns a module of the service, imported as everywhere else."""
    return import_from(SERVICE.parent, SERVICE.name, name)


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    """Every flight of the year."""
    return module("dataset").flights()


@pytest.fixture(scope="session")
def values(flights: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """View -> every value it ever had."""
    return module("dataset").feature_rows(flights)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan's cache folder."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def data(cache: Path) -> Any:
    """The training data with the default settings."""
    return module("train").load(module("train").SETTINGS(), cache)


@pytest.fixture(scope="session")
def repository(cache: Path, data: Any) -> Path:
    """The offline repository that `load` has made."""
    return cache / data.data_version
