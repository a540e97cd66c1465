"""What the tests of this service share: one training and one running slot for all of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shipway.scaffold.testing import TrainedService, slot_client, train_service

SERVICE = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def request_body() -> dict[str, Any]:
    """The example request, as a client would send it."""
    return json.loads((SERVICE / "tests" / "request.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedService:
    """The service, trained with its default settings."""
    return train_service(SERVICE, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def client(trained: TrainedService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a slot that serves the trained version."""
    with slot_client(trained, tmp_path_factory.mktemp("slot")) as client:
        yield client
