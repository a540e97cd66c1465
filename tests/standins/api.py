"""What a provider needs of a Kubernetes API server: kinds by discovery, server-side apply, read, delete."""

import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import yaml

__all__ = ["FIELD_MANAGER", "Api", "Refused"]

FIELD_MANAGER = "pulumi-kubernetes"
_TIMEOUT_SECONDS = 30.0


class Refused(Exception):
    """What the API server said no to.

    Args:
        status: its HTTP status.
        message: its own sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """One API server, as one kubeconfig reaches it.

    Args:
        kubeconfig: the document itself or the path of one, as Pulumi's provider takes it.
        context: which of its contexts, its current one when empty.
    """

    def __init__(self, kubeconfig: str, context: str = "") -> None:
        text = kubeconfig
        if "\n" not in kubeconfig and not kubeconfig.lstrip().startswith("{"):
            text = Path(kubeconfig).expanduser().read_text(encoding="utf-8")
        document = cast(dict[str, Any], yaml.safe_load(text))
        named = {kind: {one["name"]: one for one in document[kind]} for kind in ("clusters", "contexts", "users")}
        chosen = named["contexts"][context or document["current-context"]]["context"]
        cluster = named["clusters"][chosen["cluster"]]["cluster"]
        token = named["users"][chosen["user"]]["user"]["token"]
        self._client = httpx.Client(
            base_url=cluster["server"],
            headers={"authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=cluster["certificate-authority"]),
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
        )
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def apply(self, document: Mapping[str, Any], *, dry_run: bool, force: bool = False) -> dict[str, Any]:
        """Returns the object as the server holds it after a server-side apply; an unknown field is refused."""
        query = {
            "fieldManager": FIELD_MANAGER,
            "fieldValidation": "Strict",
            **({"dryRun": "All"} if dry_run else {}),
            **({"force": "true"} if force else {}),
        }
        content = {"content-type": "application/apply-patch+yaml"}
        path = self.path(document)
        return self._asked("PATCH", path, params=query, headers=content, content=json.dumps(document))

    def read(self, document: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the object that has the kind and name of `document`, None where there is none."""
        try:
            return self._asked("GET", self.path(document))
        except Refused as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def delete(self, document: Mapping[str, Any]) -> None:
        """Asks for the object's end; one that is gone is no error."""
        try:
            self._asked("DELETE", self.path(document), params={"propagationPolicy": "Background"})
        except Refused as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    def path(self, document: Mapping[str, Any]) -> str:
        """Returns where an object lies.

        Raises:
            Refused: status 404 when the server does not know its kind.
        """
        version, kind = str(document["apiVersion"]), str(document["kind"])
        plural, namespaced = self._kind(version, kind)
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        metadata = cast(Mapping[str, str], document["metadata"])
        within = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{root}{within}/{plural}/{metadata['name']}"

    def _kind(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._kinds:
            listed = self._asked("GET", f"/api/{version}" if "/" not in version else f"/apis/{version}")
            for one in cast(list[dict[str, Any]], listed["resources"]):
                if "/" not in one["name"]:
                    self._kinds[version, str(one["kind"])] = (one["name"], bool(one["namespaced"]))
        if (version, kind) not in self._kinds:
            raise Refused(httpx.codes.NOT_FOUND, f"the server knows no {kind} in {version}")
        return self._kinds[version, kind]

    def _asked(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._client.request(method, path, **options)
        if answer.is_error:
            try:
                message = str(answer.json()["message"])
            except (ValueError, KeyError):
                message = answer.text[:500]
            raise Refused(answer.status_code, message)
        return cast(dict[str, Any], answer.json())
