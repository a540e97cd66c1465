"""Who a pod is to the cluster, and what that allows."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.kubernetes import MODEL_LABEL, Pod, kind_of, labels, model_pods, namespace
from policies.resource import Resource, at, rows
from policies.rule import KUBERNETES, Context, Scope, Severity, rule

__all__ = ["minimal_rights", "own_account"]

_BINDINGS = (
    "kubernetes:rbac.authorization.k8s.io:RoleBinding",
    "kubernetes:rbac.authorization.k8s.io:ClusterRoleBinding",
)
_VERBS = frozenset({"bind", "escalate", "impersonate"})
# Operators that a label must be there for.
_NAMING = frozenset({"In", "Exists"})
_READS_ALL = frozenset({"list", "watch"})
# What lets one run as a pod or an account of others. The API server takes a command by `get` too, and the kubelet
# behind a node's proxy asks nobody about any verb.
_OF_OTHERS = {
    "nodes/proxy": frozenset({"create", "delete", "get", "patch", "update"}),
    "pods/attach": frozenset({"create", "get"}),
    "pods/ephemeralcontainers": frozenset({"patch", "update"}),
    "pods/exec": frozenset({"create", "get"}),
    "serviceaccounts/token": frozenset({"create"}),
}
# Everybody who can reach the API server, or everybody who is anybody.
_GROUPS = re.compile(r"system:(anonymous|authenticated|masters|unauthenticated|serviceaccounts(:.*)?)")
# Within one namespace they are for whoever owns it; bound in all of them they read every secret.
_WIDE_ROLES = frozenset({"admin", "edit"})
# Whose label each role has that Kubernetes brings itself, cluster-admin too.
_BOOTSTRAPPING = "kubernetes.io/bootstrapping"


def _pod(token: bool) -> tuple[Resource, ...]:
    spec = {"serviceAccountName": "pricing", "automountServiceAccountToken": token, "containers": [{"name": "model"}]}
    template = {"metadata": {"labels": {MODEL_LABEL: "pricing"}}, "spec": spec}
    return (Resource("kubernetes:apps/v1:Deployment", "example", {"spec": {"template": template}}),)


@rule(
    "ML007",
    "own service account, no token",
    severity=Severity.HIGH,
    types=(KUBERNETES,),
    scope=Scope.STACK,
    fix="Give the pod its own serviceAccountName and automountServiceAccountToken: false.",
    passing=_pod(token=False),
    failing=_pod(token=True),
)
def own_account(resource: Resource, context: Context) -> Iterator[str]:
    """Every pod has a service account of its own, and its token only where a role is bound to it; a model never has
    one."""
    if resource.type.endswith(":ServiceAccount") and MODEL_LABEL in labels(resource):
        token = resource.props.get("automountServiceAccountToken")
        if token is not False:
            yield f"automountServiceAccountToken is {token!r}, expected False"
    for pod in model_pods(resource, context):
        account = pod.spec.get("serviceAccountName") or pod.spec.get("serviceAccount")
        if account in (None, "default"):
            yield f"serviceAccountName is {account!r}, expected one of its own"
        token = pod.spec.get("automountServiceAccountToken")
        if token is not False and (MODEL_LABEL in pod.labels or not _bound(pod, account, context)):
            yield f"automountServiceAccountToken is {token!r}, expected False"


def _bound(pod: Pod, account: Any, context: Context) -> bool:
    where = namespace(pod.owner)
    return any(
        subject.get("name") == account and subject.get("namespace", namespace(binding)) == where
        for binding in context.stack.of(*_BINDINGS)
        for subject in rows(binding.props.get("subjects"))
        if subject.get("kind") == "ServiceAccount"
    )


@rule(
    "ML009",
    "no wildcard rights",
    severity=Severity.CRITICAL,
    types=tuple(
        f"kubernetes:rbac.authorization.k8s.io/v1:{kind}{patch}"
        for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
        for patch in ("", "Patch")
    ),
    fix="Name the verbs, groups, resources and, for secrets, resourceNames that are needed.",
    passing={"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]},
    failing={"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]},
)
def minimal_rights(resource: Resource, _context: Context) -> Iterator[str]:
    """No role has a wildcard, lists secrets, gathers all others, or may bind, escalate, impersonate or run as others;
    nobody is bound to cluster-admin, and no role to everybody."""
    for index, row in enumerate(rows(resource.props.get("rules"))):
        for problem in _of_rule(row):
            yield f"rules.{index}: {problem}"
    for index, selector in enumerate(rows(at(resource.props, "aggregationRule", "clusterRoleSelectors"))):
        if _gathers_all(selector):
            yield f"aggregationRule.clusterRoleSelectors.{index} gathers every role, expected one label of its own"
    role = at(resource.props, "roleRef", "name")
    if role == "cluster-admin":
        yield "roleRef.name is 'cluster-admin', expected a role of its own"
    if role in _WIDE_ROLES and kind_of(resource).startswith("ClusterRoleBinding"):
        yield f"roleRef.name is {role!r} in every namespace, expected a role of its own, or a RoleBinding"
    for subject in rows(resource.props.get("subjects")):
        name = str(subject.get("name"))
        if _GROUPS.fullmatch(name):
            yield f"a subject is {name!r}, expected a service account"
        # An account is a user as well, by its long name.
        if re.fullmatch(r"default|system:serviceaccount:.*:default", name) and subject.get("kind") != "Group":
            yield "a subject is the default account, expected one of its own"


def _gathers_all(selector: Any) -> bool:
    wanted: Mapping[str, Any] = at(selector, "matchLabels") or {}
    named = {str(one.get("key")) for one in rows(at(selector, "matchExpressions")) if one.get("operator") in _NAMING}
    return _BOOTSTRAPPING in {*wanted, *named} or not (wanted or named)


def _of_rule(row: Mapping[str, Any]) -> Iterator[str]:
    for field in ("verbs", "resources", "apiGroups", "nonResourceURLs"):
        if any("*" in str(each) for each in rows(row.get(field))):
            yield f"{field} holds a wildcard"
    verbs = {str(each).lower() for each in rows(row.get("verbs"))}
    for verb in sorted(verbs & _VERBS):
        yield f"verbs holds {verb}, which gives away rights of others"
    resources = [str(each) for each in rows(row.get("resources"))]
    named = [*rows(row.get("resourceNames"))]
    for resource in resources:
        # Tokens of accounts that are named are what an operator is for.
        if resource != "serviceaccounts/token" or not named:
            for verb in sorted(verbs & _OF_OTHERS.get(resource, frozenset())):
                yield f"verbs of {resource} holds {verb}, by which one runs as others"
    if any(each.partition("/")[0] == "secrets" for each in resources):
        if found := sorted(verbs & _READS_ALL):
            yield f"verbs of secrets holds {found[0]}, which reads them all"
        elif "get" in verbs and not named:
            yield "verbs of secrets holds get without resourceNames"
