"""ModelService: one model's blue and green slot, route, targets and rules; the same call on every target."""

import shutil
from dataclasses import asdict
from typing import Any

import pulumi

from components.parts import ModelOutputs, PlatformOutputs
from components.preflight import live_changes
from components.services import Service
from components.target import target_of
from shipway.contract.drift import WINDOW_SECONDS
from shipway.contract.environment import EnvironmentSpec, Tier
from shipway.contract.errors import SpecError
from shipway.contract.metrics import LOG_FIELDS, Slot
from shipway.contract.record import REFERENCE_FILE, load_record, record_path
from shipway.observability.alert_tests import run_alert_tests
from shipway.observability.rules import model_rules

__all__ = ["ModelService"]


class ModelService(pulumi.ComponentResource):
    """All that belongs to one model and to nothing else.

    Its inputs carry what the policies judge: the model's spec, its release, what is known of the released bundles,
    whether a live slot would change and, in production, what the tests of its alerts said. What cannot be told is left
    out, so that nobody takes it for good.

    Args:
        service: the model, its folder and its release.
        platform: the platform it runs on.
    """

    outputs: ModelOutputs

    def __init__(self, service: Service, platform: PlatformOutputs) -> None:
        super().__init__("shipway:components:ModelService", service.spec.name, _judged(service, platform))
        self.outputs = target_of(platform.root, platform.environment).build_model(self, service, platform)
        self.register_outputs({"url": self.outputs.url})


def _judged(service: Service, platform: PlatformOutputs) -> dict[str, Any]:
    try:
        live = {"live_changes": live_changes(platform.root, platform.environment, [service])}
    except SpecError:
        live = {}
    return {
        "tier": str(platform.environment.tier),
        # No line of a slot's log holds a request; see LOG_FIELDS.
        "model": service.spec.model_dump(mode="json", exclude={"drift"})
        | {"logging": {"payload": False, "fields": [*LOG_FIELDS]}, **_drift(service)},
        "release": service.release.model_dump(mode="json", include={"blue", "green", "load_tested"}),
        "bundles": _bundles(service),
        **({} if service.room is None else {"headroom": asdict(service.room)}),
        **live,
        **_alert_tests(service, platform.environment),
    }


def _alert_tests(service: Service, environment: EnvironmentSpec) -> dict[str, Any]:
    promtool = shutil.which("promtool")
    if environment.tier is not Tier.PROD or promtool is None:
        return {}
    rules = model_rules(service.spec, environment, released=any(service.release.digest(slot) for slot in Slot))
    return {"alert_tests": asdict(run_alert_tests(promtool, rules))}


def _drift(service: Service) -> dict[str, Any]:
    """Returns what the platform's worker watches.

    Nothing is said while no bundle is released or one of them has no record to tell by.
    """
    released = [digest for slot in Slot if (digest := service.release.digest(slot))]
    if not released or not all(record_path(service.folder, digest).exists() for digest in released):
        return {}
    bare = [digest for digest in released if REFERENCE_FILE not in load_record(service.folder, digest).files]
    live = service.release.digest(service.release.live or Slot.BLUE) or released[0]
    drift, window_seconds = service.spec.drift, min(map(WINDOW_SECONDS.__getitem__, service.spec.drift.windows))
    return {
        "drift": drift.model_dump(mode="json")
        # The bundle's digest covers the reference in it; a single bundle without one leaves its version unwatched.
        | {"reference": "" if bare else live, "window_seconds": window_seconds}
    }


def _bundles(service: Service) -> dict[str, Any]:
    digests = {slot: digest for slot in Slot if (digest := service.release.digest(slot))}
    return {
        str(slot): load_record(service.folder, digest).model_dump(mode="json")
        for slot, digest in digests.items()
        if record_path(service.folder, digest).exists()
    }
