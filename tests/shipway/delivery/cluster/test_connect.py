"""The API server over HTTPS: what each of its answers means to whoever asked."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from shipway.contract.errors import Retryable, SpecError
from shipway.delivery.cluster.api import HTTP_ROUTES, LEASES, PODS, Conflict
from shipway.delivery.cluster.connect import HttpApi, connect
from shipway.delivery.target import Rejected


class Server:
    """Answers what the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = HTTPStatus.OK, dict[str, object](), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self.status, json=self.body)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def api(server: Server) -> Iterator[HttpApi]:
    said = {"BearerToken": {"value": "Bearer renewed"}}
    configuration = SimpleNamespace(
        host="https://127.0.0.1:1", ssl_ca_cert=None, cert_file=None, key_file=None, auth_settings=lambda: said
    )
    with HttpApi(configuration) as made:
        made._client.close()
        made._client = httpx.Client(base_url=configuration.host, transport=httpx.MockTransport(server))
        yield made


def test_pods_are_read_by_their_metadata_alone(api: HttpApi, server: Server) -> None:
    """Of a model's objects only, with a token that is asked for each time."""
    server.body = {"items": [{"metadata": {"name": "one"}}]}
    assert api.models(PODS, "models") == [{"metadata": {"name": "one"}}]
    (asked,) = server.asked
    assert str(asked.url) == "https://127.0.0.1:1/api/v1/namespaces/models/pods?labelSelector=shipway%2Fmodel"
    assert "PartialObjectMetadataList" in asked.headers["accept"]
    assert asked.headers["authorization"] == "Bearer renewed"


def test_what_is_not_there_is_none(api: HttpApi, server: Server) -> None:
    """One object that is absent is an answer, a collection that is absent is none."""
    server.status, server.body = HTTPStatus.NOT_FOUND, {"message": "not found"}
    assert api.read(LEASES, "platform", "delivery") is None
    with pytest.raises(Retryable, match=r"the API server answered 404 to GET .*/httproutes: not found"):
        api.models(HTTP_ROUTES, "models")


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (409, {"message": "the object has been modified"}, Conflict, "was changed by somebody else meanwhile"),
        (422, {"message": "the server rejected our request"}, Conflict, "was changed by somebody else meanwhile"),
        (
            422,
            {"message": "weight is invalid", "details": {"causes": [{"field": "spec.rules"}]}},
            Rejected,
            "the API server refused /apis/gateway.networking.k8s.io/v1/namespaces/models/httproutes/digits: weight",
        ),
        (400, {"message": "no JSON patch"}, Rejected, "no JSON patch"),
        (403, {"message": "digits is forbidden"}, Retryable, "answered 403 to PATCH .*: digits is forbidden"),
        (503, {}, Retryable, "answered 503 to PATCH"),
    ],
)
def test_each_refusal_says_what_to_do_next(
    api: HttpApi, server: Server, status: int, body: dict[str, object], error: type[Exception], said: str
) -> None:
    """Read anew, mend the route, or wait."""
    server.status, server.body = HTTPStatus(status), body
    with pytest.raises(error, match=said):
        api.patch(HTTP_ROUTES, "models", "digits", [])


def test_a_server_that_is_gone_is_asked_again_later(api: HttpApi) -> None:
    """Whatever the socket said."""

    def gone(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno 111] Connection refused")

    api._client.close()
    api._client = httpx.Client(base_url="https://127.0.0.1:1", transport=httpx.MockTransport(gone))
    with pytest.raises(Retryable, match=r"the API server does not answer \(\[Errno 111\] Connection refused\)"):
        api.read(LEASES, "platform", "delivery")


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before anything is asked; outside a pod there is no other way in."""
    path = tmp_path / "kubeconfig"
    path.write_text("apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\ncurrent-context: none\n")
    with pytest.raises(SpecError, match=r"kubeconfig: context: got 'other', expected access to a cluster"):
        connect(path, "other")
    with pytest.raises(SpecError, match="this pod: context: got None, expected access to a cluster"):
        connect()
