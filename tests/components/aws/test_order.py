"""What waits for what, and so what is destroyed after what: nothing loses its rights or its way before it is gone."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.components.recorded import RecordedStack, Registration, recorded_stacks

PLATFORMS = ["dev", "prod", "staging"]
STACKS = [*PLATFORMS, *(f"{one}-models" for one in PLATFORMS)]
RIGHTS = ("aws:iam/rolePolicy:RolePolicy", "aws:iam/rolePolicyAttachment:RolePolicyAttachment")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RecordedStack]]:
    """Returns what registers a stack by its name."""
    with recorded_stacks(tmp_path_factory.mktemp("stacks")) as found:
        yield found


def _upstream(found: Mapping[str, Registration], urn: str) -> set[str]:
    """Returns the names of all that the engine destroys after a resource; its provider too."""
    seen, waiting = set[str](), [urn]
    while waiting:
        request = found[waiting.pop()].request
        further = {*request.dependencies, request.provider.rpartition("::")[0]} & found.keys()
        waiting += further - seen
        seen |= further
    return {found[one].name for one in seen}


def _of(stack: RecordedStack, *endings: str) -> tuple[dict[str, Registration], list[Registration]]:
    found = {one.urn: one for one in stack.registrations}
    return found, [one for one in found.values() if one.type.endswith(endings)]


@pytest.mark.parametrize("stack", STACKS)
def test_whoever_takes_on_a_role_keeps_its_rights_to_the_end(recorded: Any, stack: str) -> None:
    """A controller whose rights go first takes nothing away any more, and a finalizer waits for it for ever."""
    found, rights = _of(recorded(stack), *RIGHTS)
    held: dict[str, list[str]] = {}
    for one in rights:
        for role in one.references["role"]:
            held.setdefault(role, []).append(one.name)
    roles = {urn for urn, one in found.items() if one.type == "aws:iam/role:Role"}
    assert held.keys() == roles
    lost = {
        one.name: sorted(missing)
        for one in found.values()
        if not one.type.startswith("aws:iam/")
        for role in {urn for urns in one.references.values() for urn in urns} & roles
        if (missing := set(held[role]) - _upstream(found, one.urn))
    }
    assert lost == {}


@pytest.mark.parametrize("stack", PLATFORMS)
def test_the_cluster_is_reached_until_nothing_is_in_it(recorded: Any, stack: str) -> None:
    """Every role of the admins, whichever runs Pulumi, and every network that they come from."""
    found, (provider,) = _of(recorded(stack), "pulumi:providers:kubernetes")
    admins = {one.name for one in found.values() if one.type.endswith(":AccessPolicyAssociation")}
    ranges = {one.name for one in found.values() if one.name.startswith("cluster-operators-")}
    assert len(admins) == len(recorded(stack).environment.aws.admin_role_arns)
    assert len(ranges) == len(recorded(stack).environment.aws.operator_ranges)
    assert admins | ranges <= _upstream(found, provider.urn)


@pytest.mark.parametrize("stack", PLATFORMS)
def test_nodes_have_a_way_out_until_they_are_gone(recorded: Any, stack: str) -> None:
    """By NAT and on from it: endpoints go meanwhile, and what takes balancers and disks away still has to ask AWS."""
    found, groups = _of(recorded(stack), ":NodeGroup")
    ways = {one.name for one in found.values() if one.type.endswith((":NatGateway", ":Route"))}
    zones = {one.name.removeprefix("network-nat-") for one in found.values() if one.type.endswith(":NatGateway")}
    for group in groups:
        assert ways | {f"network-public-{zone}-routes" for zone in zones} <= _upstream(found, group.urn)


def test_an_endpoint_answers_until_it_is_gone(recorded: Any) -> None:
    """As long as it is there the names of its service lead to it: closed, it would keep all from the service itself."""
    found, endpoints = _of(recorded("prod"), ":VpcEndpoint")
    rules = {one.name for one in found.values() if one.name.startswith("endpoints-from-")}
    assert len(rules) == 3
    assert [one.name for one in endpoints if not rules <= _upstream(found, one.urn)] == []


@pytest.mark.parametrize("stack", PLATFORMS)
def test_the_gateways_service_goes_before_what_takes_its_balancer_and_its_name_away(recorded: Any, stack: str) -> None:
    """Envoy Gateway makes the Service, so that only the namespace is known to be there as long as it is."""
    found, spaces = _of(recorded(stack), "kubernetes:core/v1:Namespace")
    (space,) = [one for one in spaces if one.name.endswith("-gateway")]
    assert {"load-balancer-chart", "names-chart"} <= _upstream(found, space.urn)
