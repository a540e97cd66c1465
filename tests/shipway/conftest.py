"""An object store to keep records and logs in, as a pod's environment leads to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.object_store import ObjectStore, object_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store that boto3 finds by the variables that pods have."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n")
    with object_store() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield made
