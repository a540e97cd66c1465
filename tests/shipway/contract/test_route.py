"""Routes: the state that rides on them is read back or refused, never guessed."""

import json
from pathlib import Path

import pytest

from shipway.contract.errors import SpecError
from shipway.contract.metrics import LATENCY_EDGES_SECONDS, Slot
from shipway.contract.route import RolloutState, read_rollout_states, served

DIGEST = "sha256:" + "a" * 64


def rds(metadata: object) -> str:
    """A route configuration with one model's metadata."""
    routes = [{"match": {"prefix": "/"}}, {"metadata": {"filter_metadata": {"shipway": metadata}}}]
    return json.dumps({"resources": [{"virtual_hosts": [{"routes": routes}]}]})


def test_no_file_means_nothing_is_served(tmp_path: Path) -> None:
    """A platform that never served has no state."""
    assert read_rollout_states(tmp_path / "rds.json") == {}


def test_the_state_survives_the_route(tmp_path: Path) -> None:
    """What delivery writes onto a route is what others read."""
    state = RolloutState(live=Slot.GREEN, live_digest=DIGEST, generation=3)
    path = tmp_path / "rds.json"
    path.write_text(rds({"model": "m", "state": state.model_dump_json()}))
    assert read_rollout_states(path) == {"m": state}
    assert served({"m": state, "new": RolloutState()}) == {"m": (Slot.GREEN, DIGEST)}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"resources": []}', rds({"model": "m"}), rds({"model": "m", "state": "{"})]
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str) -> None:
    """An unreadable route state is an error, never "nothing is live"."""
    path = tmp_path / "rds.json"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"rds\.json"):
        read_rollout_states(path)


def test_the_latency_grid_grows_and_spans_a_millisecond_to_a_minute() -> None:
    """The shared grid has at least 40 edges, strictly growing."""
    assert len(LATENCY_EDGES_SECONDS) >= 40
    assert list(LATENCY_EDGES_SECONDS) == sorted(set(LATENCY_EDGES_SECONDS))
    assert (LATENCY_EDGES_SECONDS[0], LATENCY_EDGES_SECONDS[-1]) == (0.001, 60.0)
