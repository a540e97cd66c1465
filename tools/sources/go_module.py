"""Pulumi and Alertmanager, built from their Go modules: no package carries a program that runs where it is unpacked."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import report

__all__ = ["ALERTMANAGER_MODULE", "PULUMI_MODULE", "build_alertmanager", "build_pulumi", "check_go"]

PULUMI_MODULE = "github.com/pulumi/pulumi/pkg/v3"
ALERTMANAGER_MODULE = "github.com/prometheus/alertmanager"

# The first Go that understands `go 1.26` in a go.mod and fetches that toolchain by itself (GOTOOLCHAIN=auto).
OLDEST_GO = (1, 21)


def build_pulumi(root: Path, folder: Path, scratch: Path) -> None:
    """Builds `pulumi` into `folder`; what is downloaded and compiled stays in `scratch` until that succeeds.

    Raises:
        ShipwayError: when Go is missing, too old, or the build fails.
    """
    # Without the version the command prints none, and the Automation API then refuses it.
    stamp = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v"
    _build("pulumi", PULUMI_MODULE, stamp, "4 minutes", root, folder, scratch)


def build_alertmanager(root: Path, folder: Path, scratch: Path) -> None:
    """Builds `alertmanager` and `amtool` into `folder`, in the same way.

    Raises:
        ShipwayError: when Go is missing, too old, or the build fails.
    """
    stamp = "github.com/prometheus/common/version.Version="
    _build("alertmanager", ALERTMANAGER_MODULE, stamp, "2 minutes", root, folder, scratch)


def _build(name: str, module: str, stamp: str, duration: str, root: Path, folder: Path, scratch: Path) -> None:
    """Builds the tools that tools/<name>/go.mod names; `stamp` is the variable that holds their version."""
    go = check_go(shutil.which("go"))
    modules = root / "tools" / name
    version = pinned_version((modules / "go.mod").read_text(encoding="utf-8"), module)
    caches = scratch / f"go-{name}"
    env = os.environ | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "auto",
        "GOPATH": str(caches),
        "GOMODCACHE": str(caches / "mod"),
        "GOCACHE": str(caches / "build"),
        # Go's module cache is read-only otherwise, and could not be removed like any other folder.
        "GOFLAGS": "-modcacherw",
    }
    with report.step(name, f"building v{version} from its Go modules (downloads, then about {duration})"):
        report.run([go, "mod", "download"], subject=name, cwd=modules, env=env)
        report.run(
            [go, "build", "-trimpath", "-ldflags", f"-s -w -X {stamp}{version}", "-o", f"{folder}/", "tool"],
            subject=name,
            cwd=modules,
            env=env,
        )
    shutil.rmtree(caches)


def pinned_version(go_mod: str, module: str) -> str:
    """Returns the version of `module` that a go.mod requires."""
    found = re.search(rf"{re.escape(module)} v(\S+)", go_mod)
    if not found:
        raise ShipwayError(f"the go.mod requires no {module}")
    return found[1]


def check_go(go: str | None) -> str:
    """Returns the path of a Go that can build the modules.

    Raises:
        ShipwayError: naming the version found and the one that is needed.
    """
    needed = f"Go >= {OLDEST_GO[0]}.{OLDEST_GO[1]} builds it (that one fetches the newer toolchain it needs by itself)"
    if go is None:
        raise ShipwayError(f"there is no go on PATH; {needed}")
    try:
        # In a folder without a go.mod, or Go would fetch a toolchain only to say its version.
        printed = subprocess.run(
            [go, "version"], capture_output=True, text=True, timeout=60, cwd="/", check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ShipwayError(f"{go} does not run ({error}); {needed}") from None
    found = re.search(r"go(\d+)\.(\d+)", printed)
    if not found or (int(found[1]), int(found[2])) < OLDEST_GO:
        version = f"{found[1]}.{found[2]}" if found else "of no known version"
        raise ShipwayError(f"{go} is Go {version}; {needed}")
    return go
