"""Pulumi's command, built from its Go modules: no Python, npm or Debian package carries the binary."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import report

__all__ = ["build_pulumi", "check_go"]

# The first Go that understands `go 1.26` in a go.mod and fetches that toolchain by itself (GOTOOLCHAIN=auto).
OLDEST_GO = (1, 21)


def build_pulumi(root: Path, folder: Path, scratch: Path) -> None:
    """Builds `pulumi` into `folder`; what is downloaded and compiled stays in `scratch` until that succeeds.

    Raises:
        ShipwayError: when Go is missing, too old, or the build fails.
    """
    go = check_go(shutil.which("go"))
    modules = root / "tools" / "pulumi"
    version = pinned_version((modules / "go.mod").read_text(encoding="utf-8"))
    caches = scratch / "go"
    env = os.environ | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "auto",
        "GOPATH": str(caches),
        "GOMODCACHE": str(caches / "mod"),
        "GOCACHE": str(caches / "build"),
        # Go's module cache is read-only otherwise, and could not be removed like any other folder.
        "GOFLAGS": "-modcacherw",
    }
    with report.step("pulumi", f"building v{version} from its Go modules (downloads, then about 4 minutes)"):
        report.run([go, "mod", "download"], subject="pulumi", cwd=modules, env=env)
        # Without the version the command prints none, and the Automation API then refuses it.
        stamp = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"
        report.run(
            [go, "build", "-trimpath", "-ldflags", stamp, "-o", f"{folder}/", "tool"],
            subject="pulumi",
            cwd=modules,
            env=env,
        )
    shutil.rmtree(caches)


def pinned_version(go_mod: str) -> str:
    """Returns the version of Pulumi's command that a go.mod requires."""
    found = re.search(r"github\.com/pulumi/pulumi/pkg/v3 v(\S+)", go_mod)
    if not found:
        raise ShipwayError("tools/pulumi/go.mod requires no github.com/pulumi/pulumi/pkg/v3")
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
