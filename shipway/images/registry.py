"""One repository of an OCI registry, over HTTP: manifests by digest or tag, blobs that are sent only once."""

import base64
import hashlib
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from shipway.contract.errors import ArtifactError, ShipwayError
from shipway.images.credentials import Credentials, find_credentials
from shipway.images.documents import MANIFEST_TYPES, Manifest, digest_of

__all__ = ["Repository", "RepositoryName", "parse_image"]

_TIMEOUT = httpx.Timeout(30, read=300, write=300)
_CHUNK_BYTES = 1 << 20
# What a registry is asked for at once; a larger document is no manifest, and must not fill the memory.
_DOCUMENT_BYTES = 4 << 20
_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1)(:\d+)?")
# A comma before a word and a space begins the next scheme; before a word and an equals sign, one's next parameter.
_NEXT_CHALLENGE = re.compile(r",\s*(?=[A-Za-z][A-Za-z0-9-]*\s+[A-Za-z])")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class RepositoryName:
    """HOST[:PORT] and the path on it."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def url(self) -> str:
        """Where its interface is; without TLS on this machine alone."""
        host = "registry-1.docker.io" if self.host == "docker.io" else self.host
        return f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}/v2/{self.path}"


def parse_image(image: str) -> tuple[RepositoryName, str]:
    """Returns the repository and the digest of HOST/PATH@sha256:DIGEST, as the contract checked it."""
    repository, _, digest = image.partition("@")
    host, _, path = repository.partition("/")
    return RepositoryName(host, path), digest


class Repository:
    """What this program may read from and write to one repository.

    Args:
        name: which.
        environ: the environment, for credentials and proxies.
        reads: other repositories of the same registry whose blobs may be mounted here.
        transport: what carries the requests; the network by default.
    """

    def __init__(
        self,
        name: RepositoryName,
        environ: Mapping[str, str],
        reads: tuple[RepositoryName, ...] = (),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.name = name
        self._auth = _Auth(
            name, environ, tuple(f"repository:{one.path}:pull" for one in reads if one.host == name.host)
        )
        self._client = httpx.Client(
            auth=self._auth,
            timeout=_TIMEOUT,
            follow_redirects=True,
            transport=transport,
            # A digest is of the bytes as they lie there: a proxy that packs them would make others of them.
            headers={"accept-encoding": "identity"},
        )

    def __enter__(self) -> "Repository":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def manifest(self, reference: str) -> Manifest | None:
        """Returns the manifest that a digest or a tag names, None when there is none.

        Raises:
            ArtifactError: when its bytes are not what its digest says.
        """
        answer = self._ask("GET", f"manifests/{reference}", (200, 404), headers={"accept": ", ".join(MANIFEST_TYPES)})
        if answer.status_code == 404:
            return None
        found = Manifest(answer.content, answer.headers.get("content-type", "").partition(";")[0])
        if reference.startswith("sha256:") and found.digest != reference:
            raise ArtifactError(f"{self.name}: found a manifest {found.digest}, expected {reference}")
        return found

    def put_manifest(self, manifest: Manifest, tag: str | None = None) -> None:
        """Writes a manifest under its digest, or under a tag too; what it names must be there."""
        headers = {"content-type": manifest.media_type}
        self._ask("PUT", f"manifests/{tag or manifest.digest}", (201,), content=manifest.content, headers=headers)

    def blob(self, digest: str) -> bytes:
        """Returns a small blob: a configuration, a signature's payload.

        Raises:
            ArtifactError: when it is not there or not what its digest says.
        """
        content = bytearray()
        for chunk in self._chunks(digest):
            content += chunk
            if len(content) > _DOCUMENT_BYTES:
                raise ArtifactError(f"{self.name}@{digest}: expected a document of at most {_DOCUMENT_BYTES} bytes")
        if digest_of(content) != digest:
            raise ArtifactError(f"{self.name}: found a blob {digest_of(content)}, expected {digest}")
        return bytes(content)

    def download(self, digest: str, path: Path) -> None:
        """Writes a blob to `path`, which is not there when it is not what its digest says."""
        hashed = hashlib.sha256()
        try:
            with path.open("wb") as stream:
                for chunk in self._chunks(digest):
                    hashed.update(chunk)
                    stream.write(chunk)
            if f"sha256:{hashed.hexdigest()}" != digest:
                raise ArtifactError(f"{self.name}: found a blob sha256:{hashed.hexdigest()}, expected {digest}")
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def has_blob(self, digest: str) -> bool:
        """Returns whether the blob is there already."""
        return self._ask("HEAD", f"blobs/{digest}", (200, 404)).status_code == 200

    def mount(self, digest: str, source: RepositoryName) -> bool:
        """Returns whether the registry took the blob over from another of its repositories by itself."""
        if source.host != self.name.host:
            return False
        answer = self._ask("POST", "blobs/uploads/", (201, 202), params={"mount": digest, "from": source.path})
        return answer.status_code == 201

    def upload(self, digest: str, path: Path) -> None:
        """Sends a blob; the registry refuses one that is not what its digest says."""
        answer = self._ask("POST", "blobs/uploads/", (202,))
        here = httpx.URL(self.name.url)
        target = here.join(answer.headers.get("location", ""))
        if not _same_place(target, here):
            raise ShipwayError(f"{self.name}: expected uploads to go to {here.host}, not to {target.host}")
        headers = {"content-type": "application/octet-stream", "content-length": str(path.stat().st_size)}
        url = target.copy_merge_params({"digest": digest})
        with path.open("rb") as stream:
            content = iter(lambda: stream.read(_CHUNK_BYTES), b"")
            self._ask("PUT", str(url), (201,), content=content, headers=headers)

    def referrers(self, digest: str) -> Manifest | None:
        """Returns the index of what refers to a manifest; None when this registry keeps none by itself."""
        answer = self._ask("GET", f"referrers/{digest}", (200, 404), headers={"accept": MANIFEST_TYPES[1]})
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        return Manifest(answer.content, media_type) if answer.status_code == 200 else None

    def _chunks(self, digest: str) -> Iterator[bytes]:
        url = f"{self.name.url}/blobs/{digest}"
        try:
            with self._client.stream("GET", url) as answer:
                self._expect(answer, "GET", url, (200,))
                yield from answer.iter_raw(_CHUNK_BYTES)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _ask(self, method: str, path: str, expected: tuple[int, ...], **request: Any) -> httpx.Response:
        url = path if path.startswith("http") else f"{self.name.url}/{path}"
        try:
            answer = self._client.request(method, url, **request)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        self._expect(answer, method, url, expected)
        return answer

    def _expect(self, answer: httpx.Response, method: str, url: str, expected: tuple[int, ...]) -> None:
        status = answer.status_code
        if status in expected:
            return
        # Without its query: an upload's address may be a right to write.
        what = f"{method} {httpx.URL(url).path}"
        if status in (401, 403):
            as_whom = f"as {self._auth.user!r}" if self._auth.user else "without credentials"
            raise ShipwayError(
                f"{self.name}: the registry refuses {what} {as_whom} ({status}); `docker login {self.name.host}` "
                "writes credentials down, and DOCKER_CONFIG names another folder of them"
            )
        answer.read()
        said = answer.text.strip().replace("\n", " ")[:200]
        raise ArtifactError(f"{self.name}: {what} was answered {status} {said}".rstrip())

    def _unreachable(self, error: httpx.TransportError) -> ShipwayError:
        return ShipwayError(f"{self.name}: the registry cannot be reached ({type(error).__name__}: {error})")


class _Auth(httpx.Auth):
    """Answers a registry's challenge, with a password or with a token that its own token server hands out."""

    def __init__(self, name: RepositoryName, environ: Mapping[str, str], scopes: tuple[str, ...]) -> None:
        self._name, self._environ, self._scopes = name, environ, scopes
        self._header = ""
        self._asked = False
        self._credentials: Credentials | None = None

    @property
    def user(self) -> str:
        """Who the registry knows us as, empty without credentials."""
        return self._credentials.user if self._credentials else ""

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._header:
            request.headers["authorization"] = self._header
        answer = yield request
        challenges = _challenges(answer)
        # A host that the registry sends us on to is not the registry: our password is nothing to it.
        if answer.status_code != 401 or not challenges or not _same_place(answer.request.url, request.url):
            return
        if not self._asked:
            # Only now: a registry that lets everybody read needs no helper to be asked.
            self._credentials, self._asked = find_credentials(self._name.host, self._environ), True
        if "bearer" in challenges:
            token = yield self._token_request(challenges["bearer"])
            token.read()
            if token.status_code != 200:
                return
            said = cast(dict[str, str], token.json())
            self._header = f"Bearer {said.get('token') or said.get('access_token', '')}"
        elif self._credentials:
            self._header = _basic(self._credentials)
        else:
            return
        request.headers["authorization"] = self._header
        yield request

    def _token_request(self, told: Mapping[str, str]) -> httpx.Request:
        scopes = [*told.get("scope", f"repository:{self._name.path}:pull").split(" "), *self._scopes]
        named = [("scope", one) for one in scopes] + [(key, told[key]) for key in ("service",) if key in told]
        url = httpx.URL(told.get("realm", "")).copy_merge_params(httpx.QueryParams(tuple(named)))
        if url.scheme != "https" and not _LOOPBACK.fullmatch(url.netloc.decode()):
            raise ShipwayError(f"{self._name}: its token server is {url.host!r} without TLS, expected https")
        headers = {"authorization": _basic(self._credentials)} if self._credentials else {}
        return httpx.Request("GET", url, headers=headers)


def _challenges(answer: httpx.Response) -> dict[str, dict[str, str]]:
    """Returns each scheme that a registry takes -> what it says of it; several may stand in one header, or in more."""
    found: dict[str, dict[str, str]] = {}
    for header in answer.headers.get_list("www-authenticate"):
        for challenge in _NEXT_CHALLENGE.split(header):
            scheme, _, rest = challenge.strip().partition(" ")
            found.setdefault(scheme.lower(), dict(_CHALLENGE.findall(rest)))
    return found


def _same_place(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.user}:{credentials.password}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
