"""What is refused before the first resource on AWS: one clear error each, naming key, value and remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.preflight import preflight
from components.services import load_services
from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from tests.components.conftest import Project

Change = Callable[..., None]


@pytest.fixture
def change(project: Project) -> Change:
    """Changes keys of dev; a dotted one is written with two underscores."""

    def of(**values: Any) -> None:
        path = project.root / "stacks" / "Pulumi.dev.yaml"
        document = yaml.safe_load(path.read_text())
        for key, value in values.items():
            place = document["config"]["shipway:environment"]
            *parents, last = key.split("__")
            for parent in parents:
                place = place[parent]
            if value is None:
                del place[last]
            else:
                place[last] = value
        path.write_text(yaml.safe_dump(document))

    return of


def _refused(root: Path) -> SpecError:
    with pytest.raises(SpecError) as refused:
        _check(root)
    return refused.value


def _check(root: Path) -> list[str]:
    environment = load_environment(root, "dev")
    return preflight(root, environment, load_services(root, "dev"), dry_run=False)


def test_the_example_is_fine(project: Project) -> None:
    """Nothing to refuse and nothing to warn of."""
    assert _check(project.root) == []


def test_an_unknown_gpu_type(project: Project, change: Change) -> None:
    """The known ones are listed."""
    change(gpu_pools=[{"name": "inference", "gpu_type": "l5", "max_nodes": 1}])
    error = _refused(project.root)
    assert (error.key, error.got) == ("gpu_pools.0.gpu_type", "l5")
    assert error.expected.startswith("one of t4, ")


def test_a_region_without_the_machine(project: Project, change: Change) -> None:
    """The regions that have it are listed."""
    zones = [f"eu-west-2{zone}" for zone in "abc"]
    pool = {"name": "inference", "gpu_type": "h100", "max_nodes": 1}
    change(region="eu-west-2", aws__availability_zones=zones, gpu_pools=[pool])
    error = _refused(project.root)
    assert (error.key, error.got) == ("gpu_pools.0.gpu_type", "p5.48xlarge")
    assert error.expected.startswith("a machine that eu-west-2 has; it is in us-east-1, ")


def test_a_machine_that_nobody_knows(project: Project, change: Change) -> None:
    """Its price and size would be guesses."""
    change(aws__cpu_pools=[{"name": "platform", "instance_types": ["m9z.large"], "min_nodes": 1, "max_nodes": 1}])
    error = _refused(project.root)
    assert (error.key, error.got) == ("aws.cpu_pools.0.instance_types", "m9z.large")
    assert error.expected.startswith("one of c6i.xlarge, ")


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        ("10.0.0.0/23", "in which public, private and intra subnets of 3 zones fit, not /23"),
        ("10.0.0.0/15", "a range from /16 to /22"),
        ("10.0.0.1/16", "has host bits set"),
        ("100.64.0.0/16", "it is nobody else's"),
        ("172.20.0.0/16", "vpc_cidr (172.20.0.0/16) and service_cidr (172.20.0.0/16) to be apart"),
    ],
)
def test_a_network_that_does_not_fit(project: Project, change: Change, cidr: str, expected: str) -> None:
    """Too small for three zones, too large for AWS, somebody else's, or the Services' own."""
    change(aws__vpc_cidr=cidr)
    assert expected in str(_refused(project.root))


def test_zones_of_another_region(project: Project, change: Change) -> None:
    """They are named, with the region that was asked for."""
    change(region="us-west-2")
    assert "availability_zones of region us-west-2, not us-east-1a, us-east-1b, us-east-1c" in str(
        _refused(project.root)
    )


def test_a_pool_without_capacity(project: Project, change: Change) -> None:
    """One that may have no node at all holds nothing."""
    change(aws__cpu_pools=[{"name": "platform", "instance_types": ["m7i.large"], "min_nodes": 2, "max_nodes": 1}])
    assert "max_nodes (1) to be at least min_nodes (2)" in str(_refused(project.root))


def test_two_pools_of_one_name(project: Project, change: Change) -> None:
    """Node groups of a cluster are told apart by their names."""
    change(gpu_pools=[{"name": "platform", "gpu_type": "t4", "max_nodes": 1}])
    error = _refused(project.root)
    assert (error.key, error.got) == ("gpu_pools.0.name", "platform")


def test_a_least_number_that_karpenter_does_not_keep(project: Project, change: Change) -> None:
    """Saying so would be a promise that nobody keeps."""
    change(aws__autoscaler="karpenter", gpu_pools=[{"name": "gpus", "gpu_type": "t4", "min_nodes": 1, "max_nodes": 1}])
    error = _refused(project.root)
    assert (error.key, error.got) == ("gpu_pools.0.min_nodes", 1)


def test_a_model_that_no_node_can_hold(project: Project) -> None:
    """However many nodes there may be, a pod is on one."""
    project.add_model("first", cpu=3000)
    error = _refused(project.root)
    assert (error.key, error.got) == ("resources.cpu_millicores", 3000)
    assert error.expected.startswith("at most 1500: no node of ")


def test_models_that_the_pools_cannot_hold(project: Project) -> None:
    """Both slots of every model count."""
    for number in ("one", "two", "three"):
        project.add_model(f"model-{number}", cpu=1200)
    error = _refused(project.root)
    assert error.key == "resources.cpu_millicores"
    assert error.expected.startswith("two slots of model-two to fit the pools: they need 2400, ")


def test_an_environment_that_nobody_answers_for(project: Project, change: Change) -> None:
    """What costs carries who is asked about it."""
    change(tags={"cost-center": "ml-platform"})
    error = _refused(project.root)
    assert (error.key, error.expected) == ("tags", "an owner among them: everything that costs carries it")


def test_a_cluster_that_the_kubeconfig_does_not_know(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With models to look after, what is live is asked first; the command that writes the context is named."""
    kubeconfig = project.root / "empty"
    kubeconfig.write_text("contexts: []\n")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    project.add_model("first")
    error = _refused(project.root)
    assert (error.key, error.got) == ("name", "shipway-dev")
    command = "aws eks update-kubeconfig --region us-east-1 --name shipway-dev --alias shipway-dev"
    assert error.expected.endswith(f"`{command}` writes it")


RETRAINING: dict[str, Any] = {
    "image": f"111122223333.dkr.ecr.us-east-1.amazonaws.com/shipway-dev/platform/retraining@sha256:{'6' * 64}",
    "repository_url": "https://git.example.com/models/shipway.git",
    "repository_secret": "repository",
    "address_ranges": ["203.0.113.0/28"],
}


def test_a_schedule_that_nothing_keeps_names_the_key_of_this_target(project: Project, change: Change) -> None:
    """Where no place is named the key is `aws.retraining`; with one it is kept."""
    folder = project.add_model("first")
    path = folder / "model.yaml"
    path.write_text(f"{path.read_text()}retraining: {{every_seconds: 604800}}\n")
    assert str(_refused(project.root)).startswith(
        f"{project.root}/stacks/Pulumi.dev.yaml: aws.retraining: got None, expected where models are retrained: first"
    )
    change(aws__retraining=RETRAINING | {"signing_secret": "signing"})
    _check(project.root)


def test_a_registry_of_the_account_takes_no_secret(project: Project, change: Change) -> None:
    """ECR knows the job by its role: the key that a cluster of one's own has is unknown here."""
    change(aws__retraining=RETRAINING | {"registry_secret": "push"})
    error = _refused(project.root)
    assert (error.key, error.expected) == ("aws.retraining.registry_secret", "no such key")


def test_what_is_admitted_signed_is_signed(project: Project, change: Change) -> None:
    """Where admission is on, the job needs the key."""
    document = yaml.safe_load((project.root / "stacks" / "Pulumi.prod.yaml").read_text())
    admission = document["config"]["shipway:environment"]["aws"]["admission"]
    change(aws__retraining=RETRAINING, aws__admission=admission)
    assert "expected retraining.signing_secret where admission is on" in str(_refused(project.root))
