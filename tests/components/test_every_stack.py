"""What holds for every stack there is, on whatever target: providers, protection, edges, secrets, tags, names."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, get_origin

import pytest
import yaml

from policies.judge import all_rules
from shipway.contract.credentials import holds_secret
from tests.components.recorded import STACKS, RecordedStack, Registration, recorded_stacks, sdk_types

# What a change of the program may cost the engine: edges of one resource, and the longest chain of them.
MOST_EDGES, MOST_DEEP = 3, 27
# Keys that name a secret, or say how one is handled, and never hold one.
NAMING = re.compile(
    r"(^secret|(tls|repository|signing)_secret|name|names|arn|arns|id|ids|ref|refs|file|path|key_?id|secretkey|passwordkey|existingsecret|rotation|window_?in_?days"
    r"|httptokens|token_?ttl|kubeconfig)$",
    re.IGNORECASE,
)
# What AWS makes up and everybody may know: the first label of an API's host name or of a proof's, and a certificate.
MADE_UP = re.compile(r'[0-9A-Fa-f]{32}(?=\.)|(?<="certificate-authority-data": ")[\w+/=]+')
# Inputs by which AWS tells two resources of one account apart.
AWS_NAMES = ("bucket", "clusterIdentifier", "identifier", "name", "replicationGroupId", "repositoryName")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RecordedStack]]:
    """Returns what registers a stack by its name."""
    with recorded_stacks(tmp_path_factory.mktemp("stacks")) as found:
        yield found


def _custom(stack: RecordedStack) -> list[Registration]:
    return [
        one for one in stack.registrations if one.request.custom and not one.type.startswith(("pulumi:", "shipway:"))
    ]


def _leaves(value: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            # The class of a dynamic provider, which the engine hands back to it.
            if key != "__provider":
                yield from _leaves(one, (*where, str(key)))
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, where)
    elif isinstance(value, str):
        yield where, value


@pytest.mark.parametrize("stack", STACKS)
def test_each_resource_has_the_provider_of_its_own_package(recorded: Any, stack: str) -> None:
    """Neither a default provider nor, by a mistake in the options, another package's."""
    wrong = [
        one.name
        for one in _custom(recorded(stack))
        if not one.request.provider.split("::")[-3].endswith(f"pulumi:providers:{one.type.partition(':')[0]}")
    ]
    assert wrong == []


@pytest.mark.parametrize("stack", STACKS)
def test_what_holds_data_is_kept_in_production_and_only_there(recorded: Any, stack: str) -> None:
    """In prod what ML039 calls stateful, databases on a cluster, and the namespaces around them; elsewhere nothing."""
    stateful = {
        *next(rule.types for rule in all_rules() if rule.id == "ML039"),
        "kubernetes:postgresql.cnpg.io/v1:Cluster",
    }
    found = recorded(stack)
    kept = {one.name for one in found.registrations if one.request.protect}
    assert kept == {one.name for one in found.registrations if one.request.retainOnDelete}
    if not found.keeps_data:
        assert kept == set()
        return
    assert {one.name for one in found.registrations if one.type in stateful} <= kept
    spaces = {
        one.inputs["metadata"]["namespace"]
        for one in found.registrations
        if one.name in kept and "namespace" in one.inputs.get("metadata", {})
    }
    # Those of models belong to the platform's stack.
    own = {one.inputs["metadata"]["name"]: one.name in kept for one in _of(found, ":Namespace")}
    assert all(own.get(space, True) for space in spaces)


def _of(stack: RecordedStack, ending: str) -> list[Registration]:
    return [one for one in stack.registrations if one.type.endswith(ending)]


@pytest.mark.parametrize("stack", STACKS)
def test_edges_are_few_and_chains_short(recorded: Any, stack: str) -> None:
    """The SDK walks all that lies upstream for every edge: few declared ones, and no long chain of them."""
    found = recorded(stack).registrations
    edges = {one.urn: set(one.request.dependencies) for one in found}
    computed = {one.urn: {urn for urns in one.references.values() for urn in urns} for one in found}
    declared = {one.name: len(edges[one.urn] - computed[one.urn]) for one in found}
    assert {name: count for name, count in declared.items() if count > MOST_EDGES} == {}
    deep: dict[str, int] = {}
    # Registered after all that they depend on; another stack's outputs are read, not registered.
    for urn, upstream in edges.items():
        deep[urn] = 1 + max((deep.get(each, 0) for each in upstream), default=0)
    assert max(deep.values()) <= MOST_DEEP, max(deep, key=lambda urn: deep[urn])


@pytest.mark.parametrize("stack", STACKS)
def test_no_input_holds_a_secret(recorded: Any, stack: str) -> None:
    """Under a key that says password, token or secret stands at most the name of one, and no text looks like one."""
    found = [
        f"{one.name}: {'.'.join(where)}"
        for one in recorded(stack).registrations
        for where, text in _leaves(one.inputs)
        if holds_secret("" if not where or NAMING.search(where[-1]) else where[-1], MADE_UP.sub("", text))
    ]
    assert found == []


@pytest.mark.parametrize("stack", STACKS)
def test_everything_that_can_say_whose_it_is_does(recorded: Any, stack: str) -> None:
    """Every taggable resource of AWS and every object of Kubernetes carries its environment and who pays for it."""
    found = recorded(stack)
    wanted = {"shipway/env": found.environment.name, "shipway/cost-center": found.environment.tags.get("cost-center")}
    bare: list[str] = []
    for one in _custom(found):
        if one.type.startswith("aws:") and _taggable(one.type):
            said = {**_default_tags(found, one), **one.inputs.get("tags", {})}
        elif one.type.startswith("kubernetes:") and "metadata" in one.inputs:
            said = one.inputs["metadata"].get("labels", {})
        else:
            continue
        if not wanted.items() <= said.items():
            bare.append(f"{one.type} {one.name}: {said}")
    assert bare == []


def _taggable(token: str) -> bool:
    return get_origin(sdk_types(token).get("tags")) in (Mapping, dict)


def _default_tags(stack: RecordedStack, one: Registration) -> Mapping[str, str]:
    """Returns the tags that the provider of a resource gives to all its resources."""
    urn = one.request.provider.rpartition("::")[0]
    inputs = next(each.inputs for each in stack.registrations if each.urn == urn)
    return json.loads(inputs.get("defaultTags", "{}")).get("tags", {})


def _aws_names(stack: RecordedStack) -> set[tuple[str, str, str]]:
    return {
        (one.type, key, one.inputs[key])
        for one in _custom(stack)
        # A role's own policy is called by its part, within the role.
        if one.type.startswith("aws:") and one.type != "aws:iam/rolePolicy:RolePolicy"
        for key in AWS_NAMES
        # A name that is computed from another resource is that one's.
        if key in one.inputs and key not in one.references
    }


def test_environments_of_one_account_share_no_name(recorded: Any) -> None:
    """Any two environments of AWS can be in one account: no bucket, role or cluster of one is called as the other's."""
    by_environment: dict[str, set[tuple[str, str, str]]] = {}
    for name in STACKS:
        found = recorded(name)
        by_environment.setdefault(found.environment.name, set()).update(_aws_names(found))
    shared = {(a, b): by_environment[a] & by_environment[b] for a, b in combinations(by_environment, 2)}
    assert {pair: names for pair, names in shared.items() if names} == {}


def test_environments_of_one_cluster_share_no_object(tmp_path: Path) -> None:
    """A second environment on a cluster, which takes the first one's operators as installed, collides with nothing."""

    def objects(stack: RecordedStack) -> set[tuple[str, str, str]]:
        metadata = [(one.type, one.inputs.get("metadata", one.inputs)) for one in _custom(stack)]
        return {(kind, about.get("namespace", ""), about["name"]) for kind, about in metadata}

    with recorded_stacks(tmp_path) as found:
        first = objects(found("onprem"))
        stacks = tmp_path / "project" / "stacks"
        document = yaml.safe_load((stacks / "Pulumi.onprem.yaml").read_text())
        environment = document["config"]["shipway:environment"]
        environment["name"] = "second"
        environment["kubernetes"] |= {
            "postgres_operator_namespace": "shipway-onprem-operators",
            "gpu_operator_installed": True,
        }
        (stacks / "Pulumi.second.yaml").write_text(yaml.safe_dump(document))
        assert first & objects(found("second")) == set()


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_is_its_own_file_alone(recorded: Any, stack: str, tmp_path: Path) -> None:
    """With every other environment's file gone, it registers the very same resources."""
    whole = recorded(stack)
    with recorded_stacks(tmp_path) as found:
        for path in (tmp_path / "project" / "stacks").glob("Pulumi.*.yaml"):
            if path.stem.removeprefix("Pulumi.") not in (stack, whole.environment.name):
                path.unlink()
        assert set(found(stack).recorder.urns) == set(whole.recorder.urns)
