"""A whole stack in which everything is right, in many variants: namespace, two-slot models, GPU pools, EKS, stores."""

import json
import random
from collections.abc import Mapping
from typing import Any

from policies.resource import Resource
from policies.rule import MODEL_SERVICE, PLATFORM
from policies.rules.availability import TIMEOUT_ANNOTATION
from policies.rules.resources import LOAD_ANNOTATION
from tests.policies.load_tests import load_test

ACCOUNT = "111111111111"
TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def clean_stack(seed: int) -> list[Resource]:
    """Returns one variant of a stack that breaks no rule on tier prod; the same one for the same seed."""
    draw = random.Random(seed)
    model = draw.choice(["pricing", "flight-delay", "fraud", "digits"])
    env = draw.choice(["prod", "prod-eu", "live"])
    names = {"shipway/owner": draw.choice(["pricing", "risk"]), "shipway/env": env, "shipway/cost-center": "cc-42"}
    gpu = draw.random() < 0.5
    found = [
        *_platform(draw, env, model, gpu),
        *_kubernetes(draw, model, names),
        *_slot(draw, model, "blue", names, gpu),
        *_slot(draw, model, "green", names, gpu),
        *_delivery(draw, names),
        *_cluster(draw, names),
        *_roles(draw),
        *_stores(draw, names),
    ]
    draw.shuffle(found)
    return found


def digest(draw: random.Random) -> str:
    """Returns a sha256 digest."""
    return "sha256:" + "".join(draw.choices("0123456789abcdef", k=64))


def _platform(draw: random.Random, env: str, model: str, gpu: bool) -> list[Resource]:
    blue, green = digest(draw), draw.choice(["", digest(draw)])
    record = {
        "files": ["files/model.skops", "files/reference.json"],
        "data_version": "2026-11-01",
        "metrics": {"auc": 0.7},
        "owner": model,
        "approved_by": "anna@example.org",
        "submitted_by": "ben@example.org",
    }
    slo = draw.choice([900, 1800])
    spec = _spec(draw, model, slo, gpu)
    environment = {
        "name": env,
        "tier": "prod",
        "target": "aws",
        "alerts": {"webhook_urls": ["https://alerts.acme.io/hook"]},
        "tags": {"team": "ml"},
    }
    filled = {slot: held for slot, held in (("blue", blue), ("green", green)) if held}
    bundles = {
        slot: {**record, "digest": held, "load_tests": [load_test(draw, model, held)]} for slot, held in filled.items()
    }
    service = {
        "tier": "prod",
        "model": spec,
        "release": {
            "blue": blue,
            "green": green,
            "load_tested": dict.fromkeys(filled.values(), "2026-11-10T09:00:00+00:00"),
        },
        "live_changes": [],
        "bundles": bundles,
        "alert_tests": {"passed": 4, "failed": 0},
    }
    alert = {
        "alert": "FeaturesStale",
        "expr": f'max by (feature) (shipway_feature_age_seconds{{model="{model}"}}) > {slo}',
        "labels": {"severity": "ticket", "owner": model},
        "annotations": {"runbook_url": f"https://wiki.acme.io/{model}", "summary": "{{ $labels.feature }} is old"},
    }
    return [
        Resource(PLATFORM, "platform", {"environment": environment}),
        Resource(MODEL_SERVICE, model, service),
        _object("monitoring.coreos.com/v1:PrometheusRule", "rules", {"groups": [{"name": model, "rules": [alert]}]}),
        _object(
            "monitoring.coreos.com/v1:ServiceMonitor",
            "monitor",
            {
                "sampleLimit": draw.choice([2000, 20_000]),
                "podTargetLabels": ["shipway/model"],
                "endpoints": [{"port": "http", "metricRelabelings": [{"targetLabel": "slot"}]}],
            },
        ),
    ]


def _spec(draw: random.Random, model: str, slo: int, gpu: bool) -> dict[str, Any]:
    return {
        "name": model,
        "owner": {
            "team": model,
            "contact": f"{model}@acme.io",
            "escalation": f"{model}-oncall@acme.io",
            "runbook_url": f"https://wiki.acme.io/{model}",
        },
        "risk": draw.choice(["low", "high"]),
        "resources": {
            "cpu_millicores": draw.choice([250, 1000]),
            "memory_mib": draw.choice([512.0, 4096.0]),
            "gpu_type": "l4" if gpu else None,
            "gpus": 1 if gpu else 0,
            "min_replicas": 2,
            "max_replicas": draw.choice([2, 6.0]),
        },
        "slo": {"error_ratio": 0.01, "latency_seconds": 0.3},
        "rollout": {
            "steps_percent": draw.choice([[1, 5, 25, 50, 100], [1.0, 100.0]]),
            "harm_budget_ratio": 0.01,
            "guardrail_alpha": 0.01,
            "sample_ratio_alpha": 0.001,
            "max_step_seconds": 3600,
            "prepare_seconds": 300,
            "guard_seconds": draw.choice([600, 3600]),
            "manual_gate_before_percent": draw.choice([None, 25, 50]),
            "gates": draw.choice([{}, {"sample_ratio": "pause", "slow_slo": "pause"}]),
        },
        "serving": {"timeout_seconds": draw.choice([2, 10])},
        "loadtest": draw.choice([{}, {"required": {"prod": ["smoke", "load"]}, "requests_per_second": 20}]),
        "features": {
            "reads": [
                {
                    "name": "weather:wind",
                    "default": 1.0,
                    "ttl_seconds": draw.choice([3600, 7200]),
                    "freshness_slo_seconds": slo,
                }
            ],
        },
        "drift": {"reference": digest(draw), "window_seconds": 86_400},
        "logging": {"payload": False, "fields": ["prediction_id", "version"]},
    }


def _object(kind: str, name: str, spec: Any, labels: Mapping[str, str] | None = None, **more: Any) -> Resource:
    metadata = {"name": name, "namespace": "models", "labels": dict(labels or {})}
    return Resource(f"kubernetes:{kind}", name, {"metadata": metadata, "spec": spec, **more})


def _kubernetes(draw: random.Random, model: str, names: Mapping[str, str]) -> list[Resource]:
    psa = "pod-security.kubernetes.io/enforce"
    labels = {psa: "restricted", f"{psa}-version": draw.choice(["v1.35", "v1.36"]), **names}
    namespace = {"metadata": {"name": "models", "labels": labels}}
    edge = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}}, "podSelector": {}}
    dns = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    match = draw.choice(
        [
            {"any": [{"resources": {"kinds": ["Pod"]}}]},
            {"all": [{"resources": {"kinds": ["v1/Pod"], "namespaces": ["mod*"]}}]},
        ]
    )
    verify = {
        "imageReferences": draw.choice([["*"], [f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/models/*"]]),
        "failureAction": "Enforce",
        "attestors": [{"entries": [{"keyless": {"subject": "release"}}]}],
        "attestations": [{"type": "https://slsa.dev/provenance/v1"}],
    }
    role = {"rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update"]}]}
    account = {"kind": "ServiceAccount", "name": "delivery", "namespace": "models"}
    bound = {"roleRef": {"name": "delivery", "kind": "Role"}, "subjects": [account]}
    meta = {"name": "delivery", "namespace": "models"}
    rbac = "kubernetes:rbac.authorization.k8s.io/v1"
    return [
        Resource("kubernetes:core/v1:Namespace", "models", namespace),
        _object(
            "networking.k8s.io/v1:NetworkPolicy", "deny", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        ),
        _object(
            "networking.k8s.io/v1:NetworkPolicy",
            "edges",
            {
                "podSelector": {"matchLabels": {"shipway/model": model}},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [edge], "ports": [{"port": 3000}]}],
                "egress": [{"to": [dns], "ports": [{"port": 53, "protocol": "UDP"}]}],
            },
        ),
        _object(
            "kyverno.io/v1:ClusterPolicy",
            "signed",
            {"failurePolicy": "Fail", "rules": [{"name": "signed", "match": match, "verifyImages": [verify]}]},
        ),
        Resource(f"{rbac}:Role", "delivery", {"metadata": meta, **role}),
        Resource(f"{rbac}:RoleBinding", "delivery-binding", {"metadata": meta, **bound}),
        Resource("kubernetes:core/v1:ConfigMap", "settings", {"metadata": meta, "data": {"MAX_TOKENS": "512"}}),
        _object(
            "gateway.networking.k8s.io/v1:Gateway",
            "gateway",
            {"listeners": [{"name": "https", "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "tls"}]}}]},
        ),
        _object("gateway.envoyproxy.io/v1alpha1:ClientTrafficPolicy", "tls", {"tls": {"minVersion": "1.2"}}),
    ]


def pod_spec(draw: random.Random, name: str, gpu: bool) -> dict[str, Any]:
    """Returns the spec of a pod that breaks no rule."""
    requests = {"cpu": draw.choice(["500m", "2"]), "memory": "1Gi"}
    limits: dict[str, Any] = {"memory": draw.choice(["1Gi", "2Gi"])}
    if gpu:
        limits["nvidia.com/gpu"] = draw.choice(["1", 1.0])
    probe = {"httpGet": {"path": "/readyz", "port": 3000.0}}
    container = {
        "name": name,
        "image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/models/{name}@{digest(draw)}",
        "args": ["serve", "--port", "3000"],
        "env": [
            {"name": "DB_PASSWORD_FILE", "value": "/run/secrets/db/password"},
            {"name": "LOG_REQUEST_BODY", "value": "false"},
        ],
        "ports": [{"containerPort": 3000}],
        "resources": {"requests": requests, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": 24},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "lifecycle": {"preStop": draw.choice([{"sleep": {"seconds": 10}}, {"exec": {"command": ["sleep", "10"]}}])},
    }
    spec: dict[str, Any] = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": draw.choice([45, 90.0]),
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1}],
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}}],
    }
    if gpu:
        spec["nodeSelector"] = {"shipway/gpu-type": "l4"}
        spec["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    return spec


def _slot(draw: random.Random, model: str, slot: str, names: Mapping[str, str], gpu: bool) -> list[Resource]:
    name = f"{model}-{slot}"
    labels = {"shipway/model": model, "shipway/slot": slot, **names}
    annotations = {LOAD_ANNOTATION: draw.choice(["30", "60"]), TIMEOUT_ANNOTATION: "10"}
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod_spec(draw, name, gpu)}
    kind = draw.choice(["apps/v1:Deployment", "argoproj.io/v1alpha1:Rollout"])
    scaled = draw.random() < 0.5
    budget = draw.choice([{"minAvailable": 1}, {"minAvailable": "50%"}, {"maxUnavailable": 1}])
    selector = {"matchLabels": {"shipway/model": model, "shipway/slot": slot}}
    account = {
        "metadata": {"name": name, "namespace": "models", "labels": labels},
        "automountServiceAccountToken": False,
    }
    target = {"apiVersion": "apps/v1", "kind": kind.rpartition(":")[2], "name": name}
    replicas = {} if scaled else {"replicas": draw.choice([2, 3.0])}
    found = [
        _object(kind, name, {**replicas, "selector": selector, "template": template}, labels),
        _object("policy/v1:PodDisruptionBudget", f"{name}-budget", {**budget, "selector": selector}),
        _object("core/v1:Service", f"{name}-service", {"type": "ClusterIP", "selector": selector["matchLabels"]}),
        Resource("kubernetes:core/v1:ServiceAccount", f"{name}-account", account),
    ]
    if scaled:
        spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": draw.choice([4, 10.0])}
        found.append(_object("autoscaling/v2:HorizontalPodAutoscaler", f"{name}-scaler", spec))
    return found


def _delivery(draw: random.Random, names: Mapping[str, str]) -> list[Resource]:
    labels = {"app.kubernetes.io/name": "delivery", **names}
    spec = {**pod_spec(draw, "delivery", gpu=False), "automountServiceAccountToken": True}
    template = {"metadata": {"labels": labels}, "spec": spec}
    selector = {"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": ["delivery"]}]}
    job = {"template": {"metadata": {"labels": labels}, "spec": pod_spec(draw, "materialise", gpu=False)}}
    return [
        _object("apps/v1:Deployment", "delivery-deployment", {"replicas": 2, "template": template}, labels),
        _object("policy/v1:PodDisruptionBudget", "delivery-budget", {"maxUnavailable": 1, "selector": selector}),
        _object("batch/v1:CronJob", "materialise", {"schedule": "@hourly", "jobTemplate": {"spec": job}}, labels),
    ]


def _cluster(draw: random.Random, tags: Mapping[str, str]) -> list[Resource]:
    name, pinned = draw.choice(["prod", "ml"]), draw.choice(["1.35", "1.36"])
    kms = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"
    cluster = {
        "name": name,
        "version": pinned,
        "vpcConfig": {"endpointPublicAccess": False, "endpointPrivateAccess": True, "subnetIds": ["a", "b"]},
        "enabledClusterLogTypes": ["api", "audit", "authenticator", "controllerManager", "scheduler"],
        "encryptionConfig": {"provider": {"keyArn": kms}, "resources": ["secrets"]},
        "tags": dict(tags),
    }
    template = {
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1.0},
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true", "volumeType": "gp3"}}],
        "tags": dict(tags),
    }
    group = {
        "clusterName": name,
        "launchTemplate": {"id": "lt-1", "version": "1"},
        "scalingConfig": {"minSize": 0, "maxSize": draw.choice([3, 8.0]), "desiredSize": 0},
        "tagsAll": dict(tags),
    }
    taint = {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}
    notification = {"threshold": 80, "subscriberSnsTopicArns": ["arn:aws:sns:eu-west-1:1:budget"]}
    return [
        Resource("aws:eks/cluster:Cluster", "cluster", cluster, "urn:cluster", protect=True),
        Resource("aws:kms/key:Key", "key", {"enableKeyRotation": True, "tags": dict(tags)}, protect=True),
        Resource(
            "aws:cloudwatch/logGroup:LogGroup", "logs", {"name": f"/aws/eks/{name}/cluster", "retentionInDays": 365}
        ),
        Resource("aws:ec2/launchTemplate:LaunchTemplate", "template", template),
        Resource("aws:eks/nodeGroup:NodeGroup", "cpu", {**group, "amiType": "AL2023_x86_64_STANDARD"}),
        Resource(
            "aws:eks/nodeGroup:NodeGroup",
            "gpu",
            {**group, "amiType": "AL2023_x86_64_NVIDIA", "taints": [taint], "labels": {"shipway/gpu-type": "l4"}},
        ),
        Resource("aws:budgets/budget:Budget", "budget", {"limitAmount": "9000", "notifications": [notification]}),
    ]


def _roles(draw: random.Random) -> list[Resource]:
    def trust(service: str, **condition: Any) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement | condition]})

    tags = {"aws:SourceAccount": ACCOUNT, "aws:RequestTag/kubernetes-namespace": "models"}
    read = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::models/*"]}
    login = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": draw.choice([[read], [read, login]])})
    arn = "arn:aws:iam::aws:policy/"
    return [
        Resource("aws:iam/role:Role", "node", {"name": "node", "assumeRolePolicy": trust("ec2.amazonaws.com")}),
        Resource(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "node-worker",
            {"role": "node", "policyArn": f"{arn}AmazonEKSWorkerNodePolicy"},
        ),
        Resource(
            "aws:iam/role:Role",
            "model-role",
            {"name": "model", "assumeRolePolicy": trust("pods.eks.amazonaws.com", Condition={"StringEquals": tags})},
        ),
        Resource("aws:iam/policy:Policy", "model-policy", {"policy": policy}),
    ]


def _stores(draw: random.Random, tags: Mapping[str, str]) -> list[Resource]:
    own = {"tags": dict(tags)}
    flags = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
    kms = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": draw.choice(["aws:kms", "aws:kms:dsse"])}}
    s3 = "aws:s3/bucket"
    encryption = f"{s3}ServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    repository = {
        "name": "models",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filter": "sha256-*", "filterType": "WILDCARD"}],
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfigurations": [{"encryptionType": "KMS"}],
        **own,
    }
    database = {"storageEncrypted": True, "deletionProtection": True, "skipFinalSnapshot": False, **own}
    store = {"transitEncryptionEnabled": True, "atRestEncryptionEnabled": True, **own}
    user = draw.choice([{"authToken": "from-a-secret"}, {"userGroupIds": ["models"]}])
    table = {"serverSideEncryption": {"enabled": True}, "deletionProtectionEnabled": True, **own}
    versions = {"bucket": "models", "versioningConfiguration": {"status": "Enabled"}}
    return [
        Resource(f"{s3}:Bucket", "bucket", {"bucket": "models", **own}, "urn:bucket", protect=True),
        Resource(f"{s3}PublicAccessBlock:BucketPublicAccessBlock", "block", {"bucket": "models", **flags}),
        Resource(f"{s3}Versioning:BucketVersioning", "versions", versions),
        Resource(encryption, "encryption", {"bucket": "models", "rules": [kms]}),
        Resource(f"{s3}Policy:BucketPolicy", "tls-only", {"bucket": "models", "policy": {"Statement": [TLS]}}),
        Resource("aws:ecr/repository:Repository", "repository", repository, protect=True),
        Resource("aws:ecr/lifecyclePolicy:LifecyclePolicy", "lifecycle", {"repository": "models", "policy": "{}"}),
        Resource("aws:rds/instance:Instance", "database", {**database, "publiclyAccessible": False}, protect=True),
        Resource("aws:elasticache/replicationGroup:ReplicationGroup", "cache", {**store, **user}, protect=True),
        Resource("aws:dynamodb/table:Table", "table", table, protect=True),
    ]
