"""The client's side of the distribution specification: who is told what, and what is said when a registry refuses."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from shipway.contract.errors import ArtifactError, ShipwayError
from shipway.images.registry import Repository, RepositoryName, parse_image

NAME, OTHER = RepositoryName("registry.example.com", "models/digits"), RepositoryName("registry.example.com", "base")
SECRET, TOKEN = "hunter2hunter2", "token-of-the-registry"
BLOB = b"content"
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
Answer = Callable[[httpx.Request], httpx.Response]


def _repository(answer: Answer, folder: Path, *reads: RepositoryName) -> Repository:
    return Repository(NAME, {"DOCKER_CONFIG": str(folder)}, reads, httpx.MockTransport(answer))


def _login(folder: Path) -> None:
    auth = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {NAME.host: {"auth": auth}}}))


class _Guarded:
    """A registry that wants a token of its token server, which wants a password."""

    def __init__(self, realm: str = "https://auth.example.com/token") -> None:
        self.realm, self.asked = realm, list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        # The client sends the same object again, with a header more.
        self.asked.append(httpx.Request(request.method, request.url, headers=request.headers))
        if request.url.host == "auth.example.com":
            return httpx.Response(200 if "authorization" in request.headers else 401, json={"token": TOKEN})
        if request.headers.get("authorization") == f"Bearer {TOKEN}":
            return httpx.Response(200, stream=httpx.ByteStream(BLOB))
        challenge = f'Bearer realm="{self.realm}",service="example",scope="repository:{NAME.path}:pull"'
        return httpx.Response(401, headers={"www-authenticate": challenge})


def test_an_image_is_taken_apart() -> None:
    """Host, path and digest, as the contract has checked them."""
    assert parse_image(f"127.0.0.1:5000/a/b@{DIGEST}") == (RepositoryName("127.0.0.1:5000", "a/b"), DIGEST)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/a"),
        ("localhost", "http://localhost/v2/a"),
        ("registry.example.com:5000", "https://registry.example.com:5000/v2/a"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com/v2/a"),
        ("docker.io", "https://registry-1.docker.io/v2/a"),
    ],
)
def test_only_this_machine_is_spoken_to_without_tls(host: str, url: str) -> None:
    """Whatever a name begins with."""
    assert RepositoryName(host, "a").url == url


def test_the_password_goes_to_the_token_server_alone(tmp_path: Path) -> None:
    """The registry gets the token; it is asked for once, with the right to read what may be mounted."""
    _login(tmp_path)
    registry = _Guarded()
    with _repository(registry, tmp_path, OTHER) as repository:
        assert repository.blob(DIGEST) == repository.blob(DIGEST) == BLOB
    tokens = [one for one in registry.asked if one.url.host == "auth.example.com"]
    assert len(tokens) == 1
    scopes = tokens[0].url.params.get_list("scope")
    assert scopes == ["repository:models/digits:pull", "repository:base:pull"]
    assert tokens[0].headers["authorization"].startswith("Basic ")
    sent = {one.headers.get("authorization", "") for one in registry.asked if one.url.host == NAME.host}
    assert sent == {"", f"Bearer {TOKEN}"}


def test_no_password_goes_out_unencrypted(tmp_path: Path) -> None:
    """A token server without TLS is refused, whoever names it."""
    _login(tmp_path)
    registry = _Guarded("http://auth.example.com/token")
    with (
        _repository(registry, tmp_path) as repository,
        pytest.raises(ShipwayError, match=r"its token server is 'auth\.example\.com' without TLS, expected https"),
    ):
        repository.blob(DIGEST)
    assert {one.url.host for one in registry.asked} == {NAME.host}


def test_a_host_that_the_registry_sends_us_on_to_gets_no_password(tmp_path: Path) -> None:
    """What it asks for is no challenge of the registry: neither it nor a token server that it names hears a word."""
    _login(tmp_path)
    asked: list[httpx.Request] = []

    def send_on(request: httpx.Request) -> httpx.Response:
        asked.append(httpx.Request(request.method, request.url, headers=request.headers))
        if request.url.host == NAME.host:
            return httpx.Response(307, headers={"location": "https://blobs.example.net/x"})
        return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="https://blobs.example.net/token"'})

    with _repository(send_on, tmp_path) as repository, pytest.raises(ShipwayError, match=r"refuses GET .* \(401\)"):
        repository.blob(DIGEST)
    assert [one.url.path for one in asked] == [f"/v2/{NAME.path}/blobs/{DIGEST}", "/x"]
    assert not any("authorization" in one.headers for one in asked)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
@pytest.mark.parametrize("together", [True, False])
def test_of_several_challenges_the_token_is_taken(tmp_path: Path, order: slice, together: bool) -> None:
    """In one header or in two, in either order; what one says is never another's."""
    _login(tmp_path)
    challenges = ['Bearer realm="https://auth.example.com/token",service="example"', 'Basic realm="plain"'][order]

    def ask_for_either(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example.com":
            return httpx.Response(200, json={"token": TOKEN})
        if request.headers.get("authorization") == f"Bearer {TOKEN}":
            return httpx.Response(200, stream=httpx.ByteStream(BLOB))
        lines = [", ".join(challenges)] if together else challenges
        return httpx.Response(401, headers=[("www-authenticate", line) for line in lines])

    with _repository(ask_for_either, tmp_path) as repository:
        assert repository.blob(DIGEST) == BLOB


def test_a_blob_is_asked_for_as_it_lies_there(tmp_path: Path) -> None:
    """A proxy that packs what it passes on would make other bytes of it, which look like another's blob."""
    encodings: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        encodings.append(request.headers["accept-encoding"])
        return httpx.Response(200, stream=httpx.ByteStream(BLOB))

    with _repository(answer, tmp_path) as repository:
        assert repository.blob(DIGEST) == BLOB
    assert encodings == ["identity"]


@pytest.mark.parametrize(("logged_in", "whom"), [(True, "as 'ada'"), (False, "without credentials")])
def test_a_stranger_is_told_how_to_log_in(tmp_path: Path, logged_in: bool, whom: str) -> None:
    """One error: what was refused, as whom, and what to do; no secret and no query is in it."""
    if logged_in:
        _login(tmp_path)

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers={"www-authenticate": 'Basic realm="example"'})

    with _repository(refuse, tmp_path) as repository, pytest.raises(ShipwayError) as refused:
        repository.mount(DIGEST, OTHER)
    assert str(refused.value) == (
        f"{NAME}: the registry refuses POST /v2/models/digits/blobs/uploads/ {whom} (401); "
        "`docker login registry.example.com` writes credentials down, and DOCKER_CONFIG names another folder of them"
    )


def test_a_registry_that_cannot_be_reached(tmp_path: Path) -> None:
    """The error names the repository and the cause."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to host")

    with (
        _repository(fail, tmp_path) as repository,
        pytest.raises(ShipwayError, match=r"models/digits: the registry cannot be reached \(ConnectError: no route"),
    ):
        repository.manifest("latest")


def test_what_is_not_what_its_digest_says(tmp_path: Path) -> None:
    """Neither a blob nor a manifest is believed, and no file of such a blob stays."""
    with _repository(lambda _: httpx.Response(200, stream=httpx.ByteStream(b"other")), tmp_path) as repository:
        for read in (repository.blob, repository.manifest):
            with pytest.raises(ArtifactError, match=rf"found a (blob|manifest) sha256:\w+, expected {DIGEST}"):
                read(DIGEST)
        with pytest.raises(ArtifactError, match=rf"found a blob sha256:\w+, expected {DIGEST}"):
            repository.download(DIGEST, tmp_path / "blob")
    assert not (tmp_path / "blob").exists()


def test_an_upload_stays_with_the_registry(tmp_path: Path) -> None:
    """Its address may be relative and hold a query; one on another host would get the token."""
    path, asked = tmp_path / "blob", list[httpx.Request]()
    path.write_bytes(BLOB)
    location = "/v2/models/digits/blobs/uploads/7?state=x"

    def take(request: httpx.Request) -> httpx.Response:
        request.read()
        asked.append(request)
        return httpx.Response(202, headers={"location": location}) if request.method == "POST" else httpx.Response(201)

    with _repository(take, tmp_path) as repository:
        repository.upload(DIGEST, path)
        assert (asked[1].content, dict(asked[1].url.params)) == (BLOB, {"state": "x", "digest": DIGEST})
        location = "https://elsewhere.example.com/upload"
        with pytest.raises(ShipwayError, match=r"expected uploads to go to registry\.example\.com, not to elsewhere"):
            repository.upload(DIGEST, path)
    assert [one.method for one in asked] == ["POST", "PUT", "POST"]


@pytest.mark.parametrize(("status", "mounted"), [(201, True), (202, False)])
def test_a_blob_is_taken_over_within_a_registry(tmp_path: Path, status: int, mounted: bool) -> None:
    """Where the registry does it; another registry is not even asked."""
    asked = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status)

    with _repository(answer, tmp_path) as repository:
        assert repository.mount(DIGEST, OTHER) is mounted
        assert dict(asked[0].url.params) == {"mount": DIGEST, "from": "base"}
        assert not repository.mount(DIGEST, RepositoryName("elsewhere.example.com", "base"))
    assert len(asked) == 1
