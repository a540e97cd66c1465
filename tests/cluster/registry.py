"""A real registry on loopback, and images whose parts are small but whose shape is what `shipway base` makes."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shipway.bundle.manifest import Manifest
from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import EnvironmentSpec, load_environment
from shipway.images.base import assemble_base
from shipway.images.build import send_image
from shipway.images.documents import Image
from shipway.images.find import read_image
from shipway.images.layers import Blobs
from shipway.images.packages import Pinned
from shipway.images.registry import Repository, RepositoryName
from tests.shipway.delivery.stack import PROJECT, wait_until

__all__ = ["PACKAGES", "Registry", "put_bundle", "serve"]

PACKAGES = (
    Pinned("bentoml", "1.4.39", "bentoml==1.4.39 --hash=sha256:00"),
    Pinned("scikit-learn", "1.9.1", "scikit-learn==1.9.1 --hash=sha256:00"),
)


@dataclass(frozen=True)
class Registry:
    """A registry that keeps its blobs in memory, and crane, which neither made nor knows our images."""

    host: str
    folder: Path
    program: str
    environ: Mapping[str, str] = field(default_factory=dict[str, str])

    def crane(self, *arguments: str, check: bool = True) -> str:
        """Returns what crane printed."""
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 or not check, f"crane {' '.join(arguments)}: {done.stderr}"
        return (done.stdout if done.returncode == 0 else done.stderr).strip()

    def repository(self, path: str, *reads: str) -> Repository:
        """Returns one of its repositories, as Shipway sees it."""
        return Repository(
            RepositoryName(self.host, path), self.environ, tuple(RepositoryName(self.host, one) for one in reads)
        )

    def python(self, folder: Path) -> str:
        """Returns a Python image by digest: crane made it, of one file and the variable that such images have."""
        content, layer, where = folder / "os-release", folder / "python.tar", f"{self.host}/library/python"
        content.write_text("ID=tiny\n")
        with tarfile.open(layer, "w") as archive:
            archive.add(content, "etc/os-release")
        self.crane("append", "--new_layer", str(layer), "--new_tag", f"{where}:raw")
        made = self.crane(
            *("mutate", f"{where}:raw", "--env", f"PYTHON_VERSION={sys.version.split()[0]}", "--tag", f"{where}:3"),
            *("--set-platform", "linux/amd64", "--entrypoint", "python3"),
        )
        return f"{where}@{made.rpartition('@')[2]}"

    def base(self, folder: Path, blobs: Blobs, packages: tuple[Pinned, ...] = PACKAGES) -> str:
        """Returns a base by digest that says it holds `packages`; one package is there, and is a file."""
        python = self.python(folder)
        installed = folder / "installed"
        (installed / "toy").mkdir(parents=True)
        (installed / "toy" / "__init__.py").write_text("")
        with (
            self.repository("library/python") as source,
            self.repository("models/shipway/base", "library/python") as to,
        ):
            found = read_image(source, python.rpartition("@")[2], "amd64")
            assert found is not None
            made: Image = assemble_base(found, python, packages, installed, blobs)
            blobs.put(made.config)
            send_image(made, to, blobs, source)
        return f"{self.host}/models/shipway/base@{made.digest}"

    def environment(self, base: str, **admission: str) -> EnvironmentSpec:
        """Returns `onprem` with its images here."""
        given = load_environment(PROJECT, "onprem").model_dump(mode="json")
        given["kubernetes"]["image_registry"] = f"{self.host}/models"
        given["kubernetes"]["images"]["bases"] = {"cpu": base, "cuda": None, "architecture": "amd64"}
        given["kubernetes"]["admission"] = {"public_key": admission["public_key"]} if admission else None
        return EnvironmentSpec.model_validate(given, strict=False)


@contextmanager
def serve(folder: Path) -> Iterator[Registry]:
    """Yields a registry; nothing of its process is left behind."""
    places = os.pathsep.join([str(PROJECT / ".shipway" / "bin"), os.environ.get("PATH", "")])
    program = shutil.which("crane", path=places)
    assert program, "no crane in .shipway/bin or on PATH; run `python -m tools.setup --cluster`"
    folder.mkdir()
    (folder / "docker").mkdir()
    log = folder / "registry.log"
    with log.open("w") as stream:
        process = subprocess.Popen([program, "registry", "serve", "--address", "127.0.0.1:0"], stderr=stream)
    try:
        wait_until(lambda: re.search(r"port \d+\s", log.read_text()), "the registry says its port")
        port = log.read_text().split()[-1]
        # Whoever runs the tests may be logged in somewhere; a test is not.
        yield Registry(f"127.0.0.1:{port}", folder, program, {"DOCKER_CONFIG": str(folder / "docker")})
    finally:
        process.terminate()
        process.wait(10)


def put_bundle(store: ArtifactStore, files: Path, manifest: Manifest, scratch: Path) -> str:
    """Returns the digest of a bundle whose Bento pins what `PACKAGES` has."""
    bento = scratch / "bento"
    (bento / "env" / "python").mkdir(parents=True)
    lines = "".join(f"{one.name}=={one.version}\n" for one in PACKAGES)
    (bento / "env" / "python" / "requirements.txt").write_text(lines)
    return store.put(files, manifest, {"bento": bento})
