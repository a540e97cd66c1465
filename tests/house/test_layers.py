"""Who may know whom, where import-linter cannot see it: targets, services, and packages that are new."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ENGINE_PACKAGES = {"components", "policies", "pulumi", "pulumi_aws", "pulumi_kubernetes", "pulumi_policy", "stacks"}
# What is the same for every file of a target, and no part of the platform. Locally: how a program is found and a
# template filled. On a cluster: what things are called, where they are, how a pod, an edge or a database is made. On
# AWS: what there is to buy, who may do what, how a node group or an identity is made.
SHARED = {
    "kubernetes": {
        *("beneath", "charts", "edges", "feature_files", "gpu_types", "labels"),
        *("names", "namespaces", "places", "pods", "postgres", "retraining", "scaling", "scraping", "told"),
    },
    "aws": {
        *("account", "cluster_grants", "entrance", "function", "gpu_types", "grant", "grants"),
        *("identity", "instance_types", "node_groups", "price_list", "tags", "upstreams"),
    },
    "local": {"programs", "rendering"},
}
COMPOSER = "target"


def test_files_of_a_target_do_not_know_each_other(root: Path) -> None:
    """A file of components/<target>/ imports what it is given, none of its siblings: only target.py sees them all."""
    found = [
        f"{path.relative_to(root)} imports {name}"
        for target in folders(root / "components")
        for path in sorted(target.glob("*.py"))
        if path.stem != COMPOSER
        for name in sorted(imported(path))
        for sibling in target.glob("*.py")
        if sibling.stem not in SHARED[target.name]
        and f"{name}.".startswith(f"components.{target.name}.{sibling.stem}.")
    ]
    assert not found


def test_services_know_the_library_and_themselves(root: Path) -> None:
    """A service imports neither another service, nor the command, nor anything of the engine."""
    services = {folder.name for folder in folders(root / "services")}
    found = [
        f"services/{folder.name}/{path.relative_to(folder)} imports {name}"
        for folder in folders(root / "services")
        for path in sorted(folder.rglob("*.py"))
        for name in sorted(imported(path))
        if (top := name.partition(".")[0]) in ENGINE_PACKAGES | (services - {folder.name})
        or name.startswith("shipway.cli")
        or top == "tools"
    ]
    assert not found


def test_every_package_has_its_layer(root: Path) -> None:
    """Each package of the library is named in the layers contract: a new one cannot slip past it."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract for contract in settings["contracts"] if contract["type"] == "layers")["layers"]
    named = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    assert {folder.name for folder in folders(root / "shipway")} - named == set()


def test_delivery_needs_no_extra(root: Path) -> None:
    """What the delivery process imports, directly and through the library, the wheel brings without any extra."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]}
    distributions = packages_distributions()
    waiting, seen, found = [root / "shipway" / "delivery" / "process.py"], set[Path](), set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for name in imported(path):
            top = name.partition(".")[0]
            if top == "shipway":
                waiting += {module(root, name)} - seen
            elif top not in sys.stdlib_module_names and not base & {
                each.lower().replace("_", "-") for each in distributions[top]
            }:
                found.add(f"{path.relative_to(root)} imports {name}")
    assert root / "shipway" / "delivery" / "measures.py" in seen
    assert not found


def test_every_folder_of_sources_is_type_checked(root: Path, sources: list[Path]) -> None:
    """pyright looks at all of the platform's code; how strictly a service is typed is its owner's choice."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    assert set(settings["include"]) == {path.relative_to(root).parts[0] for path in sources} - {"services"}
    assert settings["typeCheckingMode"] == "strict"


def folders(parent: Path) -> list[Path]:
    """Returns the packages directly below `parent`."""
    return sorted(path.parent for path in parent.glob("*/__init__.py"))


def module(root: Path, name: str) -> Path:
    """Returns the file of module `name`, or of the module that a thing called `name` is in."""
    path = root.joinpath(*name.split("."))
    found = (path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py"), path.parent / "__init__.py")
    return next(file for file in found if file.exists())


def imported(path: Path) -> set[str]:
    """Returns the modules a file imports, each name of `from a import b` as a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names
