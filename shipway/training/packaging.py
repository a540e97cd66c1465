"""From an evaluated estimator to the files of a bundle, and to the Bento beside them."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from shipway.bundle.canonical import canonical_json
from shipway.bundle.loaders import loaders_of
from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.reference import Reference
from shipway.bundle.served import FaultsSpec, served_model, service_import
from shipway.contract.errors import ArtifactError
from shipway.contract.model import ModelSpec
from shipway.contract.release import short_digest
from shipway.contract.telemetry import BENTOML_SILENT
from shipway.training.artifact import save

__all__ = ["assemble", "build_bento", "make_manifest"]

# What lies in a service's folder but says nothing about how a version answers.
# Data is said by its version, and an artifact that was brought is in the bundle once, as its model.
_LEFT_OUT = frozenset(
    {
        "CODEOWNERS",
        "MODEL_CARD.md",
        "README.md",
        "RUNBOOK.md",
        "__pycache__",
        "artifact",
        "catalog-info.yaml",
        "checks.py",
        "data",
        "model.yaml",
        "releases",
        "tests",
        "traffic.py",
    }
)

_BENTO_TIMEOUT_SECONDS = 300

_BUILD = """
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import bentoml
service, context, version, *packages = sys.argv[1:]
python = {"packages": packages, "lock_packages": False}
print(bentoml.bentos.build(service, build_ctx=context, version=version, python=python).path)
"""


def assemble(
    service: Path, spec: ModelSpec, plan: Any, estimator: Any, files: Path, faults: FaultsSpec | None = None
) -> None:
    """Writes the service's code, its artifact and model.json into the new folder `files`.

    Args:
        service: the service's folder in the project.
        spec: its model.yaml.
        plan: its train.py.
        estimator: what the plan fitted.
        files: the folder to make.
        faults: how the version fails on purpose, None for one that is meant to work.
    """
    for path in sorted(service.rglob("*")):
        parts = path.relative_to(service).parts
        if path.is_file() and not any(part in _LEFT_OUT or part.startswith(".") for part in parts):
            target = files / "src" / service.name / Path(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (files / "model").mkdir(parents=True)
    save(plan, estimator, files / "model")
    (files / "model.json").write_bytes(canonical_json(served_model(spec, faults).document()))


def make_manifest(spec: ModelSpec, plan: Any, reference: Reference, files: Path) -> Manifest:
    """Writes reference.json, which completes `files`, and returns the manifest over all of it."""
    (files / "reference.json").write_bytes(canonical_json(reference.model_dump(mode="json")))
    return Manifest(
        model=spec.name,
        service=service_import(spec.package),
        feature_views=tuple(sorted({read.name.partition(":")[0] for read in spec.features.reads})),
        trusted_types=tuple(sorted(plan.TRUSTED_TYPES)),
        files=covered_files(files),
    )


def build_bento(files: Path, manifest: Manifest, scratch: Path) -> Path:
    """Returns the folder of a new Bento made of `files`; its version is the bundle's.

    It runs in a process of its own, because BentoML imports the service, and with a BENTOML_HOME of its own, because
    BentoML refuses to build the same version twice. Packages are pinned to those installed here, but not locked: a
    lock would name the package index of the machine that built it.

    Args:
        files: the bundle's complete files.
        manifest: their manifest.
        scratch: an empty folder.

    Raises:
        ArtifactError: when BentoML cannot build it, with its own last words.
    """
    context = scratch / "context"
    shutil.copytree(files / "src", context)
    for name in ("model", "model.json", "reference.json"):
        source = files / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, context / name)
    command = [sys.executable, "-c", _BUILD, manifest.service, str(context), short_digest(manifest.digest)]
    environment = {**os.environ, "BENTOML_HOME": str(scratch / "home"), **BENTOML_SILENT}
    done = subprocess.run(
        [*command, *_packages(files)],
        capture_output=True,
        text=True,
        timeout=_BENTO_TIMEOUT_SECONDS,
        check=False,
        # A cache folder beside the source would otherwise become part of the Bento.
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ArtifactError(
            f"{manifest.service}: BentoML could not build it, expected a service it can import: {last[0]}"
        )
    return Path(done.stdout.strip().splitlines()[-1])


def _packages(files: Path) -> list[str]:
    """Returns what the process of this bundle's slot imports, pinned to the versions installed here, sorted.

    Raises:
        ArtifactError: when a package that opens the model is not installed.
    """
    names = loaders_of(files)
    for requirement in importlib.metadata.requires("shipway") or []:
        name, _, marker = requirement.partition(";")
        if "extra" in marker and not re.search(r"extra == ['\"](serving|features)['\"]", marker):
            continue
        if distribution := re.match(r"[\w.-]+", name):
            names.add(distribution[0])
    try:
        return sorted(f"{name}=={importlib.metadata.version(name)}" for name in names)
    except importlib.metadata.PackageNotFoundError as error:
        raise ArtifactError(
            f"{files / 'model'}: found no package {error.name} here, expected what a slot opens it with; "
            "the extra `artifacts` of shipway brings it"
        ) from None
