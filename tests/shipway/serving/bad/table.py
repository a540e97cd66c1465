"""Every kind of bad input, by its name."""

from collections.abc import Iterable

import httpx

from tests.shipway.serving.bad.around import FEEDBACK, HEADERS, PATHS
from tests.shipway.serving.bad.documents import DOCUMENTS
from tests.shipway.serving.bad.fields import FIELDS
from tests.shipway.serving.bad.kinds import VERSION, Kind
from tests.shipway.serving.bad.protocol import PROTOCOL

__all__ = ["KINDS", "send"]

KINDS: dict[str, Kind] = {**DOCUMENTS, **FIELDS, **PROTOCOL, **FEEDBACK, **HEADERS, **PATHS}


def send(client: httpx.Client, kinds: Iterable[str], version: str = VERSION) -> dict[str, str]:
    """Returns kind -> how its answer differed from what it must be; empty when all were as they must be."""
    found: dict[str, str] = {}
    for name in kinds:
        kind = KINDS[name].of(version)
        answer = client.request(kind.method, kind.path, content=kind.content, headers=list(kind.headers))
        if problem := kind.problem(answer.status_code, answer.json()):
            found[name] = problem
    return found
