"""RenderedFile: one file whose whole content Pulumi declares."""

import hashlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props
from shipway.contract.documents import write_atomic
from shipway.contract.errors import ShipwayError

__all__ = ["FILE", "RenderedFile"]

# Stands for the file in a check's command.
FILE = "{file}"

_RELOAD_SECONDS = 10

# Straight to this machine: a proxy that a person's shell names knows nothing of the ports here.
_HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check(path: Path, text: str, command: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the real file, so that relative paths in it mean the same.
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".check-", suffix=path.suffix) as trial:
        trial.write(text)
        trial.flush()
        done = subprocess.run(
            [part.replace(FILE, trial.name) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    if done.returncode != 0:
        said = " | ".join((done.stderr + done.stdout).strip().splitlines()[-3:]).replace(trial.name, path.name)
        raise ShipwayError(f"{path}: refused by {Path(command[0]).name} before it was written: {said}")


def _reload(path: Path, url: str) -> None:
    """Tells who reads `path` of its change.

    What is refused is never this file, which passed its check, but another one that the server reads with it, as when
    the stack's files were removed under it: that one's own resource puts it right and tells the server again.
    """
    try:
        request = urllib.request.Request(url, method="POST")  # noqa: S310 - the url is this stack's own
        _HERE.open(request, timeout=_RELOAD_SECONDS).close()
    except urllib.error.HTTPError as error:
        said = " ".join(error.read(500).decode(errors="replace").split())
        # The engine shows what its provider prints here; there is no other way for a warning.
        print(f"warning: {path.name} is changed, and {url} refuses to load it: {said}", file=sys.stderr, flush=True)
    except OSError:
        pass  # Nobody listens yet: it reads the file when it starts.


class FileProvider(LocalProvider):
    """CRUD of one file."""

    identity = ("path",)

    def key(self, props: Props) -> str:
        return str(props["path"])

    def put(self, props: Props, before: Props) -> Props:
        path, text = Path(props["path"]), props["text"]
        if props["check"]:
            _check(path, text, props["check"])
        write_atomic(path, text)
        if props["reload_url"]:
            _reload(path, props["reload_url"])
        return {"sha256": _sha256(text)}

    def look(self, props: Props) -> str:
        path = Path(props["path"])
        if not path.exists():
            return "removed"
        return IN_PLACE if path.read_text(encoding="utf-8", errors="replace") == props["text"] else "edited"

    def drop(self, props: Props) -> None:
        path = Path(props["path"])
        path.unlink(missing_ok=True)
        if props["reload_url"]:
            _reload(path, props["reload_url"])


class RenderedFile(LocalResource, module="shipway", name="RenderedFile"):
    """A file written whole or not at all; edited or removed by anyone else, it is drift.

    Args:
        name: the resource's name.
        path: where it lies.
        text: its content.
        opts: Pulumi's options.
        check: a command that must accept the content before it replaces the file; FILE stands for it.
        reload_url: where to POST after a change, when somebody listens there; a refusal is a warning, for it is the
            check that judges the content.
    """

    sha256: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        path: Path,
        text: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
        *,
        check: Sequence[str] = (),
        reload_url: str = "",
    ) -> None:
        props = {"path": str(path), "text": text, "check": list(check), "reload_url": reload_url}
        super().__init__(FileProvider(), name, props, ("sha256",), opts)
