"""Every environment, registered once for all graders."""

from collections.abc import Callable, Iterator

import pytest

from tests.components.environments import Environment, recorded_environments


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Environment]]:
    """Returns what registers an environment by its name."""
    with recorded_environments(tmp_path_factory.mktemp("environments")) as found:
        yield found
