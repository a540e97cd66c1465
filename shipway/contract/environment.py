"""EnvironmentSpec: one stacks/Pulumi.<env>.yaml is one environment, and this is its `shipway:environment`."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self, cast
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator, model_validator

from shipway.contract.alerts import PLATFORM_RUNBOOK
from shipway.contract.aws import AwsSpec
from shipway.contract.credentials import names_secret
from shipway.contract.documents import Secret, Spec, parse, read_yaml, refuse_credentials
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.prices import PricesSpec
from shipway.contract.tier import Tier
from shipway.contract.workers import WORKERS

__all__ = [
    "ENVIRONMENT_KEY",
    "AlertsSpec",
    "CpuPoolSpec",
    "EnvironmentSpec",
    "GpuPoolSpec",
    "GpuType",
    "PortsSpec",
    "Target",
    "Tier",
    "environment_path",
    "load_environment",
    "stack_config",
]

ENVIRONMENT_KEY = "shipway:environment"

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]

# Parameters of an address that carry a credential.
_SECRET_NAME = re.compile(r"token|secret|passw|api_?key|auth|signature|^sig$|^key$", re.IGNORECASE)


class Target(StrEnum):
    """Which folder of components builds the parts."""

    LOCAL = "local"
    KUBERNETES = "kubernetes"
    AWS = "aws"


class GpuType(Spec):
    """One row of a target's GPU table.

    Args:
        name: by which pools and models ask for it.
        instance_type: of the cloud.
        vendor: of the GPU.
        gpus_per_node: how many GPUs a node has.
        gpu_memory_gib: of each GPU.
        resource_name: what pods request, such as nvidia.com/gpu.
        taint_key: what keeps other pods off its nodes.
        usd_per_hour: of a node on demand.
    """

    name: str
    instance_type: str
    vendor: str
    gpus_per_node: Positive
    gpu_memory_gib: Positive
    resource_name: str
    taint_key: str
    usd_per_hour: Annotated[float, Field(ge=0)]


class GpuPoolSpec(Spec):
    """A group of equal GPU nodes.

    Args:
        name: of the pool.
        gpu_type: a row of the target's GPU table.
        capacity: on_demand or spot.
        min_nodes: kept when nothing asks for a GPU.
        max_nodes: what the pool may grow to.
        disk_gib: of each node.
    """

    name: str
    gpu_type: str
    capacity: Annotated[str, Field(pattern="^(on_demand|spot)$")] = "on_demand"
    min_nodes: Count = 0
    max_nodes: Positive
    disk_gib: Positive = 100

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_nodes < self.min_nodes:
            raise ValueError(f"max_nodes ({self.max_nodes}) to be at least min_nodes ({self.min_nodes})")
        return self


class CpuPoolSpec(Spec):
    """What the local target may hand out to model slots, counted exactly as a cluster counts a pool.

    Args:
        cpu_millicores: of all slots together.
        memory_mib: of all slots together.
    """

    cpu_millicores: Positive
    memory_mib: Positive


class PortsSpec(Spec):
    """Every loopback port of a local stack, counted from one base.

    Args:
        base: the gateway's; the platform's own follow it, and model slots take free pairs from `base + 20` on.
        span: how many ports the stack may use.
    """

    base: Annotated[int, Field(ge=1024, le=65_000)]
    span: Annotated[int, Field(ge=40, le=500)] = 200

    @property
    def gateway(self) -> int:
        return self.base

    @property
    def gateway_admin(self) -> int:
        return self.base + 1

    @property
    def prometheus(self) -> int:
        return self.base + 2

    @property
    def delivery_metrics(self) -> int:
        return self.base + 3

    @property
    def alertmanager(self) -> int:
        return self.base + 4

    @property
    def alert_receiver(self) -> int:
        return self.base + 5

    def worker_metrics(self, job: str) -> int:
        """Returns the port of a worker's metrics."""
        return self.base + WORKERS[job].port_offset

    @property
    def platform(self) -> dict[str, int]:
        """What listens -> its port, of the platform's own processes."""
        return {
            "gateway": self.gateway,
            "gateway admin": self.gateway_admin,
            "prometheus": self.prometheus,
            "delivery metrics": self.delivery_metrics,
            "alertmanager": self.alertmanager,
            "alert receiver": self.alert_receiver,
            **{f"{job} metrics": self.worker_metrics(job) for job in WORKERS},
        }

    @property
    def model_slots(self) -> range:
        return range(self.base + 20, self.base + self.span)


class AlertsSpec(Spec):
    """Where alerts go besides the platform's own receiver.

    Args:
        webhook_urls: each gets every notification as Alertmanager posts it. None may hold a credential: it would lie
            readable in this file, in Pulumi's state and in the rendered configuration.
        runbook_url: where the page of all alerts lies, docs/alerts.md; a path is one in the repository.
        watchdog_url: who is told again and again that alerts arrive, and tells somebody when that stops; it has to be
            outside of what it watches. It may hold no credential either.
    """

    webhook_urls: tuple[str, ...] = ()
    runbook_url: Annotated[str, Field(min_length=1)] = PLATFORM_RUNBOOK
    watchdog_url: str | None = None

    @field_validator("webhook_urls")
    @classmethod
    def _fit_for_state(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for number, url in enumerate(urls):
            if problem := _webhook_problem(url):
                raise Secret(f"address {number + 1} {problem}")
        return urls

    @field_validator("watchdog_url")
    @classmethod
    def _fit_too(cls, url: str | None) -> str | None:
        if url is not None and (problem := _webhook_problem(url)):
            raise Secret(f"an address {problem}")
        return url


def _webhook_problem(url: str) -> str:
    """Returns what is wrong with a webhook's address, empty when nothing is."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "to be an address: its host or port cannot be read"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        return "to be http://HOST/... or https://HOST/..."
    if parts.username is not None or parts.password is not None:
        return "without a user or password: it would lie in Pulumi's state; put a relay that knows it in between"
    if any(_SECRET_NAME.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        return "without a token in its query: it would lie in Pulumi's state; put a relay that knows it in between"
    return ""


class EnvironmentSpec(Spec):
    """One environment: where the platform runs, how large it is and how careful.

    Args:
        name: of the environment; its file is stacks/Pulumi.<name>.yaml.
        tier: local, nonprod or prod: how careful it is.
        target: local, kubernetes or aws: what builds the parts.
        region: of the cloud.
        cluster_version: of Kubernetes, with target aws.
        gpu_pools: groups of GPU nodes.
        cpu_pool: what local slots may use together.
        ports: of a local stack.
        kubernetes: what a cluster brings, with target kubernetes.
        aws: what the cloud is to hold, with target aws.
        retention_days: how long metrics and logs are kept.
        budget_usd_per_month: above which a preview's estimate is named.
        prices: what its machines cost by the hour; by default what a list says of the cloud's.
        scrape_interval_seconds: how often Prometheus looks.
        alerts: where alerts go.
        tags: put on every resource of the cloud.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    tier: Tier
    target: Target
    region: str | None = None
    cluster_version: Annotated[str, Field(pattern=r"^1\.\d+$")] | None = None
    gpu_pools: tuple[GpuPoolSpec, ...] = ()
    cpu_pool: CpuPoolSpec | None = None
    ports: PortsSpec | None = None
    kubernetes: KubernetesSpec | None = None
    aws: AwsSpec | None = None
    retention_days: Positive = 7
    budget_usd_per_month: Annotated[float, Field(ge=0)] | None = None
    prices: PricesSpec | None = None
    scrape_interval_seconds: Annotated[float, Field(gt=0, le=60)] = 1
    alerts: AlertsSpec = AlertsSpec()
    tags: dict[str, str] = Field(default_factory=dict)

    @field_validator("tags")
    @classmethod
    def _tags_are_public(cls, tags: dict[str, str]) -> dict[str, str]:
        if any(names_secret(key) for key in tags):
            raise Secret("no tag called after a password, token or secret: whoever sees a resource reads its tags")
        return tags

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.target is Target.LOCAL:
            if self.ports is None or self.cpu_pool is None:
                raise ValueError(f"ports and cpu_pool with target local, not {self.ports} and {self.cpu_pool}")
            if self.tier is not Tier.LOCAL:
                raise ValueError(f"tier local with target local, not {self.tier}")
        elif self.ports is not None or self.cpu_pool is not None:
            raise ValueError(f"no ports and no cpu_pool with target {self.target}: they belong to target local")
        if (self.target is Target.KUBERNETES) != (self.kubernetes is not None):
            given = "nothing" if self.kubernetes is None else "one"
            raise ValueError(f"the section kubernetes with target kubernetes alone, not {given} with {self.target}")
        self._told_by_hand()
        self._on_aws()
        return self

    def _told_by_hand(self) -> None:
        # On a cloud these are known to the stack that makes them.
        if (given := self.kubernetes) is None:
            return
        stores = {
            "mlflow_postgres": given.mlflow_postgres,
            "feast_postgres": given.feast_postgres,
            "redis": given.redis,
        }
        for name, store in stores.items():
            if store.installed is not None and store.installed.host is None:
                raise ValueError(f"kubernetes.{name}.installed.host, not nothing: nobody else knows it")
        if given.gateway.tls_secret is None:
            raise ValueError("kubernetes.gateway.tls_secret, not nothing: nothing stands before the gateway")
        if given.object_storage.secret is None:
            raise ValueError("kubernetes.object_storage.secret, not nothing: a pod has no identity outside the cluster")

    def _on_aws(self) -> None:
        if (self.target is Target.AWS) != (self.aws is not None):
            given = "nothing" if self.aws is None else "one"
            raise ValueError(f"the section aws with target aws alone, not {given} with {self.target}")
        if self.aws is None:
            return
        if self.region is None or self.cluster_version is None:
            raise ValueError(
                f"region and cluster_version with target aws, not {self.region} and {self.cluster_version}"
            )
        if problem := self.aws.problem_in(self.region):
            raise ValueError(problem)


def environment_path(root: Path, name: str) -> Path:
    """Returns the stack file of environment `name` in the project at `root`."""
    return root / "stacks" / f"Pulumi.{name}.yaml"


def stack_config(root: Path, name: str) -> dict[str, object]:
    """Returns what the stack file `name` of the project at `root` configures.

    Raises:
        SpecError: when there is no such stack (naming those there are) or it configures nothing.
    """
    path = environment_path(root, name)
    if not path.exists():
        known = sorted(p.stem.removeprefix("Pulumi.") for p in path.parent.glob("Pulumi.*.yaml"))
        raise SpecError(path, "", "no such file", f"one of the environments {', '.join(known)}")
    config = read_yaml(path).get("config")
    if not isinstance(config, dict):
        raise SpecError(path, "config", config, "a mapping of keys to values")
    refuse_credentials(cast(object, config), path, "config")
    return cast(dict[str, object], config)


def load_environment(root: Path, name: str) -> EnvironmentSpec:
    """Returns the environment `name` of the project at `root`.

    Raises:
        SpecError: when there is no such environment (naming those there are) or its document is wrong.
    """
    path, config = environment_path(root, name), stack_config(root, name)
    if ENVIRONMENT_KEY not in config:
        raise SpecError(path, f"config.{ENVIRONMENT_KEY}", "nothing", "the environment's description")
    found = parse(EnvironmentSpec, config[ENVIRONMENT_KEY], path)
    if found.name != name:
        raise SpecError(path, "name", found.name, f"the file's own environment, {name!r}")
    return found
