"""The base: what is in it, what it says of itself, and how Docker would make the same."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import grimp
import httpx
import pytest

from shipway.bundle.canonical import canonical_json
from shipway.contract.environment import load_environment
from shipway.contract.errors import ArtifactError, ShipwayError
from shipway.images import base, make
from shipway.images.base import (
    assemble_base,
    buildx_command,
    install_packages,
    python_version,
    read_labels,
    run_buildx,
    write_context,
)
from shipway.images.documents import MANIFEST_TYPE, Image, Manifest
from shipway.images.layers import Blobs
from shipway.images.packages import Pinned
from shipway.images.registry import Repository

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = f"docker.io/library/python@sha256:{'1' * 64}"
PACKAGES = [Pinned("toy", "1.0", "toy==1.0 \\\n    --hash=sha256:00")]


def _python(*variables: str) -> Image:
    config = {"config": {"Env": list(variables)}, "rootfs": {"type": "layers", "diff_ids": []}}
    return Image(Manifest(canonical_json({"layers": []}), MANIFEST_TYPE), canonical_json(config))


def test_a_base_says_what_is_in_it(tmp_path: Path) -> None:
    """Its labels are read back; an image without them is refused."""
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "toy.py").write_text("")
    made = assemble_base(_python(), REFERENCE, PACKAGES, installed, Blobs(tmp_path))
    assert read_labels(made, "here").packages == {"toy": "1.0"}
    with pytest.raises(ArtifactError, match=r"^here: found no label shipway\.packages"):
        read_labels(_python(), "here")


def test_a_base_holds_what_serves_and_no_more(tmp_path: Path) -> None:
    """The packages that a slot imports are in Docker's context too; delivery, the command and the scaffold are not."""
    write_context(REFERENCE, PACKAGES, tmp_path / "context")
    found = {path.name for path in (tmp_path / "context" / "shipway").iterdir()}
    graph = grimp.build_graph("shipway", cache_dir=None)
    served = graph.find_upstream_modules("shipway.serving", as_package=True)
    imported = {module.split(".")[1] for module in served if "." in module}
    assert found == {"__init__.py", "serving", *imported}
    assert not list(tmp_path.rglob("__pycache__"))


def test_docker_is_told_the_same(tmp_path: Path) -> None:
    """Base by digest, packages by hash and from wheels, no shell, no root."""
    write_context(REFERENCE, PACKAGES, tmp_path / "context")
    text = (tmp_path / "context" / "Dockerfile").read_text()
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "toy.py").write_text("")
    config = assemble_base(_python(), REFERENCE, PACKAGES, installed, Blobs(tmp_path)).settings["config"]
    assert text.splitlines()[1] == f"FROM {REFERENCE}"
    assert (tmp_path / "context" / "requirements.lock").read_text() == "toy==1.0 \\\n    --hash=sha256:00\n"
    assert re.search(
        r'^RUN \["python", "-m", "pip", .*"--require-hashes", "--only-binary", ":all:"', text, re.MULTILINE
    )
    assert [line for line in text.splitlines() if line.startswith("RUN") and not line.startswith("RUN [")] == []
    assert {f"ENV {one}" for one in config["Env"]} == {line for line in text.splitlines() if line.startswith("ENV")}
    labels = dict(re.findall(r'^LABEL (\S+)=("[^\n]*")$', text, re.MULTILINE))
    assert {name: json.loads(value) for name, value in labels.items()} == config["Labels"]
    assert f"USER {config['User']}" in text
    assert f"ENTRYPOINT {json.dumps(config['Entrypoint'])}" in text


def test_docker_pushes_by_digest() -> None:
    """One image for the nodes' architecture, without a tag and without the index that an attestation would make."""
    command = buildx_command(Path("context"), "r.example.com/base", "arm64", Path("told.json"))
    assert command == [
        *("docker", "buildx", "build", "--platform", "linux/arm64", "--provenance=false", "--sbom=false"),
        *("--metadata-file", "told.json", "--output"),
        "type=image,name=r.example.com/base,push=true,push-by-digest=true,oci-mediatypes=true",
        "context",
    ]


def test_what_docker_pushed_gets_the_name_that_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a tag a registry clears the base away, and every image that stands on it cannot be built again."""
    pushed = Manifest(b"{}", MANIFEST_TYPE)
    asked: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path.rpartition("/")[2]))
        if request.method == "PUT":
            return httpx.Response(201)
        return httpx.Response(200, content=pushed.content, headers={"content-type": MANIFEST_TYPE})

    def opened(*named: Any) -> Repository:
        return Repository(*named, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(make, "Repository", opened)
    monkeypatch.setattr(make, "read_image", lambda *_: _python("PYTHON_VERSION=3.11.9"))
    monkeypatch.setattr(make, "needed", lambda *_: PACKAGES)
    monkeypatch.setattr(make, "run_buildx", lambda *_: pushed.digest)
    lock = tmp_path / "requirements.lock"
    lock.write_text("toy==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    environment = load_environment(ROOT, "onprem")
    made = make.make_base(environment, REFERENCE, lock, Blobs(tmp_path / "blobs"), {}, docker=True)
    assert made.reference.endswith(f"@{pushed.digest}")
    assert asked == [("GET", pushed.digest), ("PUT", f"base-{pushed.digest[7:23]}")]


def test_without_docker_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made in its place."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ShipwayError, match="docker: FileNotFoundError, expected it to run"):
        run_buildx(["docker", "buildx"], tmp_path / "told.json")


def test_packages_are_installed_for_the_image_and_not_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its Python and its architecture decide; hashes are required and no code of a package runs."""
    ran = list[list[str]]()
    monkeypatch.setattr(base, "_run", ran.append)
    install_packages(PACKAGES, tmp_path / "packages", "3.12.4", "arm64")
    (command,) = ran
    assert command[:3] == [sys.executable, "-m", "uv"]
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(command)
    assert command[command.index("--python-version") + 1] == "3.12.4"
    assert command[command.index("--python-platform") + 1] == "aarch64-manylinux_2_28"


def test_an_image_says_which_python_it_has() -> None:
    """In the variable that Python's own images have; without it nothing is guessed."""
    assert python_version(_python("PYTHON_VERSION=3.12.4"), REFERENCE) == "3.12.4"
    with pytest.raises(ArtifactError, match="found no PYTHON_VERSION in its environment"):
        python_version(_python(), REFERENCE)
