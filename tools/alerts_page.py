"""The page of all alerts, made from the registries: what each means, what to look at, and the command."""

from inspect import getdoc

from shipway.contract.alerts import ALERTS, Severity
from shipway.contract.periodic import PERIODIC
from shipway.contract.presets import PresetsSpec

__all__ = ["alert_page"]

_INTRODUCTION = """\
# Alerts

Made from `shipway/contract/alerts.py`, `periodic.py` and `presets.py`. Alertmanager sends each to
`.shipway/<env>/alerts/alerts.jsonl`, a line when it begins and one when it ends, and to every address in
`alerts.webhook_urls` of the environment. An alert carries its severity, its owner and, as `runbook_url`, its
heading here; one of a model also the escalation and, as `owner_runbook_url`, the runbook of its model.yaml.
A page wakes somebody now; a ticket can wait for the morning. Each alert of a rule has stories in which it fires
and in which it keeps quiet (`shipway/observability/alert_cases.py`), which `promtool` tells for every environment.

| alert | severity | what it means |
|---|---|---|"""
_PERIODIC = """
## Periodic things

Each sets its heartbeat after it has left something, and not before. ShipwaySilent names it as `part` when
its objective has passed without one: from when it last worked, or, of one that never did, from when
Prometheus first looked. Where two scrapes and a run take longer than the objective, it is told after those.
That alerts do not arrive at all is told by the receiver itself, the last one in the chain; that the receiver is
down, by Prometheus to `alerts.webhook_urls`, and by `shipway status`.

| part | of | every | objective | severity | what a run leaves | its silence | look with |
|---|---|---|---|---|---|---|---|"""
_PRESETS = """
## Presets

Keys of `alerts` in model.yaml; `null` switches one off. Errors above 1 % and the burn rates follow `slo`, the
Wasserstein distance follows `drift.w1_limit`. The burn rates are those of Google's Site Reliability Workbook
(2018), chapter 5: a page at 14.4 times over 1 h and 5 min or 6 times over 6 h and 30 min, a ticket at once over
3 d and 6 h, of an objective over 30 days.

| key | default | what it says |
|---|---|---|"""


def alert_page() -> str:
    """Returns the page of every alert.

    Raises:
        ValueError: when a preset has no line in its docstring, or a line no preset.
    """
    lines = [_INTRODUCTION]
    lines += [f"| [{name}](#{name.lower()}) | {one.severity} | {one.meaning} |" for name, one in ALERTS.items()]
    lines.append(_PERIODIC)
    for job, one in PERIODIC.items():
        times = f"{one.every_seconds:g} s | {one.objective_seconds:g} s"
        lines.append(f"| {job} | {one.of} | {times} | {one.severity} | {one.output} | {one.silent} | `{one.look}` |")
    lines.append(_PRESETS)
    lines += _presets()
    for name, one in ALERTS.items():
        kind = "No alarm" if one.severity is Severity.NONE else f"A {one.severity}"
        lines += ["", f"## {name}", "", f"{kind}: {one.meaning[0].lower()}{one.meaning[1:]}"]
        lines += ["", f"{one.first} Look with `{one.look}`."]
    return "\n".join(lines) + "\n"


def _presets() -> list[str]:
    args = (getdoc(PresetsSpec) or "").partition("Args:\n")[2].splitlines()
    meanings = {name.strip(): said.strip() for name, _, said in (line.partition(": ") for line in args)}
    fields = PresetsSpec.model_fields
    if fields.keys() != meanings.keys():
        raise ValueError(f"Args of PresetsSpec: expected {sorted(fields)}, got {sorted(meanings)}")
    return [f"| `{name}` | `{field.default}` | {meanings[name]} |" for name, field in fields.items()]
