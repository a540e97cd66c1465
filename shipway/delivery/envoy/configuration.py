"""The three files Envoy watches, composed from what is served; the same models always give the same bytes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.delivery.envoy.clusters import clusters
from shipway.delivery.envoy.listener import listener
from shipway.delivery.envoy.routes import routes
from shipway.delivery.served import ServedModel

__all__ = ["Document", "compose_clusters", "compose_listener", "compose_routes"]


@dataclass(frozen=True)
class Document:
    """One file for Envoy: its text, and the version under which Envoy reports having accepted it."""

    version: str
    text: str


def compose_clusters(models: Mapping[str, ServedModel]) -> Document:
    """Returns cds.json: every cluster of every model."""
    return _document([cluster for name in sorted(models) for cluster in clusters(models[name].spec)])


def compose_listener(port: int, folder: Path) -> Document:
    """Returns lds.json: the listener on loopback `port` that reads rds.json in `folder`."""
    return _document([listener(port, folder)])


def compose_routes(models: Mapping[str, ServedModel]) -> Document:
    """Returns rds.json: every model's route, with its rollout state on it."""
    return _document([routes(models)])


def _document(resources: list[dict[str, Any]]) -> Document:
    # JSON is YAML, and sorted keys make the text a function of the content. Indents would take fifty times as long,
    # and a rollback waits for it.
    content = json.dumps(resources, sort_keys=True)
    version = hashlib.sha256(content.encode()).hexdigest()[:16]
    return Document(version, f'{{"resources": {content}, "version_info": "{version}"}}\n')
