"""What delivery needs of the Kubernetes API: a few kinds, read whole, written only as they were last read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shipway.contract.errors import Retryable

__all__ = [
    "AUTOSCALERS",
    "CONFIG_MAPS",
    "ENDPOINT_SLICES",
    "HTTP_ROUTES",
    "LEASES",
    "MODEL_LABEL",
    "NOTHING",
    "PODS",
    "RELEASE_LABEL",
    "Api",
    "Conflict",
    "Document",
    "Kind",
]

Document = dict[str, Any]

# What a field holds that an object leaves out.
NOTHING: Document = {}

# What Pulumi puts on every object of a model, and on the pods of a slot: the short digest they run.
MODEL_LABEL = "shipway/model"
RELEASE_LABEL = "shipway/release"

_AGAIN_SECONDS = 0.5


class Conflict(Retryable):
    """Somebody else wrote the object since it was read: read it anew and decide anew."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was changed by somebody else meanwhile; nothing was written", _AGAIN_SECONDS)


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    Args:
        version: its API version, such as v1 or coordination.k8s.io/v1.
        plural: what its collection is called.
        metadata_only: whether nothing but its metadata is read; of many pods the rest is megabytes.
    """

    version: str
    plural: str
    metadata_only: bool = False

    def path(self, namespace: str, name: str = "") -> str:
        """Returns where an object lies, or its collection without a name."""
        root = "apis" if "/" in self.version else "api"
        found = f"/{root}/{self.version}/namespaces/{namespace}/{self.plural}"
        return f"{found}/{name}" if name else found


HTTP_ROUTES = Kind("gateway.networking.k8s.io/v1", "httproutes")
CONFIG_MAPS = Kind("v1", "configmaps")
ENDPOINT_SLICES = Kind("discovery.k8s.io/v1", "endpointslices")
PODS = Kind("v1", "pods", metadata_only=True)
AUTOSCALERS = Kind("autoscaling/v2", "horizontalpodautoscalers")
LEASES = Kind("coordination.k8s.io/v1", "leases")


class Api(Protocol):
    """The API server. Every method raises Retryable when it does not answer, or not for this identity."""

    def models(self, kind: Kind, namespace: str) -> list[Document]:
        """Returns the objects of `kind` that belong to a model."""
        ...

    def read(self, kind: Kind, namespace: str, name: str) -> Document | None:
        """Returns an object, None where there is none."""
        ...

    def create(self, kind: Kind, namespace: str, document: Document) -> Document:
        """Makes an object; raises Conflict when it is there already."""
        ...

    def replace(self, kind: Kind, namespace: str, name: str, document: Document) -> Document:
        """Writes a whole object; raises Conflict when it is not as `document` was read."""
        ...

    def patch(self, kind: Kind, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Document:
        """Applies a JSON patch; raises Conflict when a `test` in it fails, Rejected when its result is not valid."""
        ...
