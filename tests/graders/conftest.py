"""Every stack, registered once for all graders."""

from collections.abc import Callable, Iterator

import pytest

from tests.components.recorded import RecordedStack, recorded_stacks


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RecordedStack]]:
    """Returns what registers a stack by its name."""
    with recorded_stacks(tmp_path_factory.mktemp("stacks")) as found:
        yield found
