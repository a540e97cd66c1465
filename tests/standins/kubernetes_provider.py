"""A stand-in for Pulumi's Kubernetes provider, whose program is in no registry that tests can reach.

It speaks the engine's protocol and applies every object to a real API server, on the server's side and strictly, so it
proves the manifests and who owns which field. It does not prove the upstream provider. The engine starts it by its
name, `pulumi-resource-kubernetes`, or attaches to it by PULUMI_DEBUG_PROVIDERS.
"""

import hashlib
import time
from collections.abc import Mapping
from typing import Any, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb

from tests.standins.api import FIELD_MANAGER, Api, Refused
from tests.standins.shape import REPLACING, document_of, leave_alone, settled, shown
from tests.standins.wire import dump, has_unknown, load, projected, serve, type_and_name

__all__ = ["KubernetesProvider", "main"]

PROVIDER_VERSION = "4.34.2"
AWAIT_SECONDS = 60.0
_EVERY_SECONDS = 0.2


class KubernetesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider process: a cluster, and what the engine asks of it."""

    def __init__(self) -> None:
        self._api: Api | None = None

    # What the engine asks of the provider itself.

    def Handshake(self, request: Any, context: Any) -> Any:
        return pb.ProviderHandshakeResponse(accept_secrets=False, accept_resources=False, accept_outputs=False)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=PROVIDER_VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        return pb.GetSchemaResponse(schema=f'{{"name":"kubernetes","version":"{PROVIDER_VERSION}"}}')

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return pb.DiffResponse()

    def Configure(self, request: Any, context: Any) -> Any:
        given = load(request.args)
        if kubeconfig := given.get("kubeconfig"):
            self._api = Api(str(kubeconfig), str(given.get("context") or ""))
        return pb.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        return context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the stand-in has no {request.tok}")

    # Resources.

    def Check(self, request: Any, context: Any) -> Any:
        kind, name = type_and_name(request.urn)
        inputs, olds = load(request.news), load(request.olds)
        metadata = cast(dict[str, Any], inputs.setdefault("metadata", {}))
        if not metadata.get("name"):
            suffix = hashlib.sha256(request.randomSeed).hexdigest()[:8]
            before = cast(dict[str, Any], olds.get("metadata") or {}).get("name")
            metadata["name"] = before or f"{name}-{suffix}"
        return pb.CheckResponse(inputs=dump(document_of(kind, inputs)))

    def Diff(self, request: Any, context: Any) -> Any:
        kind, _ = type_and_name(request.urn)
        olds, news = load(request.old_inputs), load(request.news)
        changed = {key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key)}
        replaces = [path for path in REPLACING.get(kind.split(":")[-1], ()) if shown(olds, path) != shown(news, path)]
        replaces += [path for path in ("metadata.name", "metadata.namespace") if shown(olds, path) != shown(news, path)]
        some = pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(
            changes=some,
            diffs=sorted(changed),
            replaces=sorted({path.split(".")[0] for path in replaces}),
            deleteBeforeReplace=bool(replaces),
        )

    def Create(self, request: Any, context: Any) -> Any:
        document = load(request.properties)
        made = self._put(document, context, preview=request.preview, new=True)
        return pb.CreateResponse(id="" if request.preview else self._id(document), properties=dump(made))

    def Update(self, request: Any, context: Any) -> Any:
        news = load(request.news)
        if request.ignoreChanges and self._api is not None and (live := self._api.read(news)) is not None:
            leave_alone(news, live, request.ignoreChanges, FIELD_MANAGER)
        return pb.UpdateResponse(properties=dump(self._put(news, context, preview=request.preview, new=False)))

    def Read(self, request: Any, context: Any) -> Any:
        inputs = load(request.inputs)
        found = self._reached(context).read(inputs or load(request.properties))
        if found is None:
            return pb.ReadResponse()
        live = projected(found, inputs) if inputs else found
        return pb.ReadResponse(id=request.id, properties=dump(found), inputs=dump(live))

    def Delete(self, request: Any, context: Any) -> Any:
        api, document = self._reached(context), load(request.properties)
        api.delete(document)
        deadline = time.monotonic() + AWAIT_SECONDS
        while api.read(document) is not None:
            if time.monotonic() > deadline:
                context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"{self._id(document)} does not end")
            time.sleep(_EVERY_SECONDS)
        return empty_pb2.Empty()

    def _put(self, document: dict[str, Any], context: Any, *, preview: bool, new: bool) -> dict[str, Any]:
        if preview and (self._api is None or has_unknown(document)):
            return document
        api = self._reached(context)
        try:
            if new and not preview and api.read(document) is not None:
                context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{self._id(document)} is there already; import it")
            annotations = shown(document, "metadata.annotations") or {}
            forced = annotations.get("pulumi.com/patchForce") == "true"
            made = api.apply(document, dry_run=preview, force=forced)
        except Refused as error:
            # Its namespace or its kind comes in the same update: it can be judged only then.
            if preview and error.status == 404:
                return document
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{self._id(document)}: {error}")
            raise
        return made if preview else self._awaited(api, made, context)

    def _awaited(self, api: Api, made: dict[str, Any], context: Any) -> dict[str, Any]:
        """Returns the object once it works, as the upstream provider waits for workloads."""
        annotated = shown(made, "metadata.annotations") or {}
        deadline = time.monotonic() + float(annotated.get("pulumi.com/timeoutSeconds", AWAIT_SECONDS))
        while (problem := settled(made)) != "":
            if time.monotonic() > deadline:
                context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"{self._id(made)}: {problem}")
            time.sleep(_EVERY_SECONDS)
            made = api.read(made) or made
        return made

    def _reached(self, context: Any) -> Api:
        if self._api is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the provider was given no kubeconfig")
        assert self._api is not None
        return self._api

    @staticmethod
    def _id(document: Mapping[str, Any]) -> str:
        metadata = cast(Mapping[str, str], document["metadata"])
        return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]


def main() -> None:
    """Serves until the engine lets go."""
    serve(KubernetesProvider(), __doc__)


if __name__ == "__main__":
    main()
