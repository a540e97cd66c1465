"""Who hears what, how soon, and what may never be heard.

Expected among a ModelService's inputs, and undecidable without: `model.drift` {reference, window_seconds, enabled} for
ML030, undecidable too while `release` names no bundle; `alert_tests` {passed, failed}, the result of `promtool test
rules`, for ML034; `model.logging` {payload, fields} for ML035.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from policies.kubernetes import namespace, pods
from policies.resource import Resource, at, number, rows, texts, truthy
from policies.rule import CLUSTER_TIERS, KUBERNETES, MODEL_SERVICE, PLATFORM, PROD_ONLY, Context, Severity, rule
from policies.unknown import Undecidable
from shipway.contract.environment import Tier
from shipway.contract.metrics import LATENCY_EDGES_SECONDS, PREDICTION_BINS

__all__ = ["alerts_arrive", "drift_watched", "nothing_personal", "series_bounded"]

_GROUP = "kubernetes:monitoring.coreos.com/"
# Names under which people and what they sent go.
_PERSONAL = frozenset(
    {
        "account_id",
        "body",
        "caller_id",
        "client_ip",
        "customer_id",
        "device_id",
        "email",
        "first_name",
        "full_name",
        "ip",
        "ip_address",
        "last_name",
        "passport",
        "payload",
        "phone",
        "prompt",
        "remote_addr",
        "request_body",
        "response_body",
        "session_id",
        "ssn",
        "unit_id",
        "user",
        "user_id",
        "user_name",
        "username",
        "x_forwarded_for",
        "x_unit_id",
    }
)
_LOGS_PAYLOAD = re.compile(r"(LOG|TRACE|RECORD)\w*_(BODY|BODIES|PAYLOADS?|PROMPTS?|CONTENT|INPUTS?|FEATURES)$")
_DRIFT = {"enabled": True, "reference": "sha256:" + "0" * 64, "window_seconds": 86_400}


@rule(
    "ML030",
    "drift watched",
    severity=Severity.HIGH,
    tiers=CLUSTER_TIERS,
    fix="Release a bundle that holds reference.json, and leave `drift` in model.yaml enabled with a window.",
    passing={"model": {"drift": _DRIFT}},
    failing={"model": {"drift": {**_DRIFT, "reference": ""}}},
)
def drift_watched(resource: Resource, _context: Context) -> Iterator[str]:
    """Every model has a drift monitor that compares with the reference it was trained on."""
    release = resource.props.get("release")
    if release is not None and not any(release.values()):
        raise Undecidable("nothing is released, so there is no reference to compare with")
    drift = resource.props["model"].get("drift")
    if drift is None:
        raise Undecidable("model.drift is not among the inputs, expected reference and window_seconds")
    yield from _unwatched(drift)


def _unwatched(drift: Mapping[str, Any]) -> Iterator[str]:
    if drift.get("enabled", True) is not True:
        yield f"drift.enabled is {drift.get('enabled')!r}, expected True"
    if not str(drift.get("reference") or "").strip():
        yield f"drift.reference is {drift.get('reference')!r}, expected the reference's digest"
    if not (number(drift.get("window_seconds")) or 0) > 0:
        yield f"drift.window_seconds is {drift.get('window_seconds')!r}, expected seconds"


def _receivers(urls: list[str]) -> Mapping[str, Any]:
    return {"environment": {"name": "prod", "alerts": {"webhook_urls": urls}}}


@rule(
    "ML034",
    "alerts arrive",
    severity=Severity.HIGH,
    tiers=PROD_ONLY,
    types=(PLATFORM, MODEL_SERVICE, f"{_GROUP}*"),
    fix="Name a receiver under `alerts` of the environment, give every alert severity, owner and runbook, and let "
    "`promtool test rules` pass.",
    passing=_receivers(["https://alerts.pricing.internal/hook"]),
    failing=_receivers([]),
)
def alerts_arrive(resource: Resource, context: Context) -> Iterator[str]:
    """Every alert ends with a person: it has a receiver that exists, says who and how, and is tested."""
    kind = resource.type.rpartition(":")[2]
    if resource.type == PLATFORM:
        # The local stack has a receiver of its own.
        urls = list(texts(at(resource.props, "environment", "alerts", "webhook_urls")))
        real = [url for url in urls if not re.search(r"//([\w.-]+\.)?(example\.(com|org|net)|localhost)\b", url)]
        if not real and context.tier is not Tier.LOCAL:
            yield f"alerts.webhook_urls is {urls}, expected a receiver that somebody reads"
    elif resource.type == MODEL_SERVICE:
        tests = resource.props.get("alert_tests")
        if tests is None:
            raise Undecidable("alert_tests is not among the inputs, expected what `promtool test rules` said")
        if number(tests.get("failed")) != 0 or not (number(tests.get("passed")) or 0) > 0:
            yield f"alert_tests are {dict(tests)}, expected some passed and none failed"
    elif kind == "PrometheusRule":
        for group in rows(at(resource.props, "spec", "groups")):
            for alert in rows(group.get("rules")):
                if "alert" in alert:
                    yield from _of_alert(alert)
    elif kind == "AlertmanagerConfig":
        yield from _of_config(resource.props.get("spec"))


def _of_alert(alert: Mapping[str, Any]) -> Iterator[str]:
    name = alert["alert"]
    labels: Mapping[str, Any] = alert.get("labels") or {}
    annotations: Mapping[str, Any] = alert.get("annotations") or {}
    if not str(alert.get("expr") or "").strip():
        yield f"alert {name!r} has no expr, expected one"
    for key in ("severity", "owner"):
        if not labels.get(key):
            yield f"alert {name!r} has no label {key}, expected one"
    if not str(annotations.get("runbook_url") or "").startswith(("https://", "http://")):
        yield f"alert {name!r} has runbook_url {annotations.get('runbook_url')!r}, expected a web address"


def _of_config(spec: Any) -> Iterator[str]:
    receivers: dict[Any, Mapping[str, Any]] = {one.get("name"): one for one in rows(at(spec, "receivers"))}
    wanted = [at(spec, "route", "receiver"), *(one.get("receiver") for one in rows(at(spec, "route", "routes")))]
    for name in wanted:
        configured = [
            key for key in receivers.get(name) or {} if key.endswith("Configs") and rows(receivers[name][key])
        ]
        if not configured:
            yield f"receiver {name!r} notifies nobody, expected a configured one"


def _logging(payload: bool) -> Mapping[str, Any]:
    return {"model": {"logging": {"payload": payload, "fields": ["prediction_id", "version"]}}}


@rule(
    "ML035",
    "nothing personal in logs and labels",
    severity=Severity.CRITICAL,
    types=(MODEL_SERVICE, KUBERNETES),
    fix="Keep payloads and names of people out of logs, and ids of people out of metric labels.",
    passing=_logging(payload=False),
    failing=_logging(payload=True),
)
def nothing_personal(resource: Resource, context: Context) -> Iterator[str]:
    """No log holds a payload, and no log, metric or alert carries a field that names a person."""
    if resource.type == MODEL_SERVICE:
        logging = resource.props["model"].get("logging")
        if logging is None:
            raise Undecidable("model.logging is not among the inputs, expected payload and fields")
        if logging.get("payload") is not False:
            yield f"logging.payload is {logging.get('payload')!r}, expected False"
        yield from (f"logging.fields holds {name}" for name in _personal(texts(logging.get("fields"))))
    elif resource.type.startswith(_GROUP):
        for name in _personal(_metric_labels(resource.props.get("spec") or {})):
            yield f"label {name} would name a person in every series"
    elif resource.type.startswith("kubernetes:gateway.envoyproxy.io/"):
        for name in _personal(re.findall(r"%REQ\(([\w:-]+)\)", " ".join(_texts_in(resource.props.get("spec"))))):
            yield f"the access log holds {name}"
    if context.settings.is_system(namespace(resource)):
        return
    for pod in pods(resource):
        for container in pod.containers:
            for one in rows(container.get("env")):
                value = str(one.get("value") or "")
                if _LOGS_PAYLOAD.search(str(one.get("name")).upper()) and value.lower() not in (
                    "",
                    "0",
                    "false",
                    "no",
                    "off",
                ):
                    yield f"container {container.get('name')!r}: env {one.get('name')} is {value!r}, expected false"


def _personal(names: Any) -> list[str]:
    return sorted({name for name in names if re.sub(r"\W+", "_", name).strip("_").lower() in _PERSONAL})


def _metric_labels(spec: Mapping[str, Any]) -> Iterator[str]:
    """Returns the labels that a monitor adds, or that a rule groups by or shows."""
    for key in ("podTargetLabels", "targetLabels"):
        yield from texts(spec.get(key))
    for endpoint in (*rows(spec.get("endpoints")), *rows(spec.get("podMetricsEndpoints"))):
        for key in ("relabelings", "metricRelabelings"):
            yield from (
                str(one.get("targetLabel")) for one in rows(endpoint.get(key)) if one.get("action") != "labeldrop"
            )
    for group in rows(spec.get("groups")):
        for one in rows(group.get("rules")):
            yield from one.get("labels") or ()
            for by in re.findall(r"\bby\s*\(([^)]*)\)", str(one.get("expr"))):
                yield from (name.strip() for name in by.split(","))
            annotations: Mapping[str, Any] = one.get("annotations") or {}
            shown = " ".join(str(text) for text in annotations.values())
            yield from re.findall(r"\$labels\.(\w+)", shown)


def _texts_in(value: Any) -> list[str]:
    """Returns every text in a value."""
    if isinstance(value, Mapping):
        held = cast(Mapping[str, Any], value)
        return [text for key in held for text in _texts_in(held[key])]
    return [value] if isinstance(value, str) else [text for one in rows(value) for text in _texts_in(one)]


@rule(
    "ML036",
    "series bounded",
    severity=Severity.MEDIUM,
    tiers=PROD_ONLY,
    types=(MODEL_SERVICE, f"{_GROUP}*"),
    fix="Give every monitor a sampleLimit, and a model fewer replicas or features.",
    passing={"model": {"resources": {"max_replicas": 4}, "features": {"reads": []}}},
    failing={"model": {"resources": {"max_replicas": 400}, "features": {"reads": []}}},
)
def series_bounded(resource: Resource, context: Context) -> Iterator[str]:
    """No model and no scrape can fill Prometheus: what they may write is bounded and within budget."""
    settings = context.settings
    if resource.type == MODEL_SERVICE:
        model = resource.props["model"]
        reads, replicas = len(rows(at(model, "features", "reads"))), model["resources"]["max_replicas"]
        # Both slots: latencies by outcome and inference, predictions by bin, and what a feature adds.
        each = 3 * (len(LATENCY_EDGES_SECONDS) + 3) + 2 * PREDICTION_BINS + 20 + 40 * reads
        series = int(2 * replicas * each)
        if series > settings.max_series_per_model:
            most = settings.max_series_per_model
            yield f"{replicas:g} replicas with {reads} features write {series} series, above {most}"
    elif resource.type.endswith((":ServiceMonitor", ":PodMonitor")):
        limit = number(at(resource.props, "spec", "sampleLimit"))
        if not limit or limit > settings.max_samples_per_scrape:
            yield f"sampleLimit is {limit and int(limit)!r}, expected 1 to {settings.max_samples_per_scrape}"
        for endpoint in (*rows(at(resource.props, "spec", "endpoints")),):
            if truthy(endpoint.get("honorLabels")):
                yield "honorLabels is true: a target could choose its own labels, expected false"
