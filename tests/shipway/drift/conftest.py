"""What the tests of drift share."""

from pathlib import Path

import pytest

from tests.shipway.drift.toy import Toy


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A project with one model, without traffic."""
    return Toy(tmp_path)
