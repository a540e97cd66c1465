"""`shipway status` and `shipway ledger`: what runs now, what ran then, and who did what."""

import sys
from typing import Annotated, Any

import typer

from shipway.cli.context import emit, project, service, table
from shipway.cli.watch import Watch
from shipway.contract.alerts import AlertName
from shipway.contract.errors import SpecError
from shipway.contract.layout import services
from shipway.contract.ledger import Entry
from shipway.contract.metrics import Slot
from shipway.contract.model import load_model
from shipway.contract.release import short_digest
from shipway.delivery.envoy.routes import weights_percent
from shipway.delivery.past import ROLES, Past, parse_time, past_at
from shipway.delivery.reach import Running, reach
from shipway.delivery.served import ServedModel
from shipway.delivery.survey import FiringAlert, Rates, alerts_arrive, firing_alerts, request_rates

__all__ = ["register"]

ModelOrAll = Annotated[str | None, typer.Argument(help="the model's name; all models without it")]
Env = Annotated[str, typer.Option(help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")]

_VERIFY = "verify"


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog="Example: shipway status flight-delay --watch")(status)
    app.command(epilog="Example: shipway ledger flight-delay --env local; shipway ledger verify")(ledger)


def status(
    model: ModelOrAll = None,
    env: Env = "local",
    watch: Annotated[
        bool, typer.Option("--watch", help="show rollouts as they go on, until none is; exit code 1 for a rollback")
    ] = False,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="what was live then, such as '2026-11-26 14:00'")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what takes traffic, how it does, and which process is down; exit code 1 when one is."""
    root = project()
    way = reach(root, env)
    if watch and at is not None:
        raise SpecError("the command line", "", "--watch and --at", "one of them: the past does not move")
    if at is not None:
        _at(way.ledger.entries(), model, at, as_json=as_json)
        return
    owners = {spec.name: spec.owner.team for spec in (load_model(path / "model.yaml") for path in services(root))}
    served = way.served()
    if model is not None and model not in served:
        service(root, model)
    if watch:
        raise typer.Exit(Watch(way, model, sys.stdout, as_json=as_json).run())
    running, problems = way.running(served), way.problems()
    rates, firing = request_rates(way.prometheus), firing_alerts(way.alertmanager)
    if firing is not None and not running.silent and not alerts_arrive(firing):
        problems = {**problems, "alerts": "the watchdog does not fire: what Prometheus finds reaches nobody"}
    # What fires for ever says nothing else.
    alerts = None if firing is None else [one for one in firing if one.name != AlertName.WATCHDOG]
    chosen = sorted({*owners, *served}) if model is None else [model]
    result = {
        "environment": env,
        "processes": dict(running.states),
        "down": list(running.down),
        "problems": {name: why for name, why in sorted(problems.items()) if model in (None, name)},
        "models": [
            _model(name, served.get(name), owners.get(name), (rates or {}).get(name), running) for name in chosen
        ],
        "alerts": None if alerts is None else [vars(one) for one in alerts if model in (None, one.model)],
    }
    emit(result, _text(result, running, alerts, model), as_json=as_json)
    if running.down or running.silent:
        raise typer.Exit(1)


def ledger(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL|verify]", help="the model's name, all models without it; or verify"),
    ] = None,
    env: Env = "local",
    verify: Annotated[bool, typer.Option("--verify", help="the same as `shipway ledger verify`")] = False,
    as_json: Json = False,
) -> None:
    """List who released, promoted and rolled back what, when and why; `verify` names every entry that was edited."""
    root = project()
    kept = reach(root, env).ledger
    if verify or model == _VERIFY:
        damage = kept.verify()
        count = kept.count()
        text = "\n".join(damage) if damage else f"{count} entries, each as it was written"
        emit({"environment": env, "entries": count, "damage": damage}, text, as_json=as_json)
        raise typer.Exit(1 if damage else 0)
    entries = kept.entries(model)
    if model is not None and not entries:
        service(root, model)
    rows = [(entry.time, entry.actor, entry.model, entry.action, _digests(entry), entry.reason) for entry in entries]
    text = table(("TIME", "ACTOR", "MODEL", "ACTION", "DIGESTS", "REASON"), rows) if rows else "the ledger is empty"
    emit([entry.model_dump(mode="json") for entry in entries], text, as_json=as_json)


def _at(entries: list[Entry], model: str | None, at: str, *, as_json: bool) -> None:
    moment = parse_time(at, "--at")
    mine = [entry for entry in entries if model in (None, entry.model)]
    found = past_at(mine, moment)
    result = {
        "at": moment.isoformat(),
        "models": {
            name: {role: vars(held) for role, held in past.roles.items()} | {"action": past.action, "time": past.time}
            for name, past in sorted(found.items())
        },
    }
    if not found:
        changes = [entry for entry in mine if entry.generation is not None]
        first = f"the first change of {model or 'any model'} is of {changes[0].time}" if changes else "it holds none"
        text = f"nothing was live at {moment.isoformat()} that the ledger knows of; {first}"
    else:
        text = table(
            ("MODEL", *(role.upper() for role in ROLES), "LAST CHANGE"),
            [(name, *(_held(past, role) for role in ROLES), _change(past)) for name, past in sorted(found.items())],
        )
    emit(result, text, as_json=as_json)


def _held(past: Past, role: str) -> str:
    held = past.roles.get(role)
    return f"{short_digest(held.digest)} since {held.since}" if held else "-"


def _change(past: Past) -> str:
    return f"{past.action} by {past.actor} at {past.time}"


def _model(
    name: str, served: ServedModel | None, owner: str | None, rates: Rates | None, running: Running
) -> dict[str, Any]:
    shown: dict[str, Any] = {"model": name, "owner": owner or (served.spec.owner if served else None)}
    if served is None:
        return shown | {"live": None, "phase": "not deployed", "slots": {}}
    weights = weights_percent(served.state)
    progress = served.state.progress
    paused = str(progress.paused) if progress and progress.paused else None
    return shown | {
        "live": served.state.live,
        "phase": str(served.state.phase),
        "paused": paused,
        "rollout": served.state.rollout,
        "candidate": served.state.candidate,
        "previous_digest": served.state.previous_digest,
        "generation": served.state.generation,
        "requests_per_second": rates.requests_per_second if rates else None,
        "error_ratio": rates.error_ratio if rates else None,
        "slots": {
            str(slot): {
                "digest": served.spec.endpoint(slot).digest,
                "weight_percent": weights.get(slot, 0),
                "port": served.spec.endpoint(slot).port,
                "process": running.states.get(f"{name}-{slot}"),
            }
            for slot in Slot
        },
    }


def _text(result: dict[str, Any], running: Running, alerts: list[FiringAlert] | None, model: str | None) -> str:
    rows = [
        (
            one["model"],
            one["owner"] or "unknown",
            f"{one['phase']} ({one['paused']})" if one.get("paused") else one["phase"],
            one["live"] or "-",
            *(_slot(one["slots"].get(str(slot))) for slot in Slot),
            _number(one.get("requests_per_second"), "{:.1f}"),
            _number(one.get("error_ratio"), "{:.2%}"),
        )
        for one in result["models"]
    ]
    head = ("MODEL", "OWNER", "PHASE", "LIVE", "BLUE", "GREEN", "REQUESTS/S", "ERRORS")
    lines = [table(head, rows) if rows else "no models"]
    if running.silent:
        lines.append(f"down: {running.silent}")
    elif running.down:
        lines.append("down: " + ", ".join(f"{name} ({running.states[name]})" for name in running.down))
    else:
        starting = f"; starting: {', '.join(running.starting)}" if running.starting else ""
        lines.append(f"all {len(running.states)} {running.noun} run{starting}")
    lines += [f"problem: {name}: {why}" for name, why in result["problems"].items()]
    if alerts is None and not running.silent:
        lines.append("alerts: unknown, Alertmanager does not answer")
    for one in alerts or []:
        if model in (None, one.model):
            where = one.model or "the platform"
            lines.append(f"alert: {one.name} ({one.severity}) of {where} since {one.starts_at}: {one.summary}")
    return "\n".join(lines)


def _slot(slot: dict[str, Any] | None) -> str:
    return f"{short_digest(slot['digest'])} {slot['weight_percent']} %" if slot and slot["digest"] else "empty"


def _number(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)


def _digests(entry: Entry) -> str:
    return " ".join(f"{role}={short_digest(digest)}" for role, digest in sorted(entry.digests.items()))
