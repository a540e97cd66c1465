"""Who a pod is to the cluster, and what that allows."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.kubernetes import MODEL_LABEL, Pod, labels, model_pods, namespace
from policies.resource import Resource, at, rows
from policies.rule import KUBERNETES, Context, Scope, Severity, rule

__all__ = ["minimal_rights", "own_account"]

_BINDINGS = (
    "kubernetes:rbac.authorization.k8s.io:RoleBinding",
    "kubernetes:rbac.authorization.k8s.io:ClusterRoleBinding",
)
_VERBS = frozenset({"bind", "escalate", "impersonate"})
_READS_ALL = frozenset({"list", "watch"})
# Everybody who can reach the API server, or everybody who is anybody.
_GROUPS = frozenset({"system:anonymous", "system:authenticated", "system:masters", "system:unauthenticated"})


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
    types=(
        "kubernetes:rbac.authorization.k8s.io/v1:Role",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    ),
    fix="Name the verbs, groups, resources and, for secrets, resourceNames that are needed.",
    passing={"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]},
    failing={"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]},
)
def minimal_rights(resource: Resource, _context: Context) -> Iterator[str]:
    """No role has a wildcard, lists secrets, or may bind, escalate or impersonate; nobody is bound to cluster-admin."""
    for index, row in enumerate(rows(resource.props.get("rules"))):
        for problem in _of_rule(row):
            yield f"rules.{index}: {problem}"
    role = at(resource.props, "roleRef", "name")
    if role == "cluster-admin":
        yield "roleRef.name is 'cluster-admin', expected a role of its own"
    for subject in rows(resource.props.get("subjects")):
        if subject.get("name") in _GROUPS:
            yield f"a subject is {subject['name']!r}, expected a service account"
        if subject.get("kind") == "ServiceAccount" and subject.get("name") == "default":
            yield "a subject is the default account, expected one of its own"


def _of_rule(row: Mapping[str, Any]) -> Iterator[str]:
    for field in ("verbs", "resources", "apiGroups", "nonResourceURLs"):
        if any("*" in str(each) for each in rows(row.get(field))):
            yield f"{field} holds a wildcard"
    verbs = {str(each).lower() for each in rows(row.get("verbs"))}
    for verb in sorted(verbs & _VERBS):
        yield f"verbs holds {verb}, which gives away rights of others"
    if any(str(each).partition("/")[0] == "secrets" for each in rows(row.get("resources"))):
        if found := sorted(verbs & _READS_ALL):
            yield f"verbs of secrets holds {found[0]}, which reads them all"
        elif "get" in verbs and not [*rows(row.get("resourceNames"))]:
            yield "verbs of secrets holds get without resourceNames"
