"""A production cluster with the repository's two services."""

from typing import Any

import pytest

from tests.components.kubernetes.cluster import FIRST, SECOND, STACK, Cluster


@pytest.fixture
def cluster(project: Any) -> Cluster:
    """`flight-delay` with both slots filled, `digits` with one."""
    project.add_service("flight_delay", STACK, blue=FIRST, green=SECOND)
    project.add_service("digits", STACK, blue=SECOND)
    return Cluster(project)
