"""What the engine's events say, as they came from it."""

from typing import Any

import pytest

from tools.foreseen import Change, Finding, Foreseen, parse_events

STACK = "urn:pulumi:prod::shipway::"
PLATFORM = f"{STACK}shipway:components:Platform::platform"
NETWORK = f"{STACK}shipway:components:Platform$shipway:aws:Network::network"
VPC = f"{STACK}shipway:components:Platform$shipway:aws:Network$aws:ec2/vpc:Vpc::network-vpc"
MODEL = f"{STACK}shipway:components:ModelService::digits"
SLOT = f"{STACK}shipway:components:ModelService$kubernetes:apps/v1:Deployment::digits-blue"


def event(op: str, urn: str, parent: str = "", **more: Any) -> dict[str, Any]:
    kind = urn.split("::")[2].split("$")[-1]
    state = {"parent": parent, "inputs": {"op": op}}
    metadata = {"op": op, "urn": urn, "type": kind, "new": state, "old": None, **more}
    return {"resourcePreEvent": {"metadata": metadata, "planning": True}}


def policy(name: str, message: str, level: str = "mandatory") -> dict[str, Any]:
    said = {"resourceUrn": VPC, "message": message, "policyName": name, "enforcementLevel": level, "severity": "high"}
    return {"policyEvent": said}


def parsed(*events: dict[str, Any]) -> Foreseen:
    return parse_events(iter(events))


def test_every_resource_lies_in_a_part_of_the_platform_or_in_a_model() -> None:
    """What is below a part's component is the part's; what is below a model's is the model's."""
    found = parsed(
        event("create", PLATFORM),
        event("create", NETWORK, PLATFORM),
        event("create", VPC, NETWORK),
        event("create", MODEL),
        event("create", SLOT, MODEL),
    )
    assert {step.name: step.part for step in found.steps} == {
        "platform": "platform",
        "network": "network",
        "network-vpc": "network",
        "digits": "model digits",
        "digits-blue": "model digits",
    }


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_replacement_is_one_step_however_its_events_come(order: tuple[int, ...]) -> None:
    """The engine tells of a replacement three times; what forces it is in the one that shows both sides."""
    told = [
        event("create-replacement", VPC, NETWORK, keys=["cidrBlock"]),
        event("replace", VPC, NETWORK, keys=["cidrBlock"]),
        event("delete-replaced", VPC, NETWORK, new=None, old={"parent": NETWORK, "inputs": {}}),
    ]
    (step,) = parsed(*(told[number] for number in order)).steps
    assert (step.change, step.keys, step.inputs) == (Change.REPLACE, ("cidrBlock",), {"op": "replace"})


def test_a_resource_that_goes_is_told_by_what_it_was() -> None:
    """A deletion has no new side."""
    gone = event("delete", VPC, new=None, old={"parent": NETWORK, "inputs": {"cidrBlock": "10.0.0.0/16"}})
    (step,) = parsed(gone).steps
    assert (step.change, step.inputs) == (Change.DELETE, {"cidrBlock": "10.0.0.0/16"})


def test_a_component_itself_never_changes() -> None:
    """What changes is among its children; its own inputs are there to be judged."""
    found = parsed(event("update", MODEL), event("update", SLOT, MODEL, new={"parent": MODEL, "custom": True}))
    assert {step.name: step.change for step in found.steps} == {"digits": Change.SAME, "digits-blue": Change.UPDATE}


def test_a_rule_and_its_advising_twin_are_one_rule() -> None:
    """The message that every violation of a rule begins with is left out, and so is a repetition."""
    said = "title: what holds.\nthe tag is missing. Add it.\n"
    found = parsed(policy("ML038", said), policy("ML038", said), policy("ML038-advice", said, "advisory")).findings
    message = "the tag is missing. Add it."
    assert found == (
        Finding("ML038", "high", True, True, "network-vpc", message),
        Finding("ML038", "high", False, True, "network-vpc", message),
    )
    assert [one.stops for one in found] == [True, False]


def test_a_policy_that_could_not_be_run_is_not_decided() -> None:
    """The engine downgrades it to advice, which must not read as a pass."""
    message = (
        "can't run policy 'ML027' from policy pack 'shipway@v0.0.1' during preview: Object value at .ML027.acl is not "
        "known before `pulumi up` (bundles) can't be known during preview\n"
    )
    (found,) = parsed(policy("ML027", message, "advisory")).findings
    assert (found.rule, found.decided, found.stops) == ("ML027", False, False)
    assert found.message == "acl is not known before `pulumi up` (bundles)"


def test_errors_and_warnings_are_told_once_and_without_the_engines_own() -> None:
    """What every failed preview ends with says nothing, nor that a provider was found on PATH."""

    def diagnostic(severity: str, message: str, urn: str = "") -> dict[str, Any]:
        return {"diagnosticEvent": {"severity": severity, "message": message, "urn": urn}}

    found = parsed(
        diagnostic("error", "cidrBlock is wrong\n", VPC),
        diagnostic("error", "cidrBlock is wrong\n", VPC),
        diagnostic("error", "preview failed\n"),
        diagnostic("warning", "using pulumi-resource-aws from $PATH at /x\n"),
        diagnostic("warning", "it is late\n", f"{STACK}pulumi:pulumi:Stack::shipway-prod"),
        diagnostic("info", "nothing\n"),
    )
    assert found.errors == ("network-vpc: cidrBlock is wrong",)
    assert found.warnings == ("it is late",)
