"""What a slot tells about its own process, and when a log has a sign of life."""

import pytest
from prometheus_client import CollectorRegistry

from shipway.contract.metrics import PROCESS_CPU_SECONDS_TOTAL, PROCESS_MEMORY_BYTES, Slot
from shipway.contract.release import short_digest
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.serving.measures import Measures
from shipway.serving.opening import _counted

DIGEST = "sha256:" + 64 * "a"
SCHEMA = Schema(fields=(FieldSpec(name="x", kind=FieldKind.NUMBER),))

WHO = {"model": "m", "version": short_digest(DIGEST), "slot": "blue"}


def test_a_process_shows_what_it_has_used_since_its_start() -> None:
    """CPU time counts up by what is new, memory is what is held now."""
    registry = CollectorRegistry()
    measures = Measures(
        model="m",
        digest=DIGEST,
        slot=Slot.BLUE,
        schema=SCHEMA,
        features=(),
        prediction_edges=(0.5,),
        live_edges={},
        registry=registry,
    )
    for cpu_seconds, memory_bytes in ((2.0, 500), (3.5, 400)):
        measures.process(cpu_seconds, memory_bytes)
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
