"""The pack as the engine meets it: a process that serves over gRPC, started as the language host starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from policies.judge import all_rules
from policies.resource import Resource
from policies.rule import MODEL_SERVICE, PLATFORM
from policies.rules.ownership import owner_named
from tests.policies.clean_stack import clean_stack

REPOSITORY = Path(__file__).resolve().parents[2]
PACK = REPOSITORY / "policies"
pytestmark = pytest.mark.e2e


@contextmanager
def served() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """Runs the pack."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(PACK)]
    with subprocess.Popen(words, cwd=PACK, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            process.terminate()


def _inputs(resource: Resource) -> struct_pb2.Struct:
    properties = struct_pb2.Struct()
    properties.update(json.loads(json.dumps(resource.props)))
    return properties


def _analyze(stub: Any, resource: Resource) -> Any:
    options = analyzer_pb2.AnalyzerResourceOptions(protect=resource.protect)
    request = analyzer_pb2.AnalyzeRequest(
        type=resource.type,
        properties=_inputs(resource),
        urn=f"urn:{resource.name}",
        name=resource.name,
        options=options,
    )
    return stub.Analyze(request)


def _analyze_stack(stub: Any, stack: list[Resource]) -> Any:
    resources = [
        analyzer_pb2.AnalyzerResource(
            type=one.type,
            properties=_inputs(one),
            urn=f"urn:{one.name}",
            name=one.name,
            options=analyzer_pb2.AnalyzerResourceOptions(protect=one.protect),
        )
        for one in stack
    ]
    return stub.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources))


@pytest.fixture(scope="module")
def prod() -> Iterator[Any]:
    with served() as stub:
        yield stub


def test_it_offers_every_rule(prod: Any) -> None:
    """Forty-four policies, in both kinds, each with its severity and its remedy."""
    info = prod.GetAnalyzerInfo(empty_pb2.Empty())
    names = [policy.name for policy in info.policies]
    assert [name for name in names if not name.endswith("-advice")] == [rule.id for rule in all_rules()]
    assert all(policy.severity and policy.remediation_steps for policy in info.policies)


def test_a_clean_stack_passes(prod: Any) -> None:
    """No diagnostic for any resource, nor for the stack; numbers arrive as floats."""
    stack = clean_stack(7)
    assert [list(_analyze(prod, one).diagnostics) for one in stack] == [[] for _ in stack]
    assert list(_analyze_stack(prod, stack).diagnostics) == []


def test_a_violation_is_mandatory(prod: Any) -> None:
    """The engine stops at it, and the person reads what is wrong and what to do."""
    (found,) = _analyze(prod, _owned("TODO")).diagnostics
    assert (found.policyName, found.enforcementLevel) == ("ML041", analyzer_pb2.MANDATORY)
    assert "owner.runbook_url is 'TODO'. Name them under `owner` in model.yaml." in found.message


def test_what_the_stack_lacks_is_found(prod: Any) -> None:
    """Without its budget the deployment is reported by the rule about stacks, at its URN."""
    stack = [one for one in clean_stack(7) if not one.name.endswith("-budget")]
    found = {(one.policyName, one.urn) for one in _analyze_stack(prod, stack).diagnostics}
    assert ("ML012", "urn:delivery-deployment") in found


def test_an_unknown_value_is_said_to_be_undecidable(prod: Any) -> None:
    """Pulumi turns it into advice that the policy cannot run during preview; it is no pass."""
    (found,) = _analyze(prod, _owned(UNKNOWN_STRING_VALUE)).diagnostics
    assert (found.policyName, found.enforcementLevel) == ("ML041", analyzer_pb2.ADVISORY)
    assert "model.owner.runbook_url is not known before `pulumi up` (pricing)" in found.message


def test_the_tier_is_the_components() -> None:
    """What stops prod is advice on a laptop, once the stack's own components have said what it is."""
    deployment = [one for one in clean_stack(7) if one.name == "delivery-deployment"]
    components = [one for one in clean_stack(7) if one.type in (MODEL_SERVICE, PLATFORM)]
    with served() as stub:
        before = {one.policyName for one in _analyze_stack(stub, deployment).diagnostics}
        for one in components:
            environment = {**one.props.get("environment", {}), "tier": "local"}
            _analyze(stub, Resource(one.type, one.name, {**one.props, "tier": "local", "environment": environment}))
        after = {one.policyName for one in _analyze_stack(stub, deployment).diagnostics}
    assert "ML012" in before
    assert "ML012-advice" in after
    assert "ML012" not in after


def test_a_component_is_judged_by_its_inputs(prod: Any) -> None:
    """At the end the engine shows a component's outputs only; what its inputs said still counts."""
    stack = clean_stack(7)
    for one in stack:
        _analyze(prod, one)
    shown = [replace(one, props={"url": "x"}) if one.type in (MODEL_SERVICE, PLATFORM) else one for one in stack]
    assert list(_analyze_stack(prod, shown).diagnostics) == []


def test_a_wrong_waiver_ends_it_with_one_sentence(tmp_path: Path) -> None:
    """The pack does not serve, so that nothing is deployed under a waiver that nobody understands."""
    (tmp_path / "__main__.py").write_text((PACK / "__main__.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "waivers.yaml").write_text("waivers: [{rule: ML999}]", encoding="utf-8")
    words = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "waivers.yaml: waivers.0.resource: got 'nothing', expected a value" in done.stderr
    assert "Traceback" not in done.stderr


def _owned(runbook: str) -> Resource:
    (service,) = [one for one in clean_stack(7) if one.type == MODEL_SERVICE]
    owner = {**owner_named.passing[0].props["model"]["owner"], "runbook_url": runbook}
    return Resource(MODEL_SERVICE, "pricing", {**service.props, "model": {**service.props["model"], "owner": owner}})
