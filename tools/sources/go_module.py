"""Programs built from their Go modules: no package carries one that runs where it is unpacked."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import report

__all__ = [
    "ACTIONLINT_MODULE",
    "ALERTMANAGER_MODULE",
    "CLUSTER_PROGRAMS",
    "CRANE_MODULE",
    "KUBERNETES_MODULE",
    "PULUMI_MODULE",
    "build_actionlint",
    "build_alertmanager",
    "build_cluster",
    "build_crane",
    "build_pulumi",
    "check_go",
    "gather_definitions",
]

PULUMI_MODULE = "github.com/pulumi/pulumi/pkg/v3"
ACTIONLINT_MODULE = "github.com/rhysd/actionlint"
ALERTMANAGER_MODULE = "github.com/prometheus/alertmanager"
CRANE_MODULE = "github.com/google/go-containerregistry"
KUBERNETES_MODULE = "k8s.io/kubernetes"
# The names under which tools/cluster/main.go is a control plane's programs.
CLUSTER_PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok")
# How nodes and pods without machines come to be ready, in kwok's module.
_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")
# module -> the files with its custom resource definitions; tools/crds/go.mod has the versions.
_DEFINITIONS = {
    "github.com/aws/karpenter-provider-aws": "pkg/apis/crds/*.yaml",
    "github.com/cloudnative-pg/cloudnative-pg": "config/crd/bases/*.yaml",
    "github.com/envoyproxy/gateway": "charts/gateway-crds-helm/templates/generated/*.yaml",
    "github.com/kedacore/keda/v2": "config/crd/bases/*.yaml",
    "github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd/*.yaml",
    "github.com/sigstore/policy-controller": "config/300-*.yaml",
    "sigs.k8s.io/gateway-api": "config/crd/standard/*.yaml",
    "sigs.k8s.io/secrets-store-csi-driver": "config/crd/bases/*.yaml",
}

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


def build_actionlint(root: Path, folder: Path, scratch: Path) -> None:
    """Builds `actionlint` into `folder`: who reads GitHub's workflows before GitHub does.

    Raises:
        ShipwayError: when Go is missing, too old, or the build fails.
    """
    stamp = f"{ACTIONLINT_MODULE}.version="
    _build("actionlint", ACTIONLINT_MODULE, stamp, "half a minute", root, folder, scratch)


def build_crane(root: Path, folder: Path, scratch: Path) -> None:
    """Builds `crane` into `folder`: a registry for tests, and who judges the images in it.

    Raises:
        ShipwayError: when Go is missing, too old, or the build fails.
    """
    stamp = f"{CRANE_MODULE}/cmd/crane/cmd.Version="
    _build("crane", CRANE_MODULE, stamp, "1 minute", root, folder, scratch)


def build_cluster(root: Path, folder: Path, scratch: Path) -> None:
    """Builds a control plane into `folder`, one program under many names, with `stages.yaml` beside it.

    Raises:
        ShipwayError: when Go is missing, too old, or the build fails.
    """
    stamp = "k8s.io/component-base/version.gitVersion=v"
    numbers = [f"k8s.io/component-base/version.git{part}={value}" for part, value in (("Major", 1), ("Minor", 36))]

    def gather(go: str, env: Mapping[str, str]) -> None:
        for name in CLUSTER_PROGRAMS:
            (folder / name).symlink_to("cluster")
        kwok = _modules(go, root / "tools" / "cluster", ["sigs.k8s.io/kwok"], env)["sigs.k8s.io/kwok"]
        stages = [path for part in _STAGES for path in sorted((kwok / "kustomize" / "stage" / part).glob("*.yaml"))]
        texts = [path.read_text(encoding="utf-8") for path in stages if path.name != "kustomization.yaml"]
        (folder / "stages.yaml").write_text("\n---\n".join(texts), encoding="utf-8")

    _build(
        "cluster", KUBERNETES_MODULE, stamp, "8 minutes", root, folder, scratch, package=".", more=numbers, then=gather
    )


def gather_definitions(root: Path, folder: Path, scratch: Path) -> None:
    """Puts the custom resource definitions of every module in tools/crds/go.mod into `folder`, one file each.

    Raises:
        ShipwayError: when Go is missing, too old, or a module cannot be had or holds none.
    """
    go, caches = check_go(shutil.which("go")), scratch / "go-crds"
    with report.step("crds", "downloading the modules that tools/crds/go.mod names (about 30 MB)"):
        modules = _modules(go, root / "tools" / "crds", list(_DEFINITIONS), _environment(caches))
    for module, found in modules.items():
        paths = [path for path in sorted(found.glob(_DEFINITIONS[module])) if path.name != "kustomization.yaml"]
        if not paths:
            raise ShipwayError(f"{module} holds no {_DEFINITIONS[module]}")
        for path in paths:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            # Some lie in a chart: what Helm would decide is left out, for all of them are wanted.
            text = "".join(line for line in lines if not line.startswith("{{"))
            (folder / f"{module.replace('/', '-')}-{path.name}").write_text(text, encoding="utf-8")
    shutil.rmtree(caches)


def _environment(caches: Path) -> dict[str, str]:
    """Returns the variables of a Go that leaves nothing outside `caches`."""
    return os.environ | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "auto",
        "GOPATH": str(caches),
        "GOMODCACHE": str(caches / "mod"),
        "GOCACHE": str(caches / "build"),
        # Go's module cache is read-only otherwise, and could not be removed like any other folder.
        "GOFLAGS": "-modcacherw",
    }


def _modules(go: str, folder: Path, modules: Sequence[str], env: Mapping[str, str]) -> dict[str, Path]:
    """Returns module -> where its files lie, of modules that the go.mod in `folder` requires."""
    found: dict[str, Path] = {}
    pins = (folder / "go.mod").read_text(encoding="utf-8")
    for module in modules:
        asked = f"{module}@v{pinned_version(pins, module)}"
        printed = report.run(
            [go, "mod", "download", "-json", asked], subject="cluster", cwd=folder, env=env, merge=False
        )
        found[module] = Path(json.loads(printed)["Dir"])
    return found


def _build(
    name: str,
    module: str,
    stamp: str,
    duration: str,
    root: Path,
    folder: Path,
    scratch: Path,
    *,
    package: str = "tool",
    more: Sequence[str] = (),
    then: Callable[[str, Mapping[str, str]], None] | None = None,
) -> None:
    """Builds `package` of tools/<name>/go.mod; `stamp` is the variable that holds the version, `more` are others.

    `then` is called with the Go program and its environment while the modules are still there.
    """
    go = check_go(shutil.which("go"))
    modules = root / "tools" / name
    version = pinned_version((modules / "go.mod").read_text(encoding="utf-8"), module)
    caches = scratch / f"go-{name}"
    env = _environment(caches)
    flags = " ".join(["-s -w", *(f"-X {one}" for one in (f"{stamp}{version}", *more))])
    target = f"{folder}/" if package == "tool" else str(folder / name)
    with report.step(name, f"building v{version} from its Go modules (downloads, then about {duration})"):
        report.run([go, "mod", "download"], subject=name, cwd=modules, env=env)
        report.run(
            [go, "build", "-trimpath", "-ldflags", flags, "-o", target, package], subject=name, cwd=modules, env=env
        )
        if then is not None:
            then(go, env)
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
