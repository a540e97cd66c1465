"""What the tests of parity share: one service, imported once."""

import pytest

from tests.shipway.parity.shop import Shop, write_service


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The service; each comparison has offline files of its own."""
    root = tmp_path_factory.mktemp("shop")
    return Shop(write_service(root), root)
