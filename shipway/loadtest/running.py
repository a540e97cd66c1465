"""One load test from start to end: the slot, the requests, stage after stage, the search, the result."""

import json
import random
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from shipway.bundle.isolated import forget, import_isolated
from shipway.bundle.served import ServedModel
from shipway.bundle.store import ArtifactStore
from shipway.contract.check import LATENCY_BUDGETS, LEAST_LATENCY_REQUESTS
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ArtifactError, ShipwayError, SpecError
from shipway.contract.loadtest import (
    PROFILES,
    LoadProfile,
    LoadTestResult,
    LoadTestSpec,
    Measured,
    Profile,
    StageResult,
)
from shipway.contract.model import ModelSpec
from shipway.contract.release import short_digest
from shipway.contract.schema import Schema
from shipway.loadtest.judging import Memory, judge
from shipway.loadtest.scenario import NO_KEYS, Keys, fitting, fitting_keys, rows
from shipway.loadtest.search import found_rates, next_rate
from shipway.loadtest.sending import Address, Sender, sender
from shipway.loadtest.slot import RunningSlot, existing_keys, running_slot
from shipway.loadtest.stages import Planned, Sent, enough_seconds, latency_of, least_requests, stage_result

__all__ = ["Order", "planned_stages", "run"]

# Requests are made before they are sent, as many different ones as fit into this and no more than these.
_MOST_BODIES = 2000
_MOST_BODY_BYTES = 32 * 2**20
# A search's step is no shorter: it would hold too few requests to say anything.
_LEAST_STEP_SECONDS = 1.0


@dataclass(frozen=True)
class Order:
    """What is to be tested, and how.

    Args:
        spec: the model's; its `loadtest` section rules.
        digest: the version.
        artifacts: the store that has it.
        features: a feature store that has its views and is only read; None makes an empty one.
        logged: rows of the prediction log, of any version.
        profile: the question.
        environment: where this is asked.
        seed: of arrivals and requests.
        requests_per_second: instead of what model.yaml says.
        duration_seconds: of the stages together, instead of the profile's.
        address: where requests go; None starts a slot for the test.
        asked_at: when the newest logged row was asked. The slot of a model that reads features is asked as of then, so
            that values are as old as they were; None asks it as of now.
    """

    spec: ModelSpec
    digest: str
    artifacts: Path
    features: Path | None
    logged: Sequence[Mapping[str, Any]]
    profile: Profile
    environment: str
    seed: int
    requests_per_second: float | None = None
    duration_seconds: float | None = None
    address: tuple[str, str] | None = None
    asked_at: datetime | None = None

    @property
    def rate(self) -> float:
        """The rate that the stages are multiples of."""
        return self.requests_per_second or self.expected_rate

    @property
    def expected_rate(self) -> float:
        """What one replica has to stand, by model.yaml."""
        return self.spec.loadtest.rate(self.spec.resources.requests_per_second)

    @property
    def scale(self) -> float:
        """How many times longer than the profile says."""
        return 1.0 if self.duration_seconds is None else self.duration_seconds / PROFILES[self.profile].seconds

    @property
    def whole(self) -> bool:
        """Whether the result is evidence for a release: of one replica, as long and at the rate that is demanded."""
        # Behind an address may be many.
        return self.address is None and self.scale >= 1 and self.rate >= self.expected_rate


@dataclass
class _Course:
    """What has been sent so far."""

    planned: list[Planned] = field(default_factory=list[Planned])
    sent: list[Sent] = field(default_factory=list[Sent])


def planned_stages(profile: LoadProfile, requests_per_second: float, scale: float, least: int) -> list[Planned]:
    """Returns the stages of a profile at a rate, each `scale` times as long as it says.

    A judged one is longer where a low rate would bring fewer than `least` requests, which could say nothing; not in a
    test that is shortened.
    """
    planned: list[Planned] = []
    for stage in profile.stages:
        rate, seconds = stage.rate_factor * requests_per_second, stage.seconds * scale
        lasting = _lasting_seconds(rate, seconds, scale, least) if stage.judged else seconds
        planned.append(Planned(rate, lasting, stage.judged))
    return planned


def _lasting_seconds(requests_per_second: float, seconds: float, scale: float, least: int) -> float:
    """Returns how long something that is judged lasts: `seconds`, or until it can say something, if not shortened."""
    return max(seconds, enough_seconds(requests_per_second, least)) if scale >= 1 else seconds


def _least(order: Order, served: ServedModel) -> int:
    """Returns how many requests a judged stage needs: for the objective, and for the budget of the application."""
    application, objective = order.spec.application, least_requests(served.slo)
    budgeted = application is not None and LATENCY_BUDGETS[application].p99_seconds is not None
    return max(objective, LEAST_LATENCY_REQUESTS) if budgeted and order.profile is Profile.LOAD else objective


def run(order: Order, say: Callable[[str], None], now: Callable[[], datetime]) -> LoadTestResult:
    """Returns what the load test measured.

    Args:
        order: what is tested, and how.
        say: told what is going on.
        now: the time, with a time zone.

    Raises:
        SpecError: when the test would send more than model.yaml allows.
        ArtifactError: when the store has no such bundle of this model.
        ShipwayError: when nothing could be measured: no slot, no answer, or another version's.
    """
    spec, profile = order.spec.loadtest, PROFILES[order.profile]
    bundle, served, schema = _version(order)
    stages = planned_stages(profile, order.rate, order.scale, _least(order, served))
    _refuse_too_many(stages, spec)
    keys = _keys(order, served, schema, say)
    bodies, logged = _bodies(order, schema, stages, keys)
    say(f"{len(bodies):,} different requests, {logged:,} of them from the prediction log")
    features = order.features if served.features.reads else bundle.parent
    with _target(order, bundle, features, say) as (url, path, slot):
        address = Address(url, path, served.serving.answer_seconds(served.features), _event_time(order, served))
        memory_bytes = slot.memory_bytes if slot is not None else _unknown
        started_at = now()
        with sender(address, bodies, f"loadtest-{order.seed}", say) as sending:
            course, memory = _Course(), Memory()
            for planned in stages:
                if planned.judged and memory.before_bytes is None:
                    memory = Memory(memory_bytes())
                _send(order, sending, course, planned, url, say)
            memory = Memory(memory.before_bytes, memory_bytes())
            if profile.search_seconds is not None:
                step_seconds = max(_LEAST_STEP_SECONDS, profile.search_seconds * order.scale)
                _search(order, served, sending, course, step_seconds, url, say)
        ended_at = now()
        if slot is not None and served.features.reads:
            say(f"{slot.defaulted_ratio():.0%} of the requests got the default of a feature")
    return _result(order, served, course, memory, started_at, (ended_at - started_at).total_seconds())


def _refuse_too_many(stages: Sequence[Planned], spec: LoadTestSpec) -> None:
    expected = sum(stage.requests_per_second * stage.seconds for stage in stages)
    if expected > spec.max_requests:
        raise SpecError(
            "model.yaml", "loadtest.max_requests", spec.max_requests, f"at least the {expected:,.0f} of this test"
        )
    top = max(stage.requests_per_second for stage in stages)
    if top > spec.max_requests_per_second:
        raise SpecError(
            "model.yaml",
            "loadtest.max_requests_per_second",
            spec.max_requests_per_second,
            f"at least the {top:g} of this test",
        )


def _version(order: Order) -> tuple[Path, ServedModel, Schema]:
    """Returns where the bundle lies, how it answers, and what it is asked; its code is run under a name of its own."""
    store = ArtifactStore(order.artifacts)
    manifest = store.verify(order.digest)
    if manifest.model != order.spec.name:
        raise ArtifactError(f"{order.digest} is a bundle of {manifest.model!r}, expected one of {order.spec.name!r}")
    bundle = store.path(order.digest)
    described = bundle / "files" / "model.json"
    served = parse(ServedModel, read_json(described), described)
    package, suffix = manifest.service.partition(".")[0], f"loadtest_{short_digest(order.digest)}"
    module: Any = import_isolated(bundle / "files" / "src", package, "schema", suffix)
    forget(package, suffix)
    return bundle, served, module.SCHEMA


def _keys(order: Order, served: ServedModel, schema: Schema, say: Callable[[str], None]) -> Keys:
    """Returns field -> keys that the feature store knows: of others nothing is found, which costs less."""
    views = sorted({read.name.partition(":")[0] for read in served.features.reads})
    if not views or order.features is None:
        return NO_KEYS
    keys = fitting_keys(schema, existing_keys(order.features, views))
    told = ", ".join(f"{len(values):,} of {name}" for name, values in keys.items())
    say(f"keys that the feature store knows: {told or 'none that is called like a field'}")
    return keys


def _event_time(order: Order, served: ServedModel) -> str:
    """Returns what time requests say it is, empty for now; an address is somebody's, and its clock is his."""
    if order.address is not None or order.asked_at is None or not served.features.reads:
        return ""
    return order.asked_at.isoformat()


def _unknown() -> int | None:
    """Returns the memory of a process that is not on this machine."""
    return None


def _bodies(order: Order, schema: Schema, stages: Sequence[Planned], keys: Keys) -> tuple[list[str], int]:
    """Returns different requests, and how many of them are from the log."""
    expected = sum(stage.requests_per_second * stage.seconds for stage in stages)
    most = max(1, min(_MOST_BODIES, round(expected)))
    rng = random.Random(order.seed)  # noqa: S311 - requests that can be repeated, no secret
    bodies: list[str] = []
    logged = size = 0
    for row, from_log in rows(schema, order.spec.loadtest, fitting(schema, order.logged), rng, keys):
        body = json.dumps({"rows": [row]})
        size += len(body)
        if bodies and (len(bodies) >= most or size > _MOST_BODY_BYTES):
            return bodies, logged
        bodies.append(body)
        logged += from_log
    raise AssertionError("rows come for ever")


@contextmanager
def _target(
    order: Order, bundle: Path, features: Path | None, say: Callable[[str], None]
) -> Generator[tuple[str, str, RunningSlot | None]]:
    """Yields address, path, and the slot where one was started for the test."""
    if order.address is not None:
        url, path = order.address
        yield url, path, None
        return
    say(f"starting a slot of {short_digest(order.digest)}")
    with running_slot(bundle, features, say) as slot:
        yield slot.url, "/predict", slot


def _send(
    order: Order, sending: Sender, course: _Course, planned: Planned, url: str, say: Callable[[str], None]
) -> None:
    about = "a step of the search" if planned.searched else "judged" if planned.judged else "not judged"
    say(f"{planned.requests_per_second:.4g} requests/s for {planned.seconds:.3g} s ({about})")
    sent = sending.send(planned, order.seed + 1_000_003 * len(course.sent))
    expected = short_digest(order.digest)
    if others := sorted(sent.versions - {expected}):
        raise ShipwayError(f"{url} answered as version {others[0]}, expected {expected}; nothing was kept")
    course.planned.append(planned)
    course.sent.append(sent)
    if sent.requests and not any(one.versions for one in course.sent):
        why = sent.failed_by.most_common(1)[0][0] if sent.failed_by else "no answer names its version"
        raise ShipwayError(f"{url} gave no answer of {expected} at all ({why}); nothing was kept")


def _search(
    order: Order,
    served: ServedModel,
    sending: Sender,
    course: _Course,
    seconds: float,
    url: str,
    say: Callable[[str], None],
) -> None:
    spec = order.spec.loadtest
    while True:
        known = [
            stage_result(planned, sent, served.slo)
            for planned, sent in zip(course.planned, course.sent, strict=True)
            if planned.judged
        ]
        rate = next_rate(known, spec.max_requests_per_second)
        so_far = sum(sent.requests for sent in course.sent)
        if rate is None:
            return
        lasting = _lasting_seconds(rate, seconds, order.scale, least_requests(served.slo))
        if so_far + rate * lasting > spec.max_requests:
            return
        _send(order, sending, course, Planned(rate, lasting, searched=True), url, say)


def _result(
    order: Order, served: ServedModel, course: _Course, memory: Memory, started_at: datetime, duration_seconds: float
) -> LoadTestResult:
    both = list(zip(course.planned, course.sent, strict=True))
    stages = tuple(stage_result(planned, sent, served.slo) for planned, sent in both)
    judged = [sent for planned, sent in both if planned.judged and not planned.searched]
    latency = latency_of([seconds for sent in judged for seconds in sent.latencies_seconds])
    profile, spec = PROFILES[order.profile], order.spec.loadtest
    judgement, sentence = judge(profile, stages, latency, memory, served.slo, spec)
    best, missed = found_rates([stage for stage in stages if stage.judged])
    if profile.search_seconds is None:
        best = missed = None
    else:
        sentence += f"; {_searched(best, missed, stages[-1])}"
    failed_by = sum((sent.failed_by for sent in course.sent), Counter[str]())
    return LoadTestResult(
        model=order.spec.name,
        digest=order.digest,
        profile=order.profile,
        environment=order.environment,
        measured=Measured.SLOT if order.address is None else Measured.URL,
        started_at=started_at,
        duration_seconds=duration_seconds,
        arrivals_per_second=order.rate,
        whole=order.whole,
        requests=sum(sent.requests for sent in judged),
        failures=sum(sent.failures for sent in judged),
        failed_by=dict(failed_by),
        latency=latency,
        objective_latency_seconds=served.slo.latency_seconds,
        objective_quantile=served.slo.latency_quantile,
        objective_error_ratio=served.slo.error_ratio,
        throughput_at_slo_per_second=best,
        break_point_per_second=missed,
        memory_before_bytes=memory.before_bytes,
        memory_after_bytes=memory.after_bytes,
        seed=order.seed,
        stages=stages,
        judgement=judgement,
        sentence=sentence,
    )


def _searched(best: float | None, missed: float | None, last: StageResult) -> str:
    stands = "no rate met the objective" if best is None else f"stands {best:.4g} requests/s"
    if missed is not None:
        return f"{stands}, breaks at {missed:.4g}"
    if last.objective_met is None:
        return f"{stands}; at {last.requests_per_second:.4g} the sender itself was late, so nothing is known beyond"
    return f"{stands}, no break point was reached"
