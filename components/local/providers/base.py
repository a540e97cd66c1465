"""What all local resources share: one `status`, drift by looking, and errors that are one sentence."""

import sys
import traceback
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from shipway.contract.errors import ShipwayError

__all__ = ["IN_PLACE", "LocalProvider", "LocalResource", "Machine", "Props"]

Props = dict[str, Any]

# The `status` of a resource that is as declared; any other status says what was found instead, and is drift.
IN_PLACE = "in place"

_full_traceback = traceback.format_exc


def _sentence(limit: int | None = None, chain: bool = True) -> str:
    error = sys.exc_info()[1]
    return str(error) if isinstance(error, ShipwayError | OSError) else _full_traceback(limit, chain)


class Machine(pulumi.ProviderResource):
    """The one explicit provider of a local stack: without it a ban on default providers would refuse every resource."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pulumi-python", name, {}, opts)


class LocalProvider(ResourceProvider):
    """CRUD by three verbs: `put` (make it so, whatever is there), `look` (what is there) and `drop`.

    An interrupted create is simply put again, so nothing has to be recorded half-way.
    """

    # The reference to this class is no secret; marked as one it would hide every diff.
    serialize_as_secret_always = False

    # Inputs that make another resource of it when they change.
    identity: ClassVar[tuple[str, ...]] = ()

    def configure(self, req: ConfigureRequest) -> None:
        """Runs once in Pulumi's provider process, which answers with `traceback.format_exc()` and offers no other way:
        a refusal there becomes its sentence, anything unexpected keeps its traceback."""
        traceback.format_exc = _sentence

    def key(self, props: Props) -> str:
        """Returns the id of the resource that `props` describe."""
        raise NotImplementedError

    def put(self, props: Props, before: Props) -> Props:
        """Brings the machine to what `props` say and returns the computed outputs; `before` is empty on create."""
        raise NotImplementedError

    def look(self, props: Props) -> str:
        """Returns IN_PLACE, or what is there instead."""
        raise NotImplementedError

    def drop(self, props: Props) -> None:
        """Takes it away; a second time is fine."""
        raise NotImplementedError

    def create(self, props: Props) -> CreateResult:
        return CreateResult(self.key(props), {**props, **self.put(props, {}), "status": IN_PLACE})

    def read(self, id_: str, props: Props) -> ReadResult:
        return ReadResult(id_, {**props, "status": self.look(props)})

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult({**_news, **self.put(_news, _olds), "status": IN_PLACE})

    def delete(self, _id: str, _props: Props) -> None:
        self.drop(_props)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        changed = [name for name in _news if not name.startswith("__") and _olds.get(name) != _news[name]]
        return DiffResult(
            changes=bool(changed) or _olds.get("status") != IN_PLACE,
            replaces=[name for name in changed if name in self.identity],
            delete_before_replace=True,
        )


class LocalResource(Resource):
    """A resource on this machine; `status` is IN_PLACE or the drift that the last refresh found."""

    status: pulumi.Output[str]

    def __init__(
        self, provider: LocalProvider, name: str, props: Props, computed: tuple[str, ...], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__(provider, name, {**props, **dict.fromkeys((*computed, "status"))}, opts)
