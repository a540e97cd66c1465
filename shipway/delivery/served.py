"""What the gateway serves of one model: its route as declared, its rollout state, and the change that made it so."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json
from shipway.contract.errors import Fatal, SpecError
from shipway.contract.evidence import Verdict
from shipway.contract.layout import LocalLayout
from shipway.contract.route import ROUTE_METADATA_KEY, RolloutState, RouteSpec, parse_state

__all__ = ["RETRIED", "Change", "ServedModel", "load_served", "metadata", "read_served"]

# The role of the digest that a retry is about, among the digests of a change and of its entry.
RETRIED = "retried"


class Change(Spec):
    """Who changed a model's rollout last, and why; it rides on the route until the ledger holds it.

    A crash between the switch and its ledger entry therefore loses nothing: the next holder of the lease finds the
    change on the route and enters it.
    """

    time: str
    actor: str
    action: str
    reason: str
    digests: dict[str, str] = Field(default_factory=dict)
    generation: Annotated[int, Field(ge=0)]
    rollout: int | None = None
    weight_percent: int | None = None
    evidence: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class ServedModel:
    """One model on the gateway; everything a restart needs to know about it rides on its own route.

    Args:
        spec: the declared route the gateway serves from; the last good one while the declared file is broken.
        state: the rollout state.
        change: the last change of that state, None before the first.
        earlier: changes before it that the ledger may not hold yet, where the route has room for them.
    """

    spec: RouteSpec
    state: RolloutState
    change: Change | None = None
    earlier: tuple[Change, ...] = field(default=(), compare=False)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What the ledger must hold, in order."""
        return self.earlier if self.change is None else (*self.earlier, self.change)


def metadata(model: ServedModel) -> dict[str, Any]:
    """Returns the filter metadata of the model's route."""
    carried = {"model": model.spec.model, "spec": model.spec.model_dump_json(), "state": model.state.model_dump_json()}
    if model.change is not None:
        carried["change"] = model.change.model_dump_json()
    return {"filter_metadata": {ROUTE_METADATA_KEY: carried}}


def read_served(path: Path) -> dict[str, ServedModel]:
    """Returns model -> what is served of it, from the route file delivery wrote; empty when there is none yet.

    Raises:
        SpecError: when the file is there but torn, edited into nonsense, or written by a newer version.
    """
    if not path.exists():
        return {}
    document: Any = read_json(path)
    found: dict[str, ServedModel] = {}
    try:
        for host in document["resources"][0]["virtual_hosts"]:
            for route in host["routes"]:
                carried = route.get("metadata", {}).get("filter_metadata", {}).get(ROUTE_METADATA_KEY)
                if carried is not None:
                    found[str(carried["model"])] = _read_one(carried, path)
    except (KeyError, IndexError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise SpecError(path, "resources[0].virtual_hosts", repr(error), "the routes that delivery wrote") from None
    return found


def load_served(layout: LocalLayout) -> dict[str, ServedModel]:
    """Returns what the gateway serves; from the last confirmed copy where the served file is torn or corrupt.

    Raises:
        Fatal: when neither can be read: no weight may be changed by someone who does not know the present ones.
    """
    try:
        return read_served(layout.served_routes)
    except SpecError as error:
        copy = layout.envoy / "confirmed" / layout.served_routes.name
        try:
            if copy.exists():
                return read_served(copy)
        except SpecError:
            pass
        raise Fatal(f"no rollout state can be read, and nothing is changed without it; {error}") from None


def _read_one(carried: Mapping[str, str], path: Path) -> ServedModel:
    change = carried.get("change")
    return ServedModel(
        spec=parse(RouteSpec, cast(object, json.loads(carried["spec"])), path),
        state=parse_state(carried["state"], path),
        change=None if change is None else parse(Change, cast(object, json.loads(change)), path),
    )
