"""What a slot tells about its own process, and when a log has a sign of life."""

import pytest
from prometheus_client import CollectorRegistry

from shipway.contract.metrics import PROCESS_CPU_SECONDS_TOTAL, PROCESS_MEMORY_BYTES
from shipway.serving.measures import ProcessMeasures
from shipway.serving.runtime import _counted

WHO = {"model": "m", "version": "v", "slot": "blue"}


def test_a_process_shows_what_it_has_used_since_its_start() -> None:
    """CPU time counts up by what is new, memory is what is held now."""
    registry = CollectorRegistry()
    measures = ProcessMeasures(("m", "v", "blue"), registry)
    for cpu_seconds, memory_bytes in ((2.0, 500), (3.5, 400)):
        measures.show(cpu_seconds, memory_bytes)
        assert registry.get_sample_value(PROCESS_CPU_SECONDS_TOTAL, WHO) == cpu_seconds
        assert registry.get_sample_value(PROCESS_MEMORY_BYTES, WHO) == memory_bytes


@pytest.mark.parametrize(("written", "dropped", "beats"), [(3, 0, 1), (1, 9, 1), (0, 9, 0), (0, 0, 0)])
def test_a_flush_that_left_nothing_is_no_sign_of_life(written: int, dropped: int, beats: int) -> None:
    """A log that only drops, or that nobody writes into, sets no heartbeat."""
    told: list[str] = []

    class Counted:
        def logged(self, log: str, written: int, dropped: int) -> None:
            """Counts elsewhere."""

        def heartbeat(self, job: str, now_seconds: float) -> None:
            told.append(job)

    _counted(Counted(), "predictions")(written, dropped)  # type: ignore[arg-type]
    assert told == ["predictions_log"] * beats
