"""What offline stand-ins share: the engine's calls over a world in one file. What an object is, each of them says."""

import hashlib
import itertools
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb

from tests.standins.wire import dump, load, projected, type_and_name
from tests.standins.world import World

__all__ = ["Checked", "OfflineProvider", "Refused"]

# No id is made of fewer of the digits that are fresh.
_SHORTEST = 12

Problems = Sequence[tuple[str, str]]


class Refused(Exception):
    """What the real service would say no to."""


@dataclass(frozen=True)
class Checked:
    """A resource's inputs after the provider looked at them.

    Args:
        inputs: with the names that were made up.
        problems: property -> what is wrong with it.
    """

    inputs: dict[str, Any]
    problems: Problems = ()


class OfflineProvider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider process that answers for a service which is not asked.

    Args:
        package: the provider's name.
        version: the version of the SDK that it stands in for.
        world: what has been made.
    """

    def __init__(self, package: str, version: str, world: World) -> None:
        self._package, self._version, self._world = package, version, world

    # What each stand-in says of its service.

    @abstractmethod
    def check_provider(self, given: Mapping[str, Any]) -> Problems:
        """Returns what is wrong with the provider's own configuration."""

    @abstractmethod
    def replaced_by(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Sequence[str]:
        """Returns the settings of the provider whose change replaces it, and everything it made."""

    @abstractmethod
    def configure(self, given: Mapping[str, Any]) -> None:
        """Takes the provider's configuration."""

    @abstractmethod
    def check(self, kind: str, name: str, inputs: dict[str, Any], olds: Mapping[str, Any], seed: bytes) -> Checked:
        """Returns the inputs as they will be used, and what is wrong with them."""

    @abstractmethod
    def replacing(self, kind: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[list[str], bool]:
        """Returns the changed properties that need a new object, and whether the old one has to go first."""

    @abstractmethod
    def made(self, kind: str, inputs: Mapping[str, Any], fresh: str) -> tuple[str, dict[str, Any]]:
        """Returns id and properties of a new object; raises Refused for what the service would not make.

        Args:
            kind: its type.
            inputs: its checked inputs.
            fresh: what no other object of its kind is made of.
        """

    @abstractmethod
    def foreseen(self, kind: str, inputs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the properties as far as they are known before anything is made.

        Args:
            kind: the object's type.
            inputs: its checked inputs.
            before: its properties now, empty for a new one.
        """

    @abstractmethod
    def invoked(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns what a function gives, None for a function that is not stood in for."""

    def refuse_deletion(self, kind: str, properties: Mapping[str, Any]) -> None:
        """Raises Refused for what the service would not delete."""

    # What the engine asks of the provider itself.

    def Handshake(self, request: Any, context: Any) -> Any:
        return pb.ProviderHandshakeResponse(accept_secrets=False, accept_resources=False, accept_outputs=False)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self._version)

    def GetSchema(self, request: Any, context: Any) -> Any:
        return pb.GetSchemaResponse(schema=f'{{"name":"{self._package}","version":"{self._version}"}}')

    def CheckConfig(self, request: Any, context: Any) -> Any:
        failures = _failures(self.check_provider(load(request.news)))
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        olds, news = load(request.old_inputs), load(request.news)
        changed, replaces = _changed(olds, news), self.replaced_by(olds, news)
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE,
            diffs=sorted(changed),
            replaces=sorted(replaces),
        )

    def Configure(self, request: Any, context: Any) -> Any:
        self.configure(load(request.args))
        return pb.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        answer = self.invoked(request.tok, load(request.args))
        if answer is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the stand-in for {self._package} has no {request.tok}")
        return pb.InvokeResponse(**{"return": dump(cast(dict[str, Any], answer))})

    # Resources.

    def Check(self, request: Any, context: Any) -> Any:
        kind, name = type_and_name(request.urn)
        found = self.check(kind, name, load(request.news), load(request.olds), request.randomSeed)
        return pb.CheckResponse(inputs=dump(found.inputs), failures=_failures(found.problems))

    def Diff(self, request: Any, context: Any) -> Any:
        kind, _ = type_and_name(request.urn)
        olds, news = load(request.old_inputs), load(request.news)
        changed = _changed(olds, news) - {"__defaults"}
        replaces, first = self.replacing(kind, olds, news)
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE,
            diffs=sorted(changed),
            replaces=sorted(replaces),
            deleteBeforeReplace=bool(replaces) and first,
        )

    def Create(self, request: Any, context: Any) -> Any:
        kind, _ = type_and_name(request.urn)
        inputs = load(request.properties)
        if request.preview:
            return pb.CreateResponse(id="", properties=dump(self.foreseen(kind, inputs, {})))
        try:
            identity, properties = self.made(kind, inputs, self._fresh(request.urn))
            with self._world.changed() as objects:
                if f"{kind}/{identity}" in objects:
                    raise Refused(f"AlreadyExists: {identity} exists already")
                objects[f"{kind}/{identity}"] = properties
        except Refused as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        return pb.CreateResponse(id=identity, properties=dump(properties))

    def Update(self, request: Any, context: Any) -> Any:
        kind, _ = type_and_name(request.urn)
        foreseen = self.foreseen(kind, load(request.news), load(request.olds))
        if not request.preview:
            with self._world.changed() as objects:
                objects[f"{kind}/{request.id}"] = foreseen
        return pb.UpdateResponse(properties=dump(foreseen))

    def Read(self, request: Any, context: Any) -> Any:
        kind, _ = type_and_name(request.urn)
        found = self._world.read().get(f"{kind}/{request.id}")
        if found is None:
            return pb.ReadResponse()
        inputs = load(request.inputs)
        # A property that is given and never told again, such as a password, is taken to be as it was given.
        live = {**inputs, **projected(found, inputs)} if inputs else found
        return pb.ReadResponse(id=request.id, properties=dump(found), inputs=dump(live))

    def Delete(self, request: Any, context: Any) -> Any:
        kind, _ = type_and_name(request.urn)
        try:
            with self._world.changed() as objects:
                self.refuse_deletion(kind, objects.get(f"{kind}/{request.id}", {}))
                objects.pop(f"{kind}/{request.id}", None)
        except Refused as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return empty_pb2.Empty()

    def _fresh(self, urn: str) -> str:
        """Returns what no object that lives was made of: a replacement is made before the original is deleted."""
        world = str(self._world.read())
        for number in itertools.count():
            digest = hashlib.sha256(f"{urn}#{number}".encode()).hexdigest()
            if digest[:_SHORTEST] not in world:
                return digest
        raise AssertionError("unreachable: the numbers do not end")


def _failures(problems: Problems) -> list[Any]:
    return [pb.CheckFailure(property=where, reason=what) for where, what in problems]


def _changed(olds: Mapping[str, Any], news: Mapping[str, Any]) -> set[str]:
    return {key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key)}
