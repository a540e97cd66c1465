"""The operators of each rule."""

from tests.policies.mutations import Operator
from tests.policies.operators_cloud import CLOUD, MODELS
from tests.policies.operators_kubernetes import CLUSTER, POD_SECURITY

OPERATORS: dict[str, list[Operator]] = {**POD_SECURITY, **CLUSTER, **CLOUD, **MODELS}
