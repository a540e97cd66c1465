"""What a model may use of the machines."""

from collections.abc import Mapping
from typing import Any

from policies.rule import Severity, rule

__all__ = ["resources_declared"]


@rule(
    "ML004",
    "resources declared",
    severity=Severity.HIGH,
    fix="Give cpu_millicores and memory_mib, and gpu_type with gpus, under `resources` in model.yaml.",
    passing={"model": {"resources": {"cpu_millicores": 500, "memory_mib": 512, "gpu_type": None, "gpus": 0}}},
    failing={"model": {"resources": {"cpu_millicores": 500, "memory_mib": 0, "gpu_type": None, "gpus": 0}}},
)
def resources_declared(props: Mapping[str, Any]) -> list[str]:
    """Every model declares the CPU, memory and GPUs of one slot, so that a pool can refuse what does not fit it."""
    resources = props["model"]["resources"]
    found = [
        f"resources.{field} is {resources.get(field)!r}"
        for field in ("cpu_millicores", "memory_mib")
        if not (resources.get(field) or 0) > 0
    ]
    if bool(resources.get("gpu_type")) != bool(resources.get("gpus")):
        found.append(f"resources.gpu_type is {resources.get('gpu_type')!r} with {resources.get('gpus')} gpus")
    return found
