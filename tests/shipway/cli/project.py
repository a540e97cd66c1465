"""A project with one model, and the command run inside it."""

import pytest

from shipway.cli.main import main
from shipway.contract.layout import LocalLayout
from shipway.contract.route import RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery.envoy.configuration import compose_routes
from shipway.delivery.served import ServedModel
from tests.shipway.delivery.stack import ENVIRONMENT, Stack

MODEL = """
name: digits
description: Which digit.
owner: {team: vision, contact: a@b.c, escalation: a@b.c, runbook_url: "https://example.com"}
resources: {cpu_millicores: 250, memory_mib: 256}
evaluation: {gates: [{metric: accuracy, minimum: 0.5}]}
"""


@pytest.fixture
def project(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A project with the one model `digits` and nothing released; the command runs inside it."""
    (stack.root / "Pulumi.yaml").write_text("name: shipway\n")
    (stack.root / "services" / "digits").mkdir(parents=True)
    (stack.root / "services" / "digits" / "model.yaml").write_text(MODEL)
    monkeypatch.chdir(stack.root)
    monkeypatch.setenv("SHIPWAY_ACTOR", "ada")
    return stack


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Returns the exit code of `shipway` with `arguments`."""
    monkeypatch.setattr("sys.argv", ["shipway", *arguments, "--env", ENVIRONMENT])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def serve(layout: LocalLayout, state: RolloutState, blue: str, green: str) -> None:
    """Writes the route file as delivery would, and the declaration as Pulumi would."""
    spec = RouteSpec(
        model="digits",
        owner="vision",
        blue=SlotEndpoint(port=2000, digest=blue),
        green=SlotEndpoint(port=2001, digest=green),
        timeout_seconds=1.0,
        max_body_bytes=1,
    )
    layout.served_routes.parent.mkdir(parents=True, exist_ok=True)
    layout.served_routes.write_text(compose_routes({"digits": ServedModel(spec, state)}).text)
    layout.routes.mkdir(parents=True, exist_ok=True)
    (layout.routes / "digits.json").write_text(spec.model_dump_json())
