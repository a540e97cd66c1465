"""How much of what a thing was given is used, the same record on every target, and when its limit is reached."""

from collections.abc import Mapping

from shipway.contract.alerts import AlertName
from shipway.contract.metrics import DISK_BYTES, MODELS_JOB, PROCESS_CPU_SECONDS_TOTAL, PROCESS_MEMORY_BYTES
from shipway.contract.model import ResourceSpec
from shipway.observability.alert_rule import AlertRule, Record

__all__ = ["LIMIT_IN", "UTILISATION", "of_disk", "of_gpus", "of_slots", "utilisation"]

# The share that is used, by `resource` and of whom it is; and in how many seconds it is all, where it grows.
UTILISATION, LIMIT_IN = "shipway:utilisation_ratio", "shipway:limit_in_seconds"

_MIB = 1024 * 1024
_CPU_WINDOW, _STEADY, _TREND = "5m", "10m", "6h"
# A start is no trend.
_LEAST_TREND = "1h"
_PATIENCE_SECONDS = 300


def of_slots(model: str, resources: ResourceSpec) -> Mapping[str, str]:
    """Returns resource -> PromQL of its share in use, by slot: the fullest replica of each."""
    of = f'{{job="{MODELS_JOB}",model="{model}"}}'
    cpu, memory = resources.cpu_millicores / 1000, resources.memory_mib * _MIB
    return {
        "cpu": f"max by (slot) (rate({PROCESS_CPU_SECONDS_TOTAL}{of}[{_CPU_WINDOW}])) / {cpu:g}",
        "memory": f"max by (slot) ({PROCESS_MEMORY_BYTES}{of}) / {memory}",
    }


def of_disk(used: str, size: str) -> Mapping[str, str]:
    """Returns the disks' share in use, by the volume; on a laptop there is one, of the stack's own files.

    Args:
        used, size: PromQL of bytes, by the label `volume`.
    """
    return {"disk": f"{used} / {size}"}


def local_disk() -> Mapping[str, str]:
    """Returns the share in use of the disk that a local stack keeps its files on."""
    return of_disk(f'max by (volume) ({DISK_BYTES}{{kind="used"}})', f'max by (volume) ({DISK_BYTES}{{kind="size"}})')


def cluster_disks(namespaces: str) -> Mapping[str, str]:
    """Returns the share in use of each claimed volume, as the kubelet sees it.

    Args:
        namespaces: a regular expression of those that are the platform's.
    """

    def volumes(name: str) -> str:
        by_claim = f'max by (namespace, persistentvolumeclaim) ({name}{{namespace=~"{namespaces}"}})'
        return f'label_replace({by_claim}, "volume", "$1", "persistentvolumeclaim", "(.*)")'

    return of_disk(volumes("kubelet_volume_stats_used_bytes"), volumes("kubelet_volume_stats_capacity_bytes"))


def of_gpus(used: str, free: str, busy: str) -> Mapping[str, str]:
    """Returns the share in use of each GPU's memory and of its time.

    Args:
        used, free: the DCGM exporter's names of memory in MiB.
        busy: and of the time it computes, in percent.
    """
    return {
        "gpu memory": f"max by (Hostname, gpu) ({used} / ({used} + {free}))",
        "gpu": f"max by (Hostname, gpu) ({busy}) / 100",
    }


def utilisation(
    shares: Mapping[str, str], limit_ratio: float | None, labels: Mapping[str, str]
) -> list[Record | AlertRule]:
    """Returns the records of each resource and the alert on all of them.

    When it is full, `predict_linear(used[6h], t)` is 1: solved for t, that is what is free over the slope of the
    regression that Prometheus fits to the last hours; in its first hour there is no forecast.

    Args:
        shares: resource -> PromQL of its share in use.
        limit_ratio: above it the alert fires; None for no alert.
        labels: whose they are; on the records, so that two of them never meet.
    """
    rules: list[Record | AlertRule] = []
    for resource, share in shares.items():
        own = {**labels, "resource": resource}
        used = f"{UTILISATION}{{{_matching(own)}}}"
        rules += [
            Record(UTILISATION, share, own),
            Record(
                LIMIT_IN,
                f"clamp_min(1 - {used}, 0) / (deriv({used}[{_TREND}]) > 0) and {used} offset {_LEAST_TREND}",
                own,
            ),
        ]
        if limit_ratio is not None:
            rules.append(_alert(resource, used, f"{LIMIT_IN}{{{_matching(own)}}}", limit_ratio))
    return rules


def _alert(resource: str, used: str, full_in: str, limit_ratio: float) -> AlertRule:
    # A template's query takes no labels of the alert by itself; the earliest of the same resource is the one to know.
    quoted = f"min({full_in})".replace('"', '\\"')
    forecast = (
        f'{{{{ with query "{quoted}" }}}}at this rate it is full in {{{{ . | first | value | humanizeDuration }}}}'
        "{{ else }}nothing says that it grows{{ end }}"
    )
    return AlertRule(
        AlertName.UTILISATION_HIGH,
        f"avg_over_time({used}[{_STEADY}]) > {limit_ratio:g}",
        f"{resource}{{{{ with $labels.slot }}}} of slot {{{{ . }}}}{{{{ end }}}}: "
        f"{{{{ $value | humanizePercentage }}}} is used, expected at most {limit_ratio:.0%}; {forecast}",
        _PATIENCE_SECONDS,
        {"resource": resource},
    )


def _matching(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())
