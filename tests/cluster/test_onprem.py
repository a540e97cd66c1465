"""What the example environment `onprem` declares, as a real API server takes it."""

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.runtime.rpc import deserialize_properties

from tests.cluster.control_plane import ControlPlane
from tests.components.conftest import Project, project
from tests.components.kubernetes.cluster import FIRST, SECOND, STACK, Cluster, Registered
from tests.standins.shape import document_of

__all__ = ["project"]

pytestmark = pytest.mark.cluster


@pytest.fixture
def declared(project: Project) -> Registered:
    """The program's resources, with one model that has both slots filled and one that has one."""
    project.add_service("flight_delay", STACK, blue=FIRST, green=SECOND)
    project.add_service("digits", STACK, blue=SECOND)
    return Cluster(project).register()


def objects(declared: Registered) -> list[dict[str, Any]]:
    """Returns every Kubernetes object as it would be applied, without the releases of charts."""
    return [
        document_of(request.type, deserialize_properties(request.object))
        for request in declared.requests.values()
        if request.type.startswith("kubernetes:") and not request.type.startswith("kubernetes:helm.sh/")
    ]


@pytest.fixture
def found(plane: ControlPlane, declared: Registered) -> Iterator[list[dict[str, Any]]]:
    """Every object, while their namespaces are there: whoever comes after brings their own."""
    everything = objects(declared)
    spaces = [one for one in everything if one["kind"] == "Namespace"]
    plane.apply(*spaces)
    yield everything
    plane.kubectl("delete", "namespace", "--timeout=50s", *(one["metadata"]["name"] for one in spaces))


def test_every_object_is_valid(plane: ControlPlane, found: list[dict[str, Any]]) -> None:
    """Strict validation on the server finds no unknown field and no wrong value in any object."""
    rest = [one for one in found if one["kind"] != "Namespace"]
    assert len(rest) > 40
    said = plane.apply(*rest, dry_run=True)
    assert said.count("serverside-applied (server dry run)") == len(rest), said


def test_every_pod_is_admitted(plane: ControlPlane, found: list[dict[str, Any]]) -> None:
    """The enforced Pod Security Standard lets each pod template into its namespace, and a privileged one not."""
    plane.apply(*[one for one in found if one["kind"] == "ServiceAccount"])
    templates = [
        (one["metadata"], one["spec"]["template"] if one["kind"] == "Deployment" else job_template(one))
        for one in found
        if one["kind"] in ("Deployment", "CronJob")
    ]
    assert len(templates) >= 6
    for metadata, template in templates:
        named = {"name": metadata["name"], "namespace": metadata["namespace"], "labels": template["metadata"]["labels"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": template["spec"]}
        plane.apply(pod, dry_run=True)
    privileged = {**pod["spec"], "hostNetwork": True}
    with pytest.raises(AssertionError, match=r'violates PodSecurity "restricted:.*host namespaces'):
        plane.apply({**pod, "spec": privileged}, dry_run=True)


def job_template(cron_job: dict[str, Any]) -> dict[str, Any]:
    """Returns the pod template of a CronJob."""
    return cron_job["spec"]["jobTemplate"]["spec"]["template"]
