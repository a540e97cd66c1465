"""The API server over HTTPS, as a pod or a kubeconfig reaches it; every request ends in a few seconds."""

import json
import ssl
import weakref
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self, cast

import httpx

from shipway.contract.errors import Retryable, SpecError
from shipway.delivery.cluster.api import MODEL_LABEL, Conflict, Document, Kind
from shipway.delivery.target import Rejected

__all__ = ["HttpApi", "connect"]

# A round that hangs holds up every rollback, and the holder of a Lease must come round in time to renew it.
TIMEOUT_SECONDS = 3.0
_AGAIN_SECONDS = 1.0
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def connect(kubeconfig: Path | None = None, context: str | None = None) -> "HttpApi":
    """Returns the API server of a kubeconfig, or without one that of the pod this runs in.

    Raises:
        SpecError: when there is no such kubeconfig or context, or when this is no pod.
    """
    # A laptop has no use for the library: it knows every way in which a kubeconfig can hold credentials.
    import kubernetes

    untyped: Any = kubernetes
    config, configuration = untyped.config, untyped.client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(
                config_file=str(kubeconfig), context=context, client_configuration=configuration, persist_config=False
            )
    except (config.ConfigException, OSError) as error:
        where = "this pod" if kubeconfig is None else kubeconfig
        raise SpecError(where, "context", context, f"access to a cluster ({error})") from None
    return HttpApi(configuration)


class HttpApi:
    """One API server.

    Args:
        configuration: a `kubernetes.client.Configuration`, which renews its own token.
    """

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration
        verify = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            verify.load_cert_chain(configuration.cert_file, configuration.key_file)
        self._client = httpx.Client(
            base_url=configuration.host, verify=verify, timeout=TIMEOUT_SECONDS, trust_env=False
        )
        # For who asks a few things and goes, such as a command.
        weakref.finalize(self, self._client.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def models(self, kind: Kind, namespace: str) -> list[Document]:
        """Returns the objects of `kind` that carry a model's label."""
        headers = {"accept": _METADATA if kind.metadata_only else "application/json"}
        answer = self._ask("GET", kind.path(namespace), params={"labelSelector": MODEL_LABEL}, headers=headers)
        return cast(list[Document], self._read(answer)["items"])

    def read(self, kind: Kind, namespace: str, name: str) -> Document | None:
        """Returns an object, None where there is none."""
        answer = self._ask("GET", kind.path(namespace, name))
        return None if answer.status_code == HTTPStatus.NOT_FOUND else self._read(answer)

    def create(self, kind: Kind, namespace: str, document: Document) -> Document:
        """Makes an object."""
        return self._read(self._ask("POST", kind.path(namespace), json=document))

    def replace(self, kind: Kind, namespace: str, name: str, document: Document) -> Document:
        """Writes a whole object over the version that `document` was read from."""
        return self._read(self._ask("PUT", kind.path(namespace, name), json=document))

    def patch(self, kind: Kind, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Document:
        """Applies a JSON patch."""
        headers = {"content-type": "application/json-patch+json"}
        path = kind.path(namespace, name)
        answer = self._ask("PATCH", path, content=json.dumps(operations), headers=headers)
        if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY and not _causes(answer):
            # A failed `test`; a patch whose result is not valid names the field.
            raise Conflict(path)
        return self._read(answer)

    def get(self, path: str) -> Any:
        """Returns the JSON at a path, such as one behind a Service's proxy; None where it gives none."""
        try:
            answer = self._ask("GET", path)
            return answer.json() if answer.is_success else None
        except (Retryable, ValueError):
            return None

    def _ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        try:
            said: Mapping[str, Any] = self._configuration.auth_settings()
            token = {"authorization": said["BearerToken"]["value"]} if "BearerToken" in said else {}
            return self._client.request(method, path, headers={**(headers or {}), **token}, **more)
        except httpx.TransportError as error:
            told = f"the API server does not answer ({error or type(error).__name__})"
            raise Retryable(told, _AGAIN_SECONDS) from None

    def _read(self, answer: httpx.Response) -> Document:
        if answer.is_success:
            return cast(Document, answer.json())
        path, said = answer.request.url.path, _message(answer)
        if answer.status_code == HTTPStatus.CONFLICT:
            raise Conflict(path)
        if answer.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise Rejected(f"the API server refused {path}: {said}")
        # Also where rights are missing: they may be given while this process lives.
        told = f"the API server answered {answer.status_code} to {answer.request.method} {path}: {said}"
        raise Retryable(told, _AGAIN_SECONDS)


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _causes(answer: httpx.Response) -> bool:
    try:
        return bool(answer.json()["details"]["causes"])
    except (ValueError, KeyError, TypeError):
        return False
