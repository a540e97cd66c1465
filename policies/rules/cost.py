"""What it may cost, who pays, and when it ends."""

from collections.abc import Iterator, Mapping
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from policies.kubernetes import Pod, model_pods, namespace, selects
from policies.resource import Resource, at, number, rows
from policies.rule import KUBERNETES, MODEL_SERVICE, PLATFORM, PROD_ONLY, Context, Scope, Severity, rule
from policies.settings import Settings
from shipway.contract.environment import Tier

__all__ = ["bounded", "paid_for", "short_lived"]

_CLUSTER, _NODE_GROUP = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"
_BUDGET = "aws:budgets/budget:Budget"
_NONE: Mapping[str, Any] = {}
# What AWS bills and lets one tag.
_BILLED = (
    _CLUSTER,
    _NODE_GROUP,
    "aws:dynamodb/table:Table",
    "aws:ebs/volume:Volume",
    "aws:ec2/instance:Instance",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ecr/repository:Repository",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:elasticache/serverlessCache:ServerlessCache",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:rds/cluster:Cluster",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
)
_TAGS = ("shipway/owner", "shipway/env", "shipway/cost-center")
_POD_LABELS = ("shipway/owner", "shipway/cost-center")
# Among an environment's tags, which every resource carries below `shipway/`.
_EXPIRES = "expires"


@rule(
    "ML037",
    "autoscaling bounded",
    severity=Severity.MEDIUM,
    tiers=PROD_ONLY,
    types=(MODEL_SERVICE, _NODE_GROUP, "kubernetes:autoscaling/*", "kubernetes:keda.sh/*", "kubernetes:karpenter.sh/*"),
    fix="Give every autoscaler a minimum and a maximum within the limits of policies/settings.yaml.",
    passing={"model": {"resources": {"min_replicas": 2, "max_replicas": 6, "gpus": 1}}},
    failing={"model": {"resources": {"min_replicas": 2, "max_replicas": 60, "gpus": 0}}},
)
def bounded(resource: Resource, context: Context) -> Iterator[str]:
    """Whatever scales by itself has a least and a most, within quota and budget."""
    settings, props, kind = context.settings, resource.props, resource.type.rpartition(":")[2]
    if resource.type == MODEL_SERVICE:
        resources = props["model"]["resources"]
        most, gpus = resources["max_replicas"], resources.get("gpus") or 0
        yield from _within("resources", resources.get("min_replicas"), most, settings.max_replicas)
        if 2 * most * gpus > settings.max_gpus_per_model:
            yield f"both slots may take {2 * most * gpus:g} GPUs, above {settings.max_gpus_per_model}"
    elif kind == "NodeGroup":
        scaling = props.get("scalingConfig") or _NONE
        yield from _within("scalingConfig", scaling.get("minSize", 0), scaling.get("maxSize"), settings.max_nodes)
    elif kind == "HorizontalPodAutoscaler":
        spec = props.get("spec") or _NONE
        yield from _within("spec", spec.get("minReplicas", 1), spec.get("maxReplicas"), settings.max_replicas)
    elif kind == "ScaledObject":
        spec = props.get("spec") or _NONE
        yield from _within("spec", spec.get("minReplicaCount", 0), spec.get("maxReplicaCount"), settings.max_replicas)
    elif kind == "NodePool" and not at(props, "spec", "limits"):
        yield "spec.limits is missing, expected a limit of cpu, memory or GPUs"


def _within(where: str, least: Any, most: Any, limit: int) -> Iterator[str]:
    low, high = number(least), number(most)
    if high is None or not 0 < high <= limit:
        yield f"{where}: the most is {most!r}, expected 1 to {limit}"
    if low is None or low < 0 or (high is not None and low > high):
        yield f"{where}: the least is {least!r}, expected 0 to the most ({most!r})"


def _cluster(tags: Mapping[str, str]) -> tuple[Resource, ...]:
    notification = {"threshold": 80, "subscriberEmailAddresses": ["finance@example.com"]}
    return (
        Resource(_CLUSTER, "example", {"tags": tags}),
        Resource(_BUDGET, "budget", {"limitAmount": "5000", "notifications": [notification]}),
    )


@rule(
    "ML038",
    "paid for",
    severity=Severity.MEDIUM,
    tiers=PROD_ONLY,
    types=(*_BILLED, _BUDGET, KUBERNETES),
    scope=Scope.STACK,
    fix=f"Tag with {', '.join(_TAGS)}, add a budget that notifies somebody, cap GPU pools, and keep off spot what "
    "lacks a PodDisruptionBudget.",
    passing=_cluster(dict.fromkeys(_TAGS, "pricing")),
    failing=_cluster(dict.fromkeys(_TAGS[1:], "pricing")),
)
def paid_for(resource: Resource, context: Context) -> Iterator[str]:
    """Everything that costs names who pays; a budget gives the alarm, GPUs are capped, and spot takes nothing down."""
    if resource.type in _BILLED:
        # The provider's default tags are in tagsAll only.
        tags = {**(resource.props.get("tagsAll") or _NONE), **(resource.props.get("tags") or _NONE)}
        yield from (f"tag {tag} is missing" for tag in _TAGS if not str(tags.get(tag) or "").strip())
    if resource.type == _CLUSTER and not context.stack.of(_BUDGET):
        yield "no budget in the stack, expected one with notifications"
    if resource.type == _BUDGET:
        told = [
            who
            for one in rows(resource.props.get("notifications"))
            for key in ("subscriberEmailAddresses", "subscriberSnsTopicArns")
            for who in rows(one.get(key))
        ]
        if not told:
            yield "the budget notifies nobody, expected subscribers"
    if resource.type == _NODE_GROUP:
        yield from _capped(resource, context.settings)
    for pod in model_pods(resource, context):
        yield from (f"label {label} of the pods is missing" for label in _POD_LABELS if not pod.labels.get(label))
        yield from _spot(pod, context)


def _capped(group: Resource, settings: Settings) -> Iterator[str]:
    labels: Mapping[str, Any] = group.props.get("labels") or _NONE
    most = number(at(group.props, "scalingConfig", "maxSize"))
    gpu = "NVIDIA" in str(group.props.get("amiType")) or any(label in labels for label in settings.gpu_labels)
    if gpu and (most is None or most > settings.max_gpu_nodes):
        yield f"the GPU pool may grow to {most and int(most)!r} nodes, expected at most {settings.max_gpu_nodes}"


def _spot(pod: Pod, context: Context) -> Iterator[str]:
    selected = [f"{key}={value}" for key, value in (pod.spec.get("nodeSelector") or _NONE).items()]
    tolerated = [str(one.get("key")) for one in rows(pod.spec.get("tolerations"))]
    if not pod.serves or not any("spot" in each.lower() for each in (*selected, *tolerated)):
        return
    budgets = context.stack.of("kubernetes:policy:PodDisruptionBudget")
    if not any(
        namespace(one) == namespace(pod.owner) and selects(at(one.props, "spec", "selector"), pod.labels)
        for one in budgets
    ):
        yield "the pods run on spot without a PodDisruptionBudget, expected one"


def _environment(tags: Mapping[str, str]) -> Mapping[str, Any]:
    return {"environment": {"name": "dev", "tags": tags}}


@rule(
    "ML042",
    "short-lived stacks end",
    severity=Severity.MEDIUM,
    tiers=frozenset({Tier.NONPROD}),
    types=(PLATFORM,),
    fix=f"Give the environment the tag {_EXPIRES} with a date, and destroy the stack when it has come.",
    passing=_environment({_EXPIRES: "9999-12-31"}),
    failing=_environment({}),
)
def short_lived(resource: Resource, context: Context) -> Iterator[str]:
    """Every environment that is made for a while says until when, and is gone then."""
    environment = resource.props["environment"]
    patterns = context.settings.short_lived_environments
    if context.tier is Tier.LOCAL or not any(fnmatchcase(environment["name"], each) for each in patterns):
        return
    value = (environment.get("tags") or _NONE).get(_EXPIRES)
    try:
        expires = date.fromisoformat(str(value))
    except ValueError:
        yield f"tags.{_EXPIRES} is {value!r}, expected a date such as 2027-01-31"
        return
    if expires < context.today:
        yield f"tags.{_EXPIRES} is {expires}, expected {context.today} or later"
