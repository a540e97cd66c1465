"""The operators of the rules about the cloud and about models."""

from collections.abc import Callable
from typing import Any

from tests.policies.clean_stack import TLS
from tests.policies.mutations import (
    DROP,
    MODEL,
    PLATFORM,
    SERVING,
    Operator,
    in_containers,
    lacks,
    op,
    plus,
    statement,
)

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ROLE, POLICY = "*iam/role:Role", "*iam/policy:Policy|*"
RULES, MONITOR = "*:PrometheusRule|*", "*:ServiceMonitor|*"
ALERT = "spec>groups>*>rules>*"
TAGGED = "*:Bucket|* *eks/cluster:Cluster|* *:Repository|* *:Table|* *:Key|* *:ReplicationGroup|* *rds/instance:*|*"


def short_lived(**tags: str) -> Callable[[Any], Any]:
    """Returns a function that makes an environment a short-lived one."""
    return lambda old: {**old, "name": "dev-anna", "tier": "nonprod", "tags": tags}


CLOUD: dict[str, list[Operator]] = {
    "ML020": [
        op("*:RolePolicyAttachment|*", "policyArn", ADMIN, "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"),
        op("*:RolePolicyAttachment|*", "policyArn", "arn:aws:iam::111111111111:policy/AmazonEKSWorkerNodePolicy"),
        op(f"{ROLE}|node", "managedPolicyArns", [ADMIN], ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]),
        op(f"{ROLE}|node", "inlinePolicies", [{"name": "more", "policy": "{}"}]),
    ],
    "ML021": [
        op(POLICY, "policy", statement(Action="*"), statement(Action=["s3:*"]), statement(Action="iam:*")),
        op(
            POLICY, "policy", statement(Resource="*"), statement(Resource=["*"], Action="secretsmanager:GetSecretValue")
        ),
        op(POLICY, "policy", statement(Action=None, NotAction=["iam:*"]), statement(Resource=None, NotResource="a")),
        op(POLICY, "policy", statement(Action=["iam:PassRole"]), statement(Action="iam:Pass*")),
        op(POLICY, "policy", statement(Action="iam:CreatePolicyVersion"), statement(Action="iam:Put*")),
        op(POLICY, "policy", statement(Action="sts:AssumeRole", Resource="*"), statement(Action="s3:*Object")),
        op(
            POLICY,
            "policy",
            statement(Action="sts:AssumeRole", Resource="arn:aws:iam::111111111111:role/*-x"),
            statement(
                Action="IAM:passrole",
                Resource="arn:aws:iam::111111111111:role/*-x",
                Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            ),
        ),
        op(
            POLICY,
            "policy",
            statement(Action="secretsmanager:GetSecretValue", Resource="arn:aws:secretsmanager:*:*:secret:*"),
            statement(Action="secretsmanager:GetSecretValue", Resource="arn:aws:secretsmanager:a:1:secret:*"),
            statement(Action="s3:DeleteObject", Resource="arn:*"),
            statement(Action="s3:DeleteObject", Resource=["arn:aws:s3:::models/*", "arn:aws:s3:::*/*"]),
            statement(Action="sns:Publish", Resource="arn:aws:sns:eu-west-1:1:?*"),
        ),
        op(
            POLICY,
            "policy",
            *(
                statement(Action=action)
                for action in (
                    "iam:AddUserToGroup",
                    "iam:AttachGroupPolicy",
                    "iam:putgrouppolicy",
                    "iam:Update*",
                    "eks:CreateAccessEntry",
                    "eks:AssociateAccessPolicy",
                )
            ),
        ),
        op(
            f"{ROLE}|*",
            "inlinePolicies",
            [{"policy": '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'}],
        ),
        op(f"{ROLE}|*", "managedPolicyArns", [ADMIN]),
        op("*:RolePolicyAttachment|*", "policyArn", ADMIN, "arn:aws:iam::aws:policy/AmazonS3FullAccess"),
    ],
    "ML022": [
        op(f"{ROLE}|model-role", "assumeRolePolicy", statement(Condition=None)),
        op(f"{ROLE}|model-role", "assumeRolePolicy", statement(Condition={"StringEquals": {"aws:SourceAccount": "1"}})),
        op(
            f"{ROLE}|model-role",
            "assumeRolePolicy",
            statement(Condition={"StringLike": {"aws:RequestTag/kubernetes-namespace": "*", "aws:SourceAccount": "*"}}),
        ),
        op(f"{ROLE}|*", "assumeRolePolicy", statement(Principal="*"), statement(Principal={"AWS": "*"})),
        op(
            f"{ROLE}|*",
            "assumeRolePolicy",
            statement(Principal={"Federated": "arn:aws:iam::1:oidc-provider/oidc.eks/id/A"}),
        ),
    ],
    "ML023": [
        op("*:Repository|*", "imageTagMutability", "MUTABLE", DROP, "MUTABLE_WITH_EXCLUSION"),
        op(
            "*:Repository|*",
            "imageTagMutabilityExclusionFilters",
            DROP,
            [],
            *([{"filter": wider, "filterType": "WILDCARD"}] for wider in ("*", "sha*", "*sha256-*", "bundle-*")),
            plus({"filter": "latest", "filterType": "WILDCARD"}),
        ),
        op("*:Repository|*", "imageScanningConfiguration", DROP, {"scanOnPush": False}),
        op("*:Repository|*", "encryptionConfigurations", DROP, [], [{"encryptionType": "AES256"}]),
        op("*:LifecyclePolicy|*", ""),
        op("*:LifecyclePolicy|*", "repository", "other"),
    ],
    "ML027": [
        *(op(f"*:{kind}|*", "") for kind in ("BucketPublicAccessBlock", "BucketVersioning", "BucketPolicy")),
        op("*:BucketServerSideEncryptionConfiguration|*", ""),
        op("*:BucketPublicAccessBlock|*", "blockPublicPolicy", False, DROP),
        op("*:BucketPublicAccessBlock|*", "restrictPublicBuckets", False, DROP),
        op("*:BucketVersioning|*", "versioningConfiguration>status", "Suspended", "Disabled"),
        op(
            "*:BucketServerSideEncryptionConfiguration|*",
            "rules>*>applyServerSideEncryptionByDefault>sseAlgorithm",
            "AES256",
        ),
        op(
            "*:BucketPolicy|*",
            "policy",
            statement(Condition=None),
            statement(Effect="Allow"),
            statement(Principal="me"),
        ),
        op(
            "*:BucketPolicy|*",
            "policy",
            {
                "Statement": [
                    TLS,
                    {"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::1:root"}, "Action": "s3:GetObject"},
                ]
            },
        ),
        op("*:BucketPolicy|*", "policy", statement(Action="s3:ListBucket")),
        op("*:BucketPolicy|*", "bucket", "other"),
        op("*:Bucket|*", "acl", "public-read", "authenticated-read"),
    ],
    "ML029": [
        op("*:ReplicationGroup|*", "transitEncryptionEnabled", False, DROP),
        op("*:ReplicationGroup|*", "atRestEncryptionEnabled", False, DROP),
        op("*:ReplicationGroup|*", "transitEncryptionMode", "preferred"),
        op("*:ReplicationGroup|*", "authToken", DROP),
        op("*:ReplicationGroup|*", "userGroupIds", DROP),
        op("*rds/instance:Instance|*", "storageEncrypted", False, DROP),
        op("*rds/instance:Instance|*", "publiclyAccessible", True),
        op("*:Table|*", "serverSideEncryption", DROP, {"enabled": False}),
    ],
    "ML037": [
        op(MODEL, "model>resources>max_replicas", 51, 1e6, 0, 1),
        op(MODEL, "model>resources>gpus", 16),
        op("*:NodeGroup|*", "scalingConfig>maxSize", 1000, DROP),
        op("*:NodeGroup|*", "scalingConfig>minSize", 50, -1),
        op("*:HorizontalPodAutoscaler|*", "spec>maxReplicas", 500, 1, DROP),
        op("*:HorizontalPodAutoscaler|*", "spec>minReplicas", 50, -1),
    ],
    "ML038": [
        op(TAGGED, "tags", {}, DROP, lacks("shipway/owner"), lacks("shipway/env"), lacks("shipway/cost-center")),
        op("*:NodeGroup|*", "tagsAll", DROP, lacks("shipway/cost-center")),
        op("*:Budget|*", ""),
        op("*:Budget|*", "notifications", [], DROP, [{"threshold": 80}]),
        op("*:NodeGroup|gpu", "scalingConfig>maxSize", 64, DROP),
        op(SERVING, "spec>template>metadata>labels", lacks("shipway/cost-center"), lacks("shipway/owner")),
    ],
    "ML039": [
        op(
            "*:Bucket|* *eks/cluster:Cluster|* *:Table|* *:Key|* *rds/instance:*|* *:ReplicationGroup|* *:Repository|*",
            "protect",
        ),
        op("*:Bucket|*", "forceDestroy", True),
        op("*:Repository|*", "forceDelete", True),
        op("*rds/instance:Instance|*", "deletionProtection", False, DROP),
        op("*rds/instance:Instance|*", "skipFinalSnapshot", True),
        op("*:Table|*", "deletionProtectionEnabled", False, DROP),
    ],
    "ML040": [
        op(TAGGED, "tags>shipway/env", "staging", "dev"),
        op(SERVING, "spec>template>metadata>labels>shipway/env", "staging"),
        op("*:CronJob|*", "spec>jobTemplate>spec>template>metadata>labels>shipway/env", "staging"),
        op("*:Namespace|*", "metadata>labels>shipway/env", "dev"),
        op(PLATFORM, "environment>name", "other"),
        op(PLATFORM, "environment>tier", "nonprod", "local"),
        op(PLATFORM, "environment>is_production", True),
        op(MODEL, "tier", "nonprod", "local", DROP),
    ],
}

MODELS: dict[str, list[Operator]] = {
    "ML025": [
        op(MODEL, "bundles>blue>files", ["files/model.pkl"], ["a.onnx", "b.PT"], ["m.joblib"], [], DROP),
        *in_containers("args", ["--model", "/models/model.pkl"], ["model.pth"], ["weights.ckpt"]),
        *in_containers("env>*", {"name": "MODEL_PATH", "value": "s3://models/model.pickle"}),
    ],
    "ML026": [
        op(MODEL, "bundles>blue>digest", "sha256:0", DROP),
        op(MODEL, "bundles>blue>data_version", "", DROP, None),
        op(MODEL, "bundles>blue>metrics", {}, DROP),
        op(MODEL, "bundles>blue>owner", "  ", DROP),
        op(MODEL, "bundles>blue>approved_by", "", DROP, "ben@example.org"),
    ],
    "ML028": [
        op(MODEL, "model>features>reads>*>ttl_seconds", 0, DROP, 60),
        op(MODEL, "model>features>reads>*>freshness_slo_seconds", 0, 86_400, -1),
        op(RULES, f"{ALERT}>expr", "up == 0", 'shipway_feature_age_seconds{model="another"} > 1'),
        op(RULES, f"{ALERT}>alert", DROP),
        op(RULES, "spec>groups", []),
    ],
    "ML030": [
        op(MODEL, "model>drift", {}, {"enabled": False}, lacks("reference"), lacks("window_seconds")),
        op(MODEL, "model>drift>reference", "", " ", None),
        op(MODEL, "model>drift>window_seconds", 0, -1),
        op(MODEL, "model>drift>enabled", False),
    ],
    "ML031": [
        op(MODEL, "model>rollout>guardrail_alpha", 0, 0.2, 0.5, DROP),
        op(MODEL, "model>rollout>sample_ratio_alpha", 0, 0.05, DROP),
        op(MODEL, "model>rollout>harm_budget_ratio", 0.1, DROP),
        op(MODEL, "model>rollout>max_step_seconds", 1e9, 0, DROP),
        op(MODEL, "model>rollout>prepare_seconds", 1e9, DROP),
        op(MODEL, "model>rollout>steps_percent", [100], []),
        op(MODEL, "model>rollout>gates", {"errors": "off"}, {"slo_errors": "pause"}, {"sample_ratio": "off"}),
        op(MODEL, "model>slo>error_ratio", 0.5, 1),
    ],
    "ML032": [
        op(MODEL, "model>rollout>steps_percent", [6, 100], [10, 50, 100], [100], [50.0, 100.0], []),
        op(
            MODEL,
            "model",
            lambda old: {**old, "risk": "high", "rollout": {**old["rollout"], "manual_gate_before_percent": 75}},
        ),
        op(
            MODEL,
            "model",
            lambda old: {**old, "risk": "high", "rollout": {**old["rollout"], "manual_gate_before_percent": 51.0}},
        ),
    ],
    "ML033": [
        op(MODEL, "model>rollout>guard_seconds", 0, 1, 0.5, 2, DROP),
        op(MODEL, "model>serving>timeout_seconds", 3600, 1e6),
    ],
    "ML034": [
        op(PLATFORM, "environment>alerts>webhook_urls", [], DROP, ["https://hooks.example.com/x"]),
        op(PLATFORM, "environment>alerts>webhook_urls", ["http://localhost:9000"]),
        op(MODEL, "alert_tests>failed", 1, 2.0),
        op(MODEL, "alert_tests>passed", 0, DROP),
        op(RULES, f"{ALERT}>labels", {}, DROP, lacks("severity"), lacks("owner")),
        op(RULES, f"{ALERT}>annotations>runbook_url", "wiki", DROP),
        op(RULES, f"{ALERT}>expr", "", DROP),
    ],
    "ML035": [
        op(MODEL, "model>logging>payload", True, DROP),
        op(MODEL, "model>logging>fields", ["email"], ["version", "x-unit-id"], ["request.body"]),
        op(MONITOR, "spec>podTargetLabels", ["user_id"], ["shipway/model", "email"]),
        op(MONITOR, "spec>endpoints>*>metricRelabelings", [{"targetLabel": "client_ip"}]),
        op(RULES, f"{ALERT}>labels", lambda old: {**old, "user": "a"}),
        op(RULES, f"{ALERT}>expr", "sum by (model, user_id) (x) > 1"),
        op(RULES, f"{ALERT}>annotations>summary", "{{ $labels.email }} is affected"),
        *in_containers("env>*", {"name": "LOG_REQUEST_BODY", "value": "true"}, {"name": "TRACE_PROMPTS", "value": "1"}),
        *in_containers("env>*", {"name": "LOG_LEVEL_PAYLOADS", "value": "yes"}),
    ],
    "ML036": [
        op(MODEL, "model>resources>max_replicas", 400, 1e5),
        op(MODEL, "model>features>reads", lambda old: old * 400),
        op(MONITOR, "spec>sampleLimit", DROP, 0, 1e6),
        op(MONITOR, "spec>endpoints>*>honorLabels", True),
    ],
    "ML041": [
        *(
            op(MODEL, f"model>owner>{field}", "TBD", "", " todo ", "nobody", DROP)
            for field in ("team", "contact", "escalation", "runbook_url")
        ),
        op(MODEL, "model>owner>runbook_url", "wiki", "ftp://wiki"),
    ],
    "ML042": [
        op(PLATFORM, "environment", short_lived(), short_lived(expires="2026-01-01")),
        op(PLATFORM, "environment", short_lived(expires="soon"), short_lived(ttl="2027-01-01")),
    ],
    "ML043": [op(MODEL, "live_changes", ["slot blue"], ["slot green", "slot blue"])],
    "ML044": [
        # A digest written in by hand; a test that is another's, failed, short, slow, old, of the future or unreadable.
        op(MODEL, "release>blue", "sha256:" + "f" * 64),
        op(MODEL, "release>load_tested", DROP, {}, lambda old: dict.fromkeys(old, "soon")),
        op(MODEL, "release>load_tested", lambda old: dict.fromkeys(old, "2027-11-10T09:00:00Z")),
        op(MODEL, "bundles>blue>load_tests", DROP, []),
        op(MODEL, "bundles>blue>load_tests>*>digest", "sha256:" + "e" * 64),
        op(MODEL, "bundles>blue>load_tests>*>model", "another"),
        op(MODEL, "bundles>blue>load_tests>*>profile", "smoke", "soak"),
        op(MODEL, "bundles>blue>load_tests>*>judgement", "fail", "inconclusive", DROP),
        op(MODEL, "bundles>blue>load_tests>*>whole", False),
        op(MODEL, "bundles>blue>load_tests>*>arrivals_per_second", 5, 19.5),
        *(
            op(MODEL, "bundles>blue>load_tests>*>started_at", moment)
            for moment in ("2026-09-01T09:00:00Z", "2027-01-01T09:00:00Z", "lately")
        ),
        op(MODEL, "model>loadtest", {"required": {"prod": ["soak"]}}, {"requests_per_second": 80}),
    ],
}
