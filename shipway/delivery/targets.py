"""The slots that Prometheus scrapes often: written while their rollout is judged, gone when it is not."""

from collections.abc import Mapping
from pathlib import Path

from shipway.contract.documents import write_atomic
from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RolloutState, RouteSpec
from shipway.delivery.failpoints import reach
from shipway.observability.targets import model_targets

__all__ = ["RolloutTargets", "scraped_often"]


def scraped_often(state: RolloutState) -> bool:
    """Returns whether both slots of a model are compared, or soon will be."""
    return state.candidate is not None and state.live is not None and state.phase in _COMPARED


_COMPARED = frozenset({Phase.PREPARING, Phase.STEPPING, Phase.PAUSED})


class RolloutTargets:
    """The target files in `folder`; Prometheus sees a changed one by itself, within seconds."""

    def __init__(self, folder: Path, environment: str) -> None:
        self._folder, self._environment = folder, environment
        self._written: dict[str, str] | None = None

    def show(self, models: Mapping[str, tuple[RouteSpec, RolloutState]]) -> None:
        """Brings the files in line with the rollouts under way.

        Raises:
            OSError: when one cannot be written or removed.
        """
        wanted = {name: self._text(spec) for name, (spec, state) in models.items() if scraped_often(state)}
        if self._written is None:
            self._written = {path.stem: "" for path in self._folder.glob("*.json")}
        if wanted == self._written:
            return
        reach("targets_before_write")
        for name in self._written.keys() - wanted.keys():
            (self._folder / f"{name}.json").unlink(missing_ok=True)
        for name, text in wanted.items():
            if self._written.get(name) != text:
                write_atomic(self._folder / f"{name}.json", text)
        self._written = wanted
        reach("targets_after_write")

    def _text(self, spec: RouteSpec) -> str:
        addresses = {slot: f"127.0.0.1:{spec.endpoint(slot).port}" for slot in Slot}
        return model_targets(spec.model, self._environment, addresses)
