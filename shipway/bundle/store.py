"""The artifact store: bundles by digest in a folder, written whole or not at all, checked whenever they are read."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shipway.bundle.formats import check_formats
from shipway.bundle.manifest import CoveredFile, Manifest, covered_files
from shipway.contract.documents import parse
from shipway.contract.errors import ArtifactError, SpecError
from shipway.contract.release import check_digest

__all__ = ["ArtifactStore", "verify_bundle"]

_KNOWN_ENTRIES = frozenset({"manifest.json", "files", "bento"})


def verify_bundle(folder: Path, digest: str | None = None) -> Manifest:
    """Returns the manifest of the bundle in `folder` after hashing every byte that it covers.

    Args:
        folder: a bundle in a store, named by its digest.
        digest: what it must be; by default what the folder's name says.

    Raises:
        ArtifactError: naming the first file that is wrong, what was expected and what was found.
    """
    expected = digest or f"sha256:{folder.name}"
    try:
        text = (folder / "manifest.json").read_bytes()
    except OSError as error:
        raise ArtifactError(f"{folder}: no bundle {expected} here, expected manifest.json ({error.strerror})") from None
    found = f"sha256:{hashlib.sha256(text).hexdigest()}"
    if found != expected:
        raise ArtifactError(f"{folder / 'manifest.json'}: found {found}, expected {expected}")
    try:
        manifest = parse(Manifest, json.loads(text), folder / "manifest.json")
    except (SpecError, json.JSONDecodeError) as error:
        raise ArtifactError(f"{folder / 'manifest.json'}: expected a manifest of a known format; {error}") from None
    _check_files(folder / "files", manifest)
    if extra := sorted(path.name for path in folder.iterdir() if path.name not in _KNOWN_ENTRIES):
        raise ArtifactError(f"{folder / extra[0]}: found an extra file, expected only {sorted(_KNOWN_ENTRIES)}")
    check_formats(folder / "files")
    return manifest


def _check_files(files: Path, manifest: Manifest) -> None:
    found = {file.path: file for file in covered_files(files)}
    for expected in manifest.files:
        actual = found.pop(expected.path, None)
        if actual is None:
            raise ArtifactError(f"{files / expected.path}: found no file, expected sha256 {expected.sha256}")
        if actual != expected:
            raise ArtifactError(f"{files / expected.path}: found {_show(actual)}, expected {_show(expected)}")
    if found:
        first = min(found)
        raise ArtifactError(f"{files / first}: found an extra file, expected only what manifest.json lists")


def _show(file: CoveredFile) -> str:
    return f"sha256 {file.sha256} ({file.size_bytes} bytes)"


class ArtifactStore:
    """Bundles below `root`, each in `sha256/<hex>/`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, digest: str) -> Path:
        """Returns where the bundle `digest` lies, or would lie.

        Raises:
            SpecError: when `digest` is not one.
        """
        return self._root / check_digest(digest, self._root, "digest").replace(":", "/")

    def digests(self) -> list[str]:
        """Returns the digests in the store, sorted; not verified."""
        return sorted(digest for path in self._root.glob("sha256/*") if _is_digest(digest := f"sha256:{path.name}"))

    def verify(self, digest: str) -> Manifest:
        """Returns the manifest of `digest` after hashing everything it covers.

        Raises:
            ArtifactError: when it is not there, naming how to get it, or is not what the digest says.
        """
        path = self.path(digest)
        if not path.is_dir():
            raise ArtifactError(
                f"{path}: no bundle {digest} in this store, expected one of {len(self.digests())} digests; "
                "`shipway train` makes one"
            )
        return verify_bundle(path, digest)

    def holds(self, digest: str, beside: str) -> bool:
        """Returns whether a bundle is there whole, with a folder of this name next to it."""
        try:
            self.verify(digest)
        except ArtifactError:
            return False
        return (self.path(digest) / beside).is_dir()

    def put(self, files: Path, manifest: Manifest, beside: Mapping[str, Path] | None = None) -> str:
        """Copies a bundle into the store, whole or not at all, and returns its digest.

        The same bundle again is no work, but for what is not next to it yet; one that lies there corrupt is replaced.

        Args:
            files: the folder that becomes `files/`.
            manifest: what it must hold.
            beside: name -> folder to keep next to it uncovered (`bento`).

        Raises:
            ArtifactError: when `files` is not what the manifest says, holds a refused format, or cannot be copied.
        """
        digest = manifest.digest
        target = self.path(digest)
        if target.is_dir():
            try:
                self.verify(digest)
            except ArtifactError:
                shutil.rmtree(target)
            else:
                self._complete(target, beside or {})
                return digest
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".put-") as staging:
            made = Path(staging) / "bundle"
            _copy(files, made / "files")
            for name, folder in (beside or {}).items():
                _copy(folder, made / name)
            (made / "manifest.json").write_bytes(manifest.canonical_bytes())
            verify_bundle(made, digest)
            try:
                made.rename(target)
            except OSError:
                # Someone else put the same bundle at the same moment; theirs is as good once it verifies.
                self.verify(digest)
        return digest

    def _complete(self, target: Path, beside: Mapping[str, Path]) -> None:
        """Copies what is missing next to a bundle, each folder whole or not at all: a fetched bundle has none."""
        for name, folder in beside.items():
            if (target / name).is_dir():
                continue
            with tempfile.TemporaryDirectory(dir=self._root, prefix=".put-") as staging:
                _copy(folder, Path(staging) / name)
                try:
                    (Path(staging) / name).rename(target / name)
                except OSError:
                    if not (target / name).is_dir():
                        raise


def _copy(source: Path, target: Path) -> None:
    """Copies a folder; what a disk refuses is one sentence, and not a list of every file that it refused."""
    try:
        shutil.copytree(source, target, symlinks=True)
    except shutil.Error as error:
        refused: list[tuple[str, str, str]] = error.args[0]
        path, _, why = refused[0]
        raise ArtifactError(f"{path}: cannot be copied into the artifact store: {why}; nothing of it is kept") from None


def _is_digest(text: str) -> bool:
    try:
        return bool(check_digest(text, "", ""))
    except SpecError:
        return False
