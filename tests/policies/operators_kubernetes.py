"""The operators of the rules about pods and the cluster."""

from typing import Any

from policies.rules.availability import TIMEOUT_ANNOTATION
from policies.rules.resources import LOAD_ANNOTATION
from tests.policies.mutations import (
    DROP,
    JOB,
    JOB_SPEC,
    MODEL,
    PSA,
    SERVING,
    SLOT,
    SPEC,
    Operator,
    in_containers,
    in_pods,
    lacks,
    op,
    plus,
    without,
)

KEY = "AKIA" + "A" * 16
OPEN = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
EVERY: list[Any] = [{"namespaceSelector": {}}]

POD_SECURITY: dict[str, list[Operator]] = {
    "ML001": [
        *in_pods("hostNetwork", True),
        *in_pods("hostPID", True),
        *in_pods("hostIPC", True),
        *in_pods("securityContext>runAsNonRoot", False, DROP),
        *in_pods("securityContext>runAsUser", 0, 0.0),
        *in_pods("securityContext>seccompProfile", {"type": "Unconfined"}, DROP),
        *in_pods("securityContext>sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
        *in_pods("volumes>*", {"name": "host", "hostPath": {"path": "/"}}, {"name": "nfs", "nfs": {"server": "a"}}),
        *in_containers("securityContext>privileged", True),
        *in_containers("securityContext>allowPrivilegeEscalation", True, DROP),
        *in_containers("securityContext>capabilities", {"drop": []}, {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, DROP),
        *in_containers("securityContext>procMount", "Unmasked"),
        *in_containers("securityContext>seLinuxOptions", {"user": "root"}, {"type": "spc_t"}),
        *in_containers("securityContext>appArmorProfile", {"type": "Unconfined"}),
        *in_containers("securityContext>windowsOptions", {"hostProcess": True}),
        *in_containers("securityContext", DROP),
        *in_containers("ports", [{"containerPort": 80, "hostPort": 80.0}]),
        *in_pods("initContainers", [{"name": "init", "image": "x"}]),
    ],
    "ML002": [
        op("*:Namespace|*", f"metadata>labels>{PSA}", "baseline", "privileged", DROP),
        op("*:Namespace|*", f"metadata>labels>{PSA}-version", "latest", "1.35", DROP),
        op("*:Namespace|*", "metadata>labels", DROP, {}),
    ],
    "ML003": [
        *in_containers("securityContext>readOnlyRootFilesystem", False, DROP),
        *in_containers("securityContext", DROP),
        *in_pods("volumes>*>emptyDir", {}, {"medium": "Memory"}),
        *in_pods("initContainers", [{"name": "init", "image": "x"}]),
    ],
    "ML004": [
        *in_containers("resources", DROP, {}),
        *in_containers("resources>requests", DROP, lacks("cpu"), lacks("memory")),
        *in_containers("resources>requests>memory", "0", "4Gi", 0),
        *in_containers("resources>requests>cpu", "0", "lots"),
        *in_containers("resources>limits", DROP, {}),
        *in_containers("resources>requests>nvidia.com/gpu", "8"),
        *in_containers("resources>requests>amd.com/gpu", "1"),
        op(MODEL, "model>resources>cpu_millicores", 0, None, DROP),
        op(MODEL, "model>resources>memory_mib", 0, None, DROP),
        op(MODEL, "model>resources>gpu_type", lambda old: None if old else "h200"),
    ],
    "ML005": [
        *(
            op(SERVING, f"{SPEC}>containers>*>{probe}", DROP)
            for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        ),
        op(SLOT, f"{SPEC}>containers>*>startupProbe>failureThreshold", 1, 2.0, DROP),
        op(SLOT, f"{SPEC}>containers>*>startupProbe>periodSeconds", 1),
        op(SLOT, f"spec>template>metadata>annotations>{LOAD_ANNOTATION}", "600", "1200.5"),
    ],
    "ML006": [
        *in_containers(
            "image",
            "111111111111.dkr.ecr.eu-west-1.amazonaws.com/models:1",
            "python@sha256:" + "a" * 64,
            "evil.io/x.dkr.ecr.y.amazonaws.com/m@sha256:" + "a" * 64,
            lambda old: old[:-1],
            lambda old: old.partition("@")[0] + ":latest",
            DROP,
        ),
        *in_pods("volumes>*", {"name": "weights", "image": {"reference": "models/pricing:latest"}}),
        *in_pods("initContainers", [{"name": "init", "image": "busybox"}]),
        op(MODEL, "release>blue", "latest", "sha256:123", lambda old: old[:-1]),
    ],
    "ML007": [
        *in_pods("serviceAccountName", "default", DROP),
        op(SLOT, f"{SPEC}>automountServiceAccountToken", True, DROP),
        op(JOB, f"{JOB_SPEC}>automountServiceAccountToken", True, DROP),
        op("*:RoleBinding|*", ""),
        op("*:RoleBinding|*", "subjects", []),
        op("*:ServiceAccount|*", "automountServiceAccountToken", True, DROP),
    ],
    "ML010": [
        *in_containers("env>*", {"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "apiKey", "value": "0a1b2c"}),
        *in_containers("env>*", {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}),
        *in_containers("env>*", {"name": "URL", "value": "postgres://u:p4ss@db/x"}, {"name": "ID", "value": KEY}),
        *in_containers("envFrom", [{"secretRef": {"name": "db"}}]),
        *in_containers("args", ["--password=hunter2"], ["--api-key", "0a1b2c"], [KEY], ["redis://:p4ss@cache"]),
        op("*:ConfigMap|*", "data", {"password": "hunter2"}, {"id": KEY}, {"db.secret": "x1"}),
        op("*:ConfigMap|*", "data", {"key.pem": "-----BEGIN RSA PRIVATE KEY-----"}),
    ],
}

CLUSTER: dict[str, list[Operator]] = {
    "ML008": [
        op("*:NetworkPolicy|deny", ""),
        op("*:NetworkPolicy|deny", "spec>policyTypes", ["Ingress"], ["Egress"], [], DROP),
        op("*:NetworkPolicy|deny", "spec>podSelector", {"matchLabels": {"a": "b"}}),
        op("*:NetworkPolicy|deny", "spec>ingress", [{}]),
        op("*:NetworkPolicy|deny", "metadata>namespace", "other", DROP),
        op("*:NetworkPolicy|edges", "spec>ingress>*>from", DROP, [], OPEN, EVERY),
        op("*:NetworkPolicy|edges", "spec>egress>*>to", DROP, [], OPEN, EVERY),
        op(SERVING, "metadata>namespace", DROP),
    ],
    "ML009": [
        op("*:Role|delivery", "rules>*>verbs", ["*"], ["get", "bind"], ["escalate"], ["Impersonate"]),
        op("*:Role|delivery", "rules>*>resources", ["*"], ["leases", "*/status"]),
        op("*:Role|delivery", "rules>*>apiGroups", ["*"]),
        op("*:Role|delivery", "rules>*>nonResourceURLs", ["*"]),
        op("*:Role|delivery", "rules>*", {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}),
        op("*:Role|delivery", "rules>*", {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch"]}),
        op("*:Role|delivery", "rules", plus({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})),
        op("*:RoleBinding|*", "roleRef>name", "cluster-admin"),
        op("*:RoleBinding|*", "subjects>*>name", "default", "system:authenticated", "system:masters"),
    ],
    "ML011": [
        op("*:Service|*", "spec>type", "LoadBalancer", "NodePort"),
        op("*:Service|*", "spec>externalIPs", ["203.0.113.1"]),
        op("*:Gateway|*", "spec>listeners>*>protocol", "HTTP", "TCP"),
        op("*:Gateway|*", "spec>listeners>*>tls", DROP, {"certificateRefs": []}),
        op("*:Gateway|*", "spec>listeners", plus({"name": "http", "protocol": "HTTP"})),
        op("*:ClientTrafficPolicy|*", "spec>tls>minVersion", "1.0", "1.1", "Auto"),
    ],
    "ML012": [
        op("*:PodDisruptionBudget|*", ""),
        op(
            "*:PodDisruptionBudget|*",
            "spec>selector",
            {"matchLabels": {"a": "b"}},
            {"matchLabels": {"shipway/model": "x"}},
        ),
        op("*:PodDisruptionBudget|*", "spec>minAvailable", 5, "100%", 3.0),
        op("*:PodDisruptionBudget|*", "spec>maxUnavailable", 0, "0%"),
        op("*:PodDisruptionBudget|*", "metadata>namespace", "other"),
        op(SERVING, "spec>replicas", 1, DROP),
        op("*:HorizontalPodAutoscaler|*", "spec>minReplicas", 1, DROP),
        op("*:HorizontalPodAutoscaler|*", ""),
        op(SERVING, f"{SPEC}>topologySpreadConstraints", DROP, [], [{"topologyKey": "kubernetes.io/hostname"}]),
    ],
    "ML013": [
        op(SLOT, f"{SPEC}>terminationGracePeriodSeconds", 5, 20, 0, 15.0),
        op(SLOT, f"{SPEC}>containers>*>lifecycle", DROP, {}, {"preStop": {"httpGet": {}}}),
        op(SLOT, f"{SPEC}>containers>*>lifecycle>preStop", {"sleep": {"seconds": 0}}, {"sleep": {"seconds": 300}}),
        op(SLOT, f"{SPEC}>containers>*>lifecycle>preStop", {"exec": {"command": ["sh", "-c", "sleep 600"]}}),
        op(SLOT, f"spec>template>metadata>annotations>{TIMEOUT_ANNOTATION}", "600"),
    ],
    "ML014": [
        op(SLOT, f"{SPEC}>nodeSelector", lambda old: {} if old else {"shipway/gpu-type": "l4"}),
        op(SLOT, f"{SPEC}>tolerations", lambda old: [] if old else [{"key": "nvidia.com/gpu"}]),
        op(JOB, f"{JOB_SPEC}>tolerations", [{"operator": "Exists"}], [{"key": "nvidia.com/gpu"}]),
        op(JOB, f"{JOB_SPEC}>nodeSelector", {"nvidia.com/gpu.present": "true"}),
        op(JOB, f"{JOB_SPEC}>containers>*>resources>limits>nvidia.com/gpu", "1"),
        op(JOB, f"{JOB_SPEC}>containers>*>resources>limits>nvidia.com/mig-1g.5gb", "1"),
        op("*:NodeGroup|gpu", "taints", DROP, [], [{"key": "nvidia.com/gpu", "effect": "PREFER_NO_SCHEDULE"}]),
        op("*:NodeGroup|cpu", "labels", {"nvidia.com/gpu.present": "true"}),
        op("*:NodeGroup|cpu", "amiType", "BOTTLEROCKET_x86_64_NVIDIA"),
    ],
    "ML015": [
        op("*eks/cluster:Cluster|*", "vpcConfig>endpointPublicAccess", True, DROP, "false"),
        op("*eks/cluster:Cluster|*", "vpcConfig>endpointPrivateAccess", False, DROP),
        op("*eks/cluster:Cluster|*", "vpcConfig", DROP),
    ],
    "ML016": [
        op(
            "*eks/cluster:Cluster|*",
            "enabledClusterLogTypes",
            *(without(kind) for kind in ("api", "audit", "scheduler")),
        ),
        op("*eks/cluster:Cluster|*", "enabledClusterLogTypes", DROP, []),
        op("*eks/cluster:Cluster|*", "name", "renamed"),
        op("*:LogGroup|*", ""),
        op("*:LogGroup|*", "retentionInDays", DROP, 0, 7, 30.0),
        op("*:LogGroup|*", "name", "/aws/eks/cluster", DROP),
    ],
    "ML017": [
        op("*eks/cluster:Cluster|*", "encryptionConfig", DROP, {"resources": ["secrets"]}),
        op("*eks/cluster:Cluster|*", "encryptionConfig>resources", [], DROP),
        op("*eks/cluster:Cluster|*", "encryptionConfig>provider>keyArn", "", DROP),
        op("*:Key|*", "enableKeyRotation", False, DROP),
    ],
    "ML018": [
        op("*:LaunchTemplate|*", "metadataOptions>httpTokens", "optional", DROP),
        op("*:LaunchTemplate|*", "metadataOptions>httpPutResponseHopLimit", 2, 64.0, DROP),
        op("*:LaunchTemplate|*", "metadataOptions", DROP),
        op("*:LaunchTemplate|*", "blockDeviceMappings>*>ebs>encrypted", "false", False, DROP),
        op("*:LaunchTemplate|*", "blockDeviceMappings", DROP, []),
        op("*:NodeGroup|*", "launchTemplate", DROP),
    ],
    "ML019": [
        op("*eks/cluster:Cluster|*", "version", "1.27", "1.29", "1.33", "1.99", DROP),
        op("*:NodeGroup|*", "version", "1.27", "1.31"),
    ],
    "ML024": [
        op("*:ClusterPolicy|*", ""),
        op("*:ClusterPolicy|*", "spec>failurePolicy", "Ignore"),
        op("*:ClusterPolicy|*", "spec>rules>*>verifyImages>*>failureAction", "Audit", DROP),
        op("*:ClusterPolicy|*", "spec>rules>*>verifyImages>*>attestors", [], DROP),
        op(
            "*:ClusterPolicy|*",
            "spec>rules>*>verifyImages>*>attestations",
            [],
            DROP,
            [{"type": "https://cyclonedx.org"}],
        ),
        op("*:ClusterPolicy|*", "spec>rules>*>verifyImages>*>required", False),
        op("*:ClusterPolicy|*", "spec>rules", []),
    ],
}
