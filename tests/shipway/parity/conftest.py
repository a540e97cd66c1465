"""What the tests of parity share: one service, imported once."""

import pytest

from shipway.bundle.store import ArtifactStore
from tests.shipway.parity.shop import Shop, write_bundle, write_service


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The service; each comparison has offline files of its own."""
    root = tmp_path_factory.mktemp("shop")
    service = write_service(root)
    return Shop(service, root, write_bundle(service, ArtifactStore(root / "artifacts")))
