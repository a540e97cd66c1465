"""What is refused before the first resource, and in which words."""

import json
import runpy
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockMonitor, Mocks, set_mocks

from components.deployment import deploy
from components.preflight import preflight
from components.services import load_services
from shipway.contract.compatibility import VERSIONS
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.stack import load_stack
from tests.components.recording import use_one_loop

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def _check(project: Any, *, dry_run: bool = False) -> list[str]:
    environment = load_environment(project.root, "local")
    return preflight(project.root, environment, load_services(project.root, "local"), dry_run=dry_run)


def _serve(project: Any, model: str, slot: str, digest: str) -> Path:
    state = json.dumps({"live": slot, "live_digest": digest})
    route = {"metadata": {"filter_metadata": {"shipway": {"model": model, "state": state}}}}
    path = project.root / ".shipway" / "local" / "envoy" / "dynamic" / "rds.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"resources": [{"virtual_hosts": [{"routes": [route]}]}]}))
    return path


def test_an_idle_slot_may_change(project: Any) -> None:
    """A digest beside the live one is a release, and nothing to warn of."""
    project.add_bundle(DIGEST)
    project.add_bundle(OTHER)
    project.add_model("first", blue=DIGEST, green=OTHER)
    _serve(project, "first", "blue", DIGEST)
    assert _check(project) == []


def test_a_service_one_minor_version_behind_deploys_and_says_so(project: Any) -> None:
    """The preview and the deployment warn, and name what brings the service up to date."""
    before, now = (one.version for one in VERSIONS[-2:])
    project.add_bundle(DIGEST)
    project.add_model("first", blue=DIGEST, contract=before)
    project.add_model("second")
    (warning,) = _check(project)
    assert warning.startswith(f"first: made for contract {before}, and this platform's is {now}: it still deploys")
    assert warning.endswith("`shipway fleet update first`")
    _serve(project, "first", "blue", DIGEST).write_text("?")
    assert warning in _check(project, dry_run=True)


@pytest.mark.parametrize(
    ("version", "why"), [("0.9", "the oldest that deploys is"), ("9.0", "it needs a newer Shipway")]
)
def test_a_service_of_a_contract_that_does_not_deploy_is_refused(project: Any, version: str, why: str) -> None:
    """Before the first resource, by file and key, with the next step."""
    project.add_bundle(DIGEST)
    folder = project.add_model("first", blue=DIGEST, contract=version)
    with pytest.raises(SpecError) as refused:
        _check(project)
    assert str(refused.value).startswith(f"{folder / 'model.yaml'}: contract_version: got '{version}', expected")
    assert why in str(refused.value)


def test_a_live_slot_keeps_its_digest(project: Any) -> None:
    """Another digest in the slot that takes traffic is refused, with the way that works."""
    project.add_bundle(OTHER)
    project.add_model("first", blue=OTHER)
    _serve(project, "first", "blue", DIGEST)
    with pytest.raises(ShipwayError) as refused:
        _check(project)
    assert str(refused.value) == (
        "first: slot blue is live with aaaaaaaaaaaa, expected it unchanged, got bbbbbbbbbbbb; "
        "release into green (`shipway release`) and promote"
    )


def test_unreadable_route_state_warns_at_preview_and_is_refused_at_up(project: Any) -> None:
    """What is live cannot be told, so a preview says so and a deployment does not start."""
    project.add_bundle(DIGEST)
    project.add_model("first", blue=DIGEST)
    _serve(project, "first", "blue", DIGEST).write_text("{}")
    (warning,) = _check(project, dry_run=True)
    assert warning.startswith("whether a live slot would change is not decidable, and `up` will refuse: ")
    with pytest.raises(SpecError, match="expected the routes that delivery wrote"):
        _check(project)


def test_a_digest_without_a_bundle_is_refused(project: Any) -> None:
    """The file, the slot, the digest and what makes one are named."""
    service = project.add_model("first", green=DIGEST)
    with pytest.raises(SpecError) as refused:
        _check(project)
    assert (refused.value.path, refused.value.key, refused.value.got) == (
        str(service / "releases" / "local.yaml"),
        "green",
        DIGEST,
    )
    assert refused.value.expected.endswith("`shipway train first` makes one")


def test_another_models_bundle_is_refused(project: Any) -> None:
    """A digest copied into the wrong file is found before its slot starts, naming both models."""
    project.add_bundle(DIGEST, model="other")
    project.add_model("first", green=DIGEST)
    with pytest.raises(SpecError, match="expected the digest of a bundle of first; this one is of other"):
        _check(project)


def test_a_model_that_does_not_fit_the_pool_is_refused_with_both_numbers(project: Any) -> None:
    """Both slots count; the first model leaves too little for the second."""
    project.add_model("first", cpu=3000)
    project.add_model("second", cpu=1001)
    with pytest.raises(SpecError) as refused:
        _check(project)
    assert "second/model.yaml: resources.cpu_millicores: got 1001" in str(refused.value)
    assert "two slots of second to fit the pool: they need 2002, 2000 of 8000 are free" in str(refused.value)


def test_a_model_that_fills_the_pool_fits(project: Any) -> None:
    """The last millicore may be used."""
    project.add_model("first", cpu=3000)
    project.add_model("second", cpu=1000)
    assert _check(project) == []


def test_a_folder_is_called_after_its_model(project: Any) -> None:
    """Two services can never claim one name, for a name has one folder."""
    project.add_model("first")
    project.add_model("first", folder="copy")
    with pytest.raises(SpecError, match=r"copy/model.yaml: name: got 'first', expected 'copy', after its folder"):
        _check(project)


def test_a_model_that_reads_features_declares_them(project: Any) -> None:
    """A read without a features.py to register is found before anything runs."""
    service = project.add_model("first")
    reads = 'features: {reads: [{name: "weather_v1:wind", default: 1.0, ttl_seconds: 60}]}\n'
    (service / "model.yaml").write_text((service / "model.yaml").read_text() + reads)
    with pytest.raises(
        SpecError, match=r"features.reads: got 'weather_v1:wind', expected .*first/features.py to declare"
    ):
        _check(project)


def test_a_missing_program_is_named_with_the_way_to_get_it(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Envoy nothing is started."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ShipwayError) as refused:
        _check(project)
    assert str(refused.value) == (
        "envoy: not found on PATH, expected it there; run `make setup` and `source .shipway/env`"
    )


def test_a_target_without_components_is_refused(project: Any) -> None:
    """The targets there are get listed."""
    cloud = load_environment(project.root, "local").model_copy(update={"target": "gcp"})
    with pytest.raises(SpecError, match=r"Pulumi.local.yaml: target: got 'gcp', expected one of .*kubernetes, local"):
        preflight(project.root, cloud, [], dry_run=True)


def test_a_refusal_reaches_pulumi_as_one_sentence_before_any_resource(project: Any) -> None:
    """Pulumi prints a RunError as it is; no resource was registered when it comes."""
    project.add_model("first", blue=DIGEST)

    class Nothing(Mocks):
        def call(self, args: Any) -> Any:
            raise AssertionError(args.token)

        def new_resource(self, args: Any) -> Any:
            raise AssertionError(args.name)

    use_one_loop()
    set_mocks(Nothing(), project="shipway", stack="local", monitor=MockMonitor(Nothing()))
    with pytest.raises(pulumi.RunError, match=r"releases/local.yaml: blue: got 'sha256:aaaa"):
        runpy.run_path(str(project.root / "stacks"), run_name="__main__")


def test_a_platform_of_another_repository_is_not_deployed(project: Any) -> None:
    """A repository of models alone knows the platform's file, and must never make a second platform of it."""
    path = project.root / "stacks" / "Pulumi.local.yaml"
    marks = "config:\n  shipway:layers: [platform]\n  shipway:provisioned_elsewhere: true\n"
    path.write_text(path.read_text().replace("config:\n", marks, 1))
    expected = r"provisioned_elsewhere: got True, expected a stack of this repository's own: the platform's repository"
    with pytest.raises(SpecError, match=expected):
        deploy(project.root, load_stack(project.root, "local"))
