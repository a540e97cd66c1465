"""Every pod of the program's own, field by field against the restricted Pod Security Standard and the house's rules."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.kubernetes.pods import resources
from shipway.contract.telemetry import MLFLOW_SILENT
from shipway.contract.workers import WORKERS
from tests.components.kubernetes.cluster import Cluster

PODS = ["flight-delay-blue", "flight-delay-green", "digits-blue"]
PODS += ["registry-mlflow", "delivery-deployment", "feature-store-materialise"]
PODS += [f"{job}-deployment" for job in WORKERS]

# What the restricted standard allows, and of that what this platform uses.
VOLUMES = {"name", "configMap", "emptyDir", "secret"}


@pytest.fixture
def pods(cluster: Cluster) -> dict[str, dict[str, Any]]:
    return dict(cluster.register().pods())


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the one container of a pod, and before it the one that runs first, where there is one."""
    (container,) = pod["spec"]["containers"]
    return [*pod["spec"].get("initContainers", []), container]


def test_every_pod_is_looked_at(pods: dict[str, Any]) -> None:
    """A pod that is new is judged here too."""
    assert sorted(pods) == sorted(PODS)


def test_pods_share_nothing_with_their_node(pods: dict[str, Any]) -> None:
    """No host network, processes, ports or paths; volumes are of the allowed types."""
    for name, pod in pods.items():
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec), name
        assert not [volume for volume in spec["volumes"] if set(volume) - VOLUMES], name
        for container in _containers(pod):
            assert not [port for port in container.get("ports", []) if "hostPort" in port], name


def test_pods_are_restricted(pods: dict[str, Any]) -> None:
    """Not root, no privilege to gain, no capability, the runtime's own seccomp profile: of pod and container."""
    for name, pod in pods.items():
        whole = pod["spec"]["securityContext"]
        assert whole["runAsNonRoot"] is True, name
        assert whole["runAsUser"] > 0, name
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"sysctls", "seLinuxOptions", "windowsOptions"} & set(whole), name
        for container in _containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            }, name


def test_only_delivery_may_ask_the_cluster(pods: dict[str, Any]) -> None:
    """No other pod has a token, and each has an account of its own."""
    tokens = {name for name, pod in pods.items() if pod["spec"]["automountServiceAccountToken"]}
    assert tokens == {"delivery-deployment"}
    accounts = [pods[name]["spec"]["serviceAccountName"] for name in PODS if name != "flight-delay-green"]
    assert len(set(accounts)) == len(accounts)
    assert "default" not in accounts


def test_scratch_folders_are_bounded(pods: dict[str, Any]) -> None:
    """A pod cannot fill its node's disk, and everything it writes to is such a folder."""
    for name, pod in pods.items():
        scratch = {volume["name"] for volume in pod["spec"]["volumes"] if "emptyDir" in volume}
        assert [v for v in pod["spec"]["volumes"] if not v.get("emptyDir", {"sizeLimit": "1"}).get("sizeLimit")] == []
        for container in _containers(pod):
            writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert writable == scratch, name


def test_images_are_pinned_and_memory_is_limited(pods: dict[str, Any]) -> None:
    """Every image is a digest; memory requested is the limit; CPU is requested and not throttled."""
    for name, pod in pods.items():
        for container in _containers(pod):
            assert re.fullmatch(r"[\w./-]+@sha256:[0-9a-f]{64}", container["image"]), name
            wanted, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert set(wanted) == {"cpu", "memory"}, name
            assert limits == {"memory": wanted["memory"]}, name


def test_servers_have_three_probes(pods: dict[str, Any]) -> None:
    """All but the job, which ends by itself."""
    for name, pod in pods.items():
        probes = {key for key in pod["spec"]["containers"][0] if key.endswith("Probe")}
        expected = set() if name == "feature-store-materialise" else {"startupProbe", "readinessProbe", "livenessProbe"}
        assert probes == expected, name


def test_no_credential_is_in_a_pod(pods: dict[str, Any]) -> None:
    """Variables name files and endpoints; the Secrets themselves come as files that only their group reads."""
    for name, pod in pods.items():
        for container in _containers(pod):
            variables = {variable["name"] for variable in container.get("env", [])}
            silent = MLFLOW_SILENT.keys() if name == "registry-mlflow" else set[str]()
            assert variables == {"HOME", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL", *silent}, name
            assert not [variable for variable in container["env"] if "valueFrom" in variable], name
            assert "envFrom" not in container, name
        modes = {volume["secret"]["defaultMode"] for volume in pod["spec"]["volumes"] if "secret" in volume}
        assert modes == {0o440}, name


@given(
    cpu=st.integers(1, 256_000),
    memory=st.integers(1, 4_000_000),
    gpus=st.dictionaries(st.sampled_from(["nvidia.com/gpu", "amd.com/gpu"]), st.integers(1, 16), max_size=1),
)
def test_whatever_is_limited_was_requested(cpu: int, memory: int, gpus: dict[str, int]) -> None:
    """For any size: memory and GPUs have one number as request and limit, CPU has a request alone."""
    made = resources(cpu, memory, gpus)
    wanted: Any = made.requests
    limits: Any = made.limits
    assert wanted == {**limits, "cpu": f"{cpu}m"}
    assert limits == {"memory": f"{memory}Mi", **{name: str(count) for name, count in gpus.items()}}
