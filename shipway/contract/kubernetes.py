"""KubernetesSpec: which cluster an environment runs on, what is there already and what the platform brings."""

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shipway.contract.documents import Secret, Spec

__all__ = [
    "AddressRange",
    "AdmissionSpec",
    "BasesSpec",
    "GatewaySpec",
    "Image",
    "ImagesSpec",
    "InstalledGateway",
    "InstalledMonitoring",
    "InstalledStore",
    "KubernetesSpec",
    "MonitoringSpec",
    "ObjectStorageSpec",
    "PostgresSpec",
    "RedisSpec",
    "Repository",
    "RepositoryUrl",
    "RetrainerSpec",
    "is_image",
    "models_namespace",
    "platform_namespace",
]

Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(gt=0)]
Port = Annotated[int, Field(ge=1, le=65_535)]
# What Kubernetes takes as the name of an object.
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]

_REPOSITORY = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def _repository(value: str) -> str:
    if not _REPOSITORY.fullmatch(value):
        raise ValueError("a repository HOST[:PORT]/PATH without a scheme, a tag or a digest")
    return value


def is_image(text: str) -> bool:
    """Returns whether `text` names an image by its digest."""
    repository, at, digest = text.partition("@")
    return bool(at and _DIGEST.fullmatch(digest) and _REPOSITORY.fullmatch(repository))


def _image(value: str) -> str:
    if not is_image(value):
        raise ValueError("an image HOST/PATH@sha256:DIGEST, because a tag can be moved to other bytes")
    return value


def _range(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f"an address range such as 10.0.8.0/24 ({error})") from None


Repository = Annotated[str, AfterValidator(_repository)]
Image = Annotated[str, AfterValidator(_image)]
AddressRange = Annotated[str, AfterValidator(_range)]
RepositoryUrl = Annotated[str, Field(pattern=r"^https://[\w.-]+(:\d+)?/[\w./-]+$")]
S3Folder = Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[\w.-]+)*$")]


def platform_namespace(environment: str) -> str:
    """Returns the namespace of the platform's own pods."""
    return f"shipway-{environment}"


def models_namespace(environment: str) -> str:
    """Returns the namespace of every model's pods, of its route and of what is declared of it."""
    return f"{platform_namespace(environment)}-models"


def _public_key(value: str) -> str:
    # Enough to tell it from a private one, which must never lie here; what signs is checked where a key is used.
    if not re.fullmatch(r"-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+\n-----END PUBLIC KEY-----\n?", value):
        raise Secret("a public key in PEM, as `openssl ec -pubout` prints it")
    return value


class BasesSpec(Spec):
    """What models' images are built on, each by digest: `shipway base` makes one of them.

    Args:
        cpu: for models without GPUs.
        cuda: for those with; None where no model has any.
        architecture: of the nodes, in Go's words; an image for several architectures is narrowed to it.
    """

    cpu: Image
    cuda: Image | None = None
    architecture: Literal["amd64", "arm64"] = "amd64"


class ImagesSpec(Spec):
    """The images of the platform's own pods, each by digest, and what models' images are built on.

    Args:
        delivery: Python with Shipway: delivery, and what watches models.
        mlflow: the model registry's.
        feast: the feature store's.
        bases: what models' images are built on.
    """

    delivery: Image
    mlflow: Image
    feast: Image
    bases: BasesSpec | None = None


class AdmissionSpec(Spec):
    """What the models' namespace admits: images with a signature and a provenance made with one key.

    Args:
        public_key: of the key that `shipway build` signs with, in PEM; it is no secret.
        installed: whether sigstore's policy-controller is there already.
    """

    public_key: Annotated[str, AfterValidator(_public_key)]
    installed: bool = False


class InstalledStore(Spec):
    """A store that is there already.

    Args:
        host, port: where it listens, with TLS; no host where only the stack that makes the store knows it.
        address_range: where its addresses lie; network policies let pods through to nothing else.
    """

    host: HostName | None = None
    port: Port
    address_range: AddressRange


class PostgresSpec(Spec):
    """One Postgres database, brought by CloudNativePG unless it is installed.

    Args:
        secret: name of the Secret with its owner's `username` and `password`.
        installed: where it is, when it is not for the platform to bring.
        instances: one of them takes writes, the others follow and take over.
        storage_gib: the volume of each instance.
    """

    secret: ObjectName
    installed: InstalledStore | None = None
    instances: Positive = 3
    storage_gib: Positive = 20


class RedisSpec(Spec):
    """The online store, brought as Valkey unless it is installed.

    Args:
        secret: name of the Secret with the user's `password`.
        user: whose it is; the default one by default.
        tls_secret: name of the Secret with `ca.crt`; with `server.crt` and `server.key` too, when it is brought.
            Without one an installed store is trusted as any web site is.
        installed: where it is, when it is not for the platform to bring.
        memory_mib: all values must fit into it.
        storage_gib: the volume that values come back from after a restart.
    """

    secret: ObjectName
    user: ObjectName | None = None
    tls_secret: ObjectName | None = None
    installed: InstalledStore | None = None
    memory_mib: Positive = 1024
    storage_gib: Positive = 10

    @model_validator(mode="after")
    def _brought_with_certificate_and_default_user(self) -> Self:
        if self.installed is None and (self.tls_secret is None or self.user is not None):
            raise ValueError(f"tls_secret and no user without installed, not {self.tls_secret} and {self.user}")
        return self


class ObjectStorageSpec(Spec):
    """Where bundles, prediction logs and offline features lie.

    Args:
        url: the folder that all of them lie below.
        records_url: the folder of delivery's records, where it is another one.
        predictions_url: the folder of the logs of predictions and labels, where it is another one.
        endpoint_url: of a store that speaks S3 and is not AWS's.
        secret: name of the Secret whose key `credentials` is an AWS credentials file; without one, each pod is known
            to the storage by its own identity.
        address_range: where its addresses lie; network policies let pods through to nothing else.
    """

    url: S3Folder
    records_url: S3Folder | None = None
    predictions_url: S3Folder | None = None
    endpoint_url: Annotated[str, Field(pattern=r"^https://[\w.:-]+$")] | None = None
    secret: ObjectName | None = None
    address_range: AddressRange

    @property
    def records(self) -> str:
        """The folder that delivery writes its ledger below."""
        return self.records_url or self.url

    @property
    def predictions(self) -> str:
        """The folder that every model's slots write their logs below, each in one of its own."""
        return self.predictions_url or f"{self.url}/predictions"

    @property
    def features(self) -> str:
        """The folder with the offline values of features, by the path that a view's source names on a laptop."""
        return f"{self.url}/features"

    @property
    def state(self) -> str:
        """The folder in which every worker keeps, below its own name, what has to outlive its pod."""
        return f"{self.url}/workers"


class InstalledGateway(Spec):
    """A gateway class that is there already.

    Args:
        class_name: of the GatewayClass.
        namespace: its data plane's, from which requests come.
    """

    class_name: ObjectName
    namespace: ObjectName


class GatewaySpec(Spec):
    """The one way in, brought by Envoy Gateway unless a class is installed.

    Args:
        hostname: what callers name.
        tls_secret: name of the Secret with the certificate, in the gateway's namespace; without one, what stands before
            the gateway ends TLS.
        client_ranges: where requests come from, those of a load balancer's own addresses too; private networks by
            default. Network policies let nothing else through to a gateway that the platform brings.
        installed: the class to use, when it is not for the platform to bring one.
    """

    hostname: HostName
    tls_secret: ObjectName | None = None
    client_ranges: tuple[AddressRange, ...] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    installed: InstalledGateway | None = None


class InstalledMonitoring(Spec):
    """A Prometheus that is there already, with its operator, and takes monitors and rules from every namespace.

    Args:
        namespace: where it runs and scrapes from.
        prometheus_url: where it is asked.
        alertmanager: host:port of its Alertmanager.
    """

    namespace: ObjectName
    prometheus_url: Annotated[str, Field(pattern=r"^https?://[\w.-]+(:\d+)?$")]
    alertmanager: Annotated[str, Field(pattern=r"^[\w.-]+:\d+$")]


class MonitoringSpec(Spec):
    """Prometheus and Alertmanager, brought by kube-prometheus-stack unless they are installed.

    Args:
        installed: the ones to use, when it is not for the platform to bring them.
        storage_gib: the volume of the Prometheus that is brought.
    """

    installed: InstalledMonitoring | None = None
    storage_gib: Positive = 50


class RetrainerSpec(Spec):
    """Where the models of a cluster are trained anew, and where what comes out is proposed.

    Args:
        image: Python with Shipway, all its packages, and git.
        repository_url: of the project, over https; a person's or a CI's review decides what becomes of a branch there.
        repository_secret: name of the Secret whose key `token` may push branches to it, and nothing else.
        registry_secret: name of the Secret whose key `config.json` is a Docker configuration that may push models'
            images.
        registry_helper: instead of it, the Docker credential helper in `image` by which the registry knows the pod's
            own identity, such as ecr-login.
        signing_secret: name of the Secret whose key `key` signs them; needed where admission is on.
        address_ranges: where repository and image registry are; network policies let the pods through to nothing else.
        storage_gib: the volume that keeps a model's registry and bundles from one run to the next.
    """

    image: Image
    repository_url: RepositoryUrl
    repository_secret: ObjectName
    registry_secret: ObjectName | None = None
    registry_helper: ObjectName | None = None
    signing_secret: ObjectName | None = None
    address_ranges: Annotated[tuple[AddressRange, ...], Field(min_length=1)]
    storage_gib: Positive = 20

    @model_validator(mode="after")
    def _known_to_the_registry(self) -> Self:
        if (self.registry_secret is None) == (self.registry_helper is None):
            got = f"{self.registry_secret} and {self.registry_helper}"
            raise ValueError(f"registry_secret or registry_helper, one of them, not {got}")
        return self


class KubernetesSpec(Spec):
    """The cluster of an environment.

    Args:
        kubeconfig: path of a kubeconfig, relative to the project; `KUBECONFIG` or `~/.kube/config` by default.
        context: the context in it; its current one by default.
        cluster_identifier: stands for this cluster for ever: another one replaces everything in it.
        api_server_range, api_server_port: where the API server's addresses lie, for those few pods that may ask it.
        api_server_service: the address of its Service, where network policies judge it before it is translated.
        pod_security_version: the Kubernetes version whose Pod Security Standards are enforced, such as v1.34.
        image_registry: where the models' images lie, as `<image_registry>/<model>@<digest>`.
        images: the platform's own, and the models' bases.
        gateway: the one way in.
        monitoring: Prometheus and Alertmanager.
        mlflow_postgres, feast_postgres, redis, object_storage: what keeps data.
        admission: which images of models the cluster runs; any, when it is None.
        storage_class: of all volumes; the cluster's default one by default.
        secrets_by_csi: whether a Secret that is named here is instead a SecretProviderClass of the Secrets Store CSI
            driver, whose files lie where the Secret's would; its Postgres ones hold a `service` file for libpq too.
        gpu_operator_installed: whether the NVIDIA GPU operator is there already.
        keda_installed: whether KEDA is there, which scales models on their requests.
        postgres_operator_namespace: where CloudNativePG runs, when it is there already.
        materialise_every_minutes: how often new feature values go online; it divides an hour, as cron needs it.
        retraining: where models are trained anew; a model with a schedule needs it, and without it no verdict starts
            a run.
    """

    kubeconfig: Text | None = None
    context: Text | None = None
    cluster_identifier: Text
    api_server_range: AddressRange
    api_server_port: Port = 6443
    api_server_service: AddressRange | None = None
    pod_security_version: Annotated[str, Field(pattern=r"^v1\.\d+$")]
    image_registry: Repository
    images: ImagesSpec
    admission: AdmissionSpec | None = None
    storage_class: ObjectName | None = None
    gateway: GatewaySpec
    monitoring: MonitoringSpec = MonitoringSpec()
    mlflow_postgres: PostgresSpec
    feast_postgres: PostgresSpec
    redis: RedisSpec
    object_storage: ObjectStorageSpec
    secrets_by_csi: bool = False
    gpu_operator_installed: bool = False
    keda_installed: bool = False
    postgres_operator_namespace: ObjectName | None = None
    materialise_every_minutes: Literal[5, 10, 15, 20, 30, 60] = 60
    retraining: RetrainerSpec | None = None

    @model_validator(mode="after")
    def _signs_what_it_makes(self) -> Self:
        if self.admission is not None and self.retraining is not None and self.retraining.signing_secret is None:
            raise ValueError("retraining.signing_secret where admission is on: an image without a signature never runs")
        return self

    @model_validator(mode="after")
    def _names_a_cluster(self) -> Self:
        # Whatever context happens to be current must never be the production cluster.
        if self.kubeconfig is None and self.context is None:
            raise ValueError(f"kubeconfig or context, not {self.kubeconfig} and {self.context}")
        return self

    @model_validator(mode="after")
    def _reads_secrets_of_installed_stores(self) -> Self:
        stores = {"mlflow_postgres": self.mlflow_postgres, "feast_postgres": self.feast_postgres, "redis": self.redis}
        brought = [name for name, store in stores.items() if store.installed is None]
        if self.secrets_by_csi and brought:
            raise ValueError(
                f"secrets_by_csi with installed stores alone, not with {', '.join(brought)}: it takes Secrets"
            )
        return self
