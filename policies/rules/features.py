"""How old a feature may be, and who hears of it.

ML028 expects `freshness_slo_seconds` of each read in the model's spec, and the alert among the stack's PrometheusRules:
an expression over `shipway_feature_age_seconds` that names the model.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.resource import Resource, Stack, at, number, rows
from policies.rule import MODEL_SERVICE, Context, Scope, Severity, rule
from policies.unknown import Undecidable
from shipway.contract.metrics import FEATURE_AGE_SECONDS

__all__ = ["features_fresh"]

_RULES = "kubernetes:monitoring.coreos.com:PrometheusRule"


def _stack(slo: float) -> tuple[Resource, ...]:
    read = {"name": "weather:wind", "default": 0.0, "ttl_seconds": 3600, "freshness_slo_seconds": slo}
    model = {"name": "pricing", "features": {"reads": [read]}}
    alert = {"alert": "FeaturesStale", "expr": f'max({FEATURE_AGE_SECONDS}{{model="pricing"}}) > 1800'}
    spec = {"groups": [{"name": "pricing", "rules": [alert]}]}
    return (
        Resource(MODEL_SERVICE, "pricing", {"model": model}),
        Resource("kubernetes:monitoring.coreos.com/v1:PrometheusRule", "pricing-rules", {"spec": spec}),
    )


@rule(
    "ML028",
    "features fresh",
    severity=Severity.HIGH,
    scope=Scope.STACK,
    fix="Give each read under `features` in model.yaml a ttl_seconds and a freshness_slo_seconds within it, and keep "
    "the alert that is made from it.",
    passing=_stack(slo=1800),
    failing=_stack(slo=7200),
)
def features_fresh(resource: Resource, context: Context) -> Iterator[str]:
    """Every feature that is read has a time to live, an objective for its age within it, and an alert."""
    model = resource.props["model"]
    reads = [*rows(at(model, "features", "reads"))]
    if not reads:
        return
    for read in reads:
        where, ttl = f"features.reads {read.get('name')!r}", number(read.get("ttl_seconds")) or 0
        if not ttl > 0:
            yield f"{where}: ttl_seconds is {read.get('ttl_seconds')!r}, expected one"
        slo = number(read.get("freshness_slo_seconds"))
        if slo is None:
            raise Undecidable(f"{where}: freshness_slo_seconds is not among the inputs, expected seconds")
        if not 0 < slo <= ttl:
            yield f"{where}: freshness_slo_seconds is {slo:g}, expected at most its ttl_seconds ({ttl:g})"
    if not _alerted(str(model.get("name")), context.stack):
        if not context.stack.of(_RULES):
            raise Undecidable(f"no PrometheusRule in this stack, expected an alert on {FEATURE_AGE_SECONDS}")
        yield f"no alert on {FEATURE_AGE_SECONDS} of {model.get('name')!r}, expected one"


def _alerted(model: str, stack: Stack) -> bool:
    return any(
        one.get("alert") and FEATURE_AGE_SECONDS in str(one.get("expr")) and f'"{model}"' in str(one.get("expr"))
        for one in _alerts(stack)
    )


def _alerts(stack: Stack) -> Iterator[Mapping[str, Any]]:
    for resource in stack.of(_RULES):
        for group in rows(at(resource.props, "spec", "groups")):
            yield from rows(group.get("rules"))
