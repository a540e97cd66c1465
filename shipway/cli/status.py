"""`shipway status` and `shipway ledger`: what runs now, and who did what."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from shipway.cli.context import emit, project, service
from shipway.contract.environment import load_environment
from shipway.contract.layout import LocalLayout, services
from shipway.contract.metrics import Slot
from shipway.contract.model import load_model
from shipway.contract.release import short_digest
from shipway.delivery.controller import load_served
from shipway.delivery.envoy.routes import weights_percent
from shipway.delivery.ledger import Entry, Ledger
from shipway.delivery.process import local_ports
from shipway.delivery.served import ServedModel
from shipway.delivery.survey import RUNNING, UP, Rates, expected_processes, process_states, request_rates

__all__ = ["register"]

ModelOrAll = Annotated[str | None, typer.Argument(help="the model's name; all models without it")]
Env = Annotated[str, typer.Option(help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")]


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog="Example: shipway status flight-delay --json")(status)
    app.command(epilog="Example: shipway ledger flight-delay --env local")(ledger)


def status(model: ModelOrAll = None, env: Env = "local", as_json: Json = False) -> None:
    """Show what takes traffic, how it does, and which process is down; exit code 1 when one is."""
    root = project()
    ports = local_ports(load_environment(root, env), root / "stacks" / f"Pulumi.{env}.yaml")
    layout = LocalLayout(root, env)
    owners = {spec.name: spec.owner.team for spec in (load_model(path / "model.yaml") for path in services(root))}
    served = load_served(layout)
    if model is not None and model not in served:
        service(root, model)
    running, rates = process_states(layout.supervisor_socket), request_rates(ports.prometheus)
    expected = expected_processes(layout, {name: entry.spec for name, entry in served.items()})
    processes = {name: (running or {}).get(name, "ABSENT") for name in expected}
    chosen = sorted({*owners, *served}) if model is None else [model]
    result = {
        "environment": env,
        "supervisor": "RUNNING" if running is not None else "ABSENT",
        "processes": processes,
        "down": [name for name, state in processes.items() if state not in UP],
        "models": [
            _model(name, served.get(name), owners.get(name), (rates or {}).get(name), processes) for name in chosen
        ],
    }
    emit(result, _text(result), as_json=as_json)
    if result["down"]:
        raise typer.Exit(1)


def ledger(model: ModelOrAll = None, env: Env = "local", as_json: Json = False) -> None:
    """List who released, promoted and rolled back what, when and why."""
    root = project()
    local_ports(load_environment(root, env), root / "stacks" / f"Pulumi.{env}.yaml")
    entries = Ledger(LocalLayout(root, env).ledger).entries(model)
    if model is not None and not entries:
        service(root, model)
    rows = [(entry.time, entry.actor, entry.model, entry.action, _digests(entry), entry.reason) for entry in entries]
    text = _table(("TIME", "ACTOR", "MODEL", "ACTION", "DIGESTS", "REASON"), rows) if rows else "the ledger is empty"
    emit([entry.model_dump(mode="json") for entry in entries], text, as_json=as_json)


def _model(
    name: str, served: ServedModel | None, owner: str | None, rates: Rates | None, processes: dict[str, str]
) -> dict[str, Any]:
    shown: dict[str, Any] = {"model": name, "owner": owner or (served.spec.owner if served else None)}
    if served is None:
        return shown | {"live": None, "phase": "not deployed", "slots": {}}
    weights = weights_percent(served.state)
    return shown | {
        "live": served.state.live,
        "phase": str(served.state.phase),
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
                "process": processes.get(f"{name}-{slot}"),
            }
            for slot in Slot
        },
    }


def _text(result: dict[str, Any]) -> str:
    rows = [
        (
            one["model"],
            one["owner"] or "unknown",
            one["phase"],
            one["live"] or "-",
            *(_slot(one["slots"].get(str(slot))) for slot in Slot),
            _number(one.get("requests_per_second"), "{:.1f}"),
            _number(one.get("error_ratio"), "{:.2%}"),
        )
        for one in result["models"]
    ]
    head = ("MODEL", "OWNER", "PHASE", "LIVE", "BLUE", "GREEN", "REQUESTS/S", "ERRORS")
    lines = [_table(head, rows) if rows else "no models"]
    if result["supervisor"] != RUNNING:
        lines.append(f"down: everything (no supervisor answers); run `make up ENV={result['environment']}`")
    elif result["down"]:
        lines.append("down: " + ", ".join(f"{name} ({result['processes'][name]})" for name in result["down"]))
    else:
        starting = [name for name, state in result["processes"].items() if state != RUNNING]
        lines.append(
            f"all {len(result['processes'])} processes run" + (f"; starting: {', '.join(starting)}" if starting else "")
        )
    return "\n".join(lines)


def _slot(slot: dict[str, Any] | None) -> str:
    return f"{short_digest(slot['digest'])} {slot['weight_percent']} %" if slot and slot["digest"] else "empty"


def _number(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)


def _digests(entry: Entry) -> str:
    return " ".join(f"{role}={short_digest(digest)}" for role, digest in sorted(entry.digests.items()))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)
