"""One control plane for all tests of this folder; each test works in a namespace of its own."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane, find_programs
from tests.e2e.machine import free_base, listening
from tests.shipway.delivery.stack import PROJECT
from tools import pinned, programs


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the custom resource definitions that charts would bring; nothing of it is left behind."""
    found = find_programs()
    # The programs are links into the tool cache, where their stages lie beside them.
    stages = (found / "cluster").resolve().parent / "stages.yaml"
    folder: Path = tmp_path_factory.mktemp("cluster")
    made = ControlPlane(folder, free_base(), found, stages)
    try:
        made.start()
        definitions = pinned.definitions(PROJECT, programs.cache_folder(os.environ))
        made.kubectl("apply", "--server-side", "-f", str(definitions))
        # policy-controller itself converts between its versions, and is not there; ours is the same in both.
        conversion = json.dumps({"spec": {"conversion": {"strategy": "None", "webhook": None}}})
        name = "clusterimagepolicies.policy.sigstore.dev"
        made.kubectl("patch", "customresourcedefinition", name, "--type=merge", "-p", conversion)
        yield made
        made.alive()
    finally:
        made.stop()
        left = listening(made.base_port)
        shutil.rmtree(folder)
    assert left == []
