"""The control plane the other tests stand on is a real one: it schedules, validates and refuses."""

import pytest

from components.kubernetes.scaling import replacing
from components.services import Headroom, Way
from shipway.contract.model import ResourceSpec
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import deployment, namespace, node

pytestmark = pytest.mark.cluster


def test_pods_that_ask_for_gpus_land_on_gpu_nodes_and_others_never(plane: ControlPlane) -> None:
    """The taint keeps CPU pods away, the resource brings GPU pods there, and what is too large stays pending."""
    plane.apply(namespace("placing"), node("cpu-1"), node("cpu-2"), node("gpu-1", gpus=8))
    for name in ("cpu-1", "cpu-2", "gpu-1"):
        plane.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=30s")
    plane.apply(
        deployment("plain", "placing", replicas=6),
        deployment("model", "placing", replicas=2, gpus=4),
        deployment("huge", "placing", gpus=16),
    )
    for name in ("plain", "model"):
        plane.kubectl("rollout", "status", f"deployment/{name}", "-n", "placing", "--timeout=30s")
    pods = plane.get("pods", "-n", "placing")["items"]
    placed = {(pod["metadata"]["labels"]["app"], pod["spec"].get("nodeName", "")[:3]) for pod in pods}
    assert placed == {("plain", "cpu"), ("model", "gpu"), ("huge", "")}
    waiting = next(pod for pod in pods if pod["metadata"]["labels"]["app"] == "huge")
    assert "Insufficient nvidia.com/gpu" in waiting["status"]["conditions"][0]["message"]


@pytest.mark.parametrize(
    ("replicas", "gpus", "room", "ends"),
    [
        pytest.param(1, 1, Headroom(Way.CANARY, 1, "", beside=False), True, id="one-of-a-full-pool"),
        pytest.param(1, 2, Headroom(Way.CANARY, 1, "", beside=True), True, id="one-with-room"),
        pytest.param(2, 2, Headroom(Way.CANARY, 2, "", beside=False), True, id="two-of-a-full-pool"),
        pytest.param(1, 1, None, False, id="as-pods-without-a-gpu-change"),
    ],
)
def test_pods_of_a_full_pool_can_be_replaced(
    plane: ControlPlane, replicas: int, gpus: int, room: Headroom | None, ends: bool
) -> None:
    """The old one gives its GPU to the new one; whoever waits for a new one first waits for ever."""
    name = f"full-{replicas}-{gpus}-{ends}".lower()
    plane.apply(namespace(name), node(name, gpus=gpus, labels={"pool": name}))
    plane.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=30s")
    model = deployment("model", name, replicas=replicas, gpus=1)
    spec = ResourceSpec(
        cpu_millicores=1, memory_mib=1, gpu_type="l4", gpus=1, min_replicas=replicas, max_replicas=replicas
    )
    surge, unavailable = replacing(spec, room)
    model["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    model["spec"]["template"]["spec"]["nodeSelector"] = {"pool": name}
    plane.apply(model)
    status = ("rollout", "status", "deployment/model", "-n", name)
    plane.kubectl(*status, "--timeout=30s")
    model["spec"]["template"]["metadata"]["annotations"] = {"changed": "yes"}
    plane.apply(model)
    if ends:
        plane.kubectl(*status, "--timeout=60s")
    else:
        with pytest.raises(AssertionError, match="timed out waiting"):
            plane.kubectl(*status, "--timeout=10s")


def test_an_unknown_field_is_refused(plane: ControlPlane) -> None:
    """Strict validation on the server names the field."""
    wrong = deployment("typo", "default")
    wrong["spec"]["replica"] = 2
    with pytest.raises(AssertionError, match=r'unknown field "replica"'):
        plane.apply(wrong, dry_run=True)


def test_the_custom_resources_are_known(plane: ControlPlane) -> None:
    """Gateway API and the Prometheus operator's kinds can be asked for."""
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for kind in ("gateways", "httproutes", "servicemonitors", "prometheusrules"):
        assert plane.get(kind, "-A")["kind"] == "List"
