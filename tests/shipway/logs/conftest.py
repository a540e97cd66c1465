"""What the tests of logs share."""

from pathlib import Path

import pytest

from tests.shipway.labels.logs import Logs


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """The logs of one model, in a project of its own."""
    return Logs(tmp_path)
