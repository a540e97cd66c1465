"""The API server in memory: versions, generations, JSON patches with tests, and a switch that turns it off."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shipway.contract.errors import Retryable
from shipway.delivery.cluster.api import HTTP_ROUTES, Conflict, Document, Kind
from tests.shipway.delivery.cluster.objects import NAMESPACE, parents


class FakeApi:
    """Objects by kind and name; every write gets the next resourceVersion, and one of a spec the next generation."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Document] = {}
        self.up, self.confirms = True, True
        self.patched: list[tuple[str, Sequence[Mapping[str, Any]]]] = []
        self.before_write: Callable[[], None] = lambda: None
        self._version = 0

    def put(self, kind: Kind, document: Document) -> Document:
        """Writes an object as whoever owns it would."""
        key = kind.plural, document["metadata"]["name"]
        return self._store(key, copy.deepcopy(document), self.objects.get(key))

    def get(self, kind: Kind, name: str) -> Document:
        return self.objects[kind.plural, name]

    def remove(self, kind: Kind, name: str) -> None:
        del self.objects[kind.plural, name]

    def conditions(self, name: str, generation: int, **wrong: str) -> None:
        """Writes a route's status, as the gateway does."""
        route = copy.deepcopy(self.get(HTTP_ROUTES, name))
        self.put(HTTP_ROUTES, route | {"status": {"parents": parents(generation, **wrong)}})

    def models(self, kind: Kind, namespace: str) -> list[Document]:
        self._answer()
        assert namespace == NAMESPACE
        return [copy.deepcopy(one) for (plural, _), one in sorted(self.objects.items()) if plural == kind.plural]

    def read(self, kind: Kind, namespace: str, name: str) -> Document | None:
        self._answer()
        return copy.deepcopy(self.objects.get((kind.plural, name)))

    def create(self, kind: Kind, namespace: str, document: Document) -> Document:
        self._answer()
        if (kind.plural, document["metadata"]["name"]) in self.objects:
            raise Conflict(kind.plural)
        return self.put(kind, document)

    def replace(self, kind: Kind, namespace: str, name: str, document: Document) -> Document:
        self._answer()
        held = self.objects[kind.plural, name]
        if held["metadata"]["resourceVersion"] != document["metadata"]["resourceVersion"]:
            raise Conflict(name)
        return self.put(kind, document)

    def patch(self, kind: Kind, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Document:
        self._answer()
        self.before_write()
        self._answer()
        found = copy.deepcopy(self.objects[kind.plural, name])
        for operation in operations:
            *above, last = [
                part.replace("~1", "/").replace("~0", "~") for part in operation["path"].removeprefix("/").split("/")
            ]
            where = found
            for part in above:
                where = where[part]
            if operation["op"] == "test":
                if where.get(last) != operation["value"]:
                    raise Conflict(name)
            else:
                assert operation["op"] == "add" or last in where, operation
                where[last] = copy.deepcopy(operation["value"])
        self.patched.append((name, operations))
        written = self.put(kind, found)
        if kind is HTTP_ROUTES and self.confirms:
            self.conditions(name, written["metadata"]["generation"])
        return written

    def _answer(self) -> None:
        if not self.up:
            raise Retryable("the API server does not answer (refused)", 1)

    def _store(self, key: tuple[str, str], document: Document, held: Document | None) -> Document:
        self._version += 1
        before = held["metadata"]["generation"] if held else 0
        changed = held is None or held.get("spec") != document.get("spec")
        document["metadata"] |= {"resourceVersion": str(self._version), "generation": before + changed}
        self.objects[key] = document
        return copy.deepcopy(document)
