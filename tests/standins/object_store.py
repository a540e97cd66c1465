"""A stand-in for an object store that speaks S3: put, get and list of one bucket, in memory, without signatures.

What it proves is Shipway's side of the protocol, through boto3; not that any store keeps its word.
"""

import hashlib
import http.server
import threading
import time
import urllib.parse
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from xml.sax.saxutils import escape

__all__ = ["ObjectStore", "object_store"]


class ObjectStore(http.server.ThreadingHTTPServer):
    """The store.

    Args:
        page: how many names one answer lists.
        answers: whether it answers with anything but an error of its own.
        silent_seconds: how long every answer takes.
        conditional: whether it honours If-None-Match and If-Match.
        refused: keys of objects that it does not give at the moment.
        lists: how many pages of names it has given.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.page, self.answers, self.silent_seconds, self.conditional = 2, True, 0.0, True
        self.refused: set[str] = set()
        self.lists = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def object_store() -> Generator[ObjectStore]:
    """A running store."""
    server = ObjectStore()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are sent apart: without it each answer waits for the caller to confirm the head, 40 ms.
    disable_nagle_algorithm = True
    server: ObjectStore

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self._up():
            return
        with self.server.lock:
            if self.server.conditional and not self._met(self.server.objects.get(self._key)):
                self._refuse(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")
                return
            self.server.objects[self._key] = body
        self._answer(HTTPStatus.OK, b"", body)

    def do_GET(self) -> None:
        if not self._up():
            return
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))
        if "list-type" in query:
            after = query.get("continuation-token", "") or query.get("start-after", "")
            self._list(query.get("prefix", ""), after, query.get("delimiter", ""))
        elif self._key in self.server.refused:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown")
        elif self._key in self.server.objects:
            body = self.server.objects[self._key]
            self._answer(HTTPStatus.OK, body, body)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "NoSuchKey")

    def _met(self, there: bytes | None) -> bool:
        if self.headers.get("if-none-match") == "*":
            return there is None
        wanted = self.headers.get("if-match")
        return wanted is None or (there is not None and wanted.strip('"') == _tag(there))

    @property
    def _key(self) -> str:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        return path.lstrip("/").partition("/")[2]

    def _up(self) -> bool:
        time.sleep(self.server.silent_seconds)
        if not self.server.answers:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown")
        return self.server.answers

    def _list(self, prefix: str, after: str, delimiter: str) -> None:
        with self.server.lock:
            self.server.lists += 1
            objects = {key: body for key, body in self.server.objects.items() if key.startswith(prefix)}

        def shown(key: str) -> str:
            rest = key.removeprefix(prefix)
            return prefix + rest.partition(delimiter)[0] + delimiter if delimiter and delimiter in rest else key

        names = sorted({shown(key) for key in objects if shown(key) > after})
        listed, more = names[: self.server.page], len(names) > self.server.page
        contents = "".join(
            f"<Contents><Key>{escape(name)}</Key><ETag>{_tag(objects[name])}</ETag></Contents>"
            if name in objects
            else f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            for name in listed
        )
        following = f"<NextContinuationToken>{escape(listed[-1])}</NextContinuationToken>" if more else ""
        text = (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{following}{contents}</ListBucketResult>"
        )
        self._answer(HTTPStatus.OK, text.encode())

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _answer(self, status: HTTPStatus, body: bytes, tagged: bytes | None = None) -> None:
        self.send_response(status)
        if tagged is not None:
            self.send_header("etag", f'"{_tag(tagged)}"')
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


def _tag(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()
