"""The registries that programs come from: what is said when one cannot give."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError
from tools import venv
from tools.errors import CommandError
from tools.pins import ACTIONLINT, ALERTMANAGER, CLUSTER, CRANE, PULUMI, Tool
from tools.sources import debian, go_module, wheel

Program = Callable[[str, str], Path]


def test_no_go_is_said(root: Path) -> None:
    """Without Go the error says which one is needed."""
    with pytest.raises(ShipwayError, match=r"there is no go on PATH; Go >= 1\.21 builds it"):
        go_module.check_go(None)


def test_an_old_go_is_said_with_its_version(program: Program) -> None:
    """Debian 12's own Go cannot read the go.mod: the error names its version and the one that can."""
    go = program("go", "echo go version go1.19.8 linux/amd64")
    with pytest.raises(ShipwayError, match=rf"{go} is Go 1\.19; Go >= 1\.21 builds it"):
        go_module.check_go(str(go))


def test_a_new_go_will_do(program: Program) -> None:
    """Any Go from 1.21 on fetches the toolchain that go.mod names."""
    go = str(program("go", "echo go version go1.21.0 linux/amd64"))
    assert go_module.check_go(go) == go


@pytest.mark.parametrize(
    ("tool", "module"),
    [
        (PULUMI, go_module.PULUMI_MODULE),
        (ALERTMANAGER, go_module.ALERTMANAGER_MODULE),
        (CLUSTER, go_module.KUBERNETES_MODULE),
        (CRANE, go_module.CRANE_MODULE),
        (ACTIONLINT, go_module.ACTIONLINT_MODULE),
    ],
)
def test_the_build_is_the_pin(root: Path, tool: Tool, module: str) -> None:
    """The go.mod of a program requires the version that the registry of programs promises."""
    text = (root / "tools" / tool.name / "go.mod").read_text(encoding="utf-8")
    assert go_module.pinned_version(text, module) == tool.pinned
    with pytest.raises(ShipwayError, match=r"the go\.mod requires no example\.com/none"):
        go_module.pinned_version(text, "example.com/none")


def test_an_unreachable_module_proxy_is_said(program: Program, only_path: Path, root: Path, tmp_path: Path) -> None:
    """When the modules cannot be downloaded the error carries the last words of Go."""
    program("go", 'if [ "$1" = version ]; then echo go version go1.26.0; else echo no such host >&2; exit 1; fi')
    with pytest.raises(CommandError, match=r"go mod download` ended with status 1:\s+no such host"):
        go_module.build_pulumi(root, tmp_path, tmp_path / "scratch")


@pytest.mark.parametrize("missing", ["apt-get", "dpkg"])
def test_a_machine_without_debian_packages_is_said(
    program: Program, only_path: Path, root: Path, tmp_path: Path, missing: str
) -> None:
    """Without apt-get or dpkg the error names the one that is missing."""
    for name in {"apt-get", "dpkg"} - {missing}:
        program(name, "exit 0")
    with pytest.raises(ShipwayError, match=f"there is no {missing} on PATH"):
        debian.unpack_prometheus(root, tmp_path, tmp_path / "scratch")


def test_an_unreachable_archive_is_said(program: Program, only_path: Path, root: Path, tmp_path: Path) -> None:
    """When neither the system's lists nor fresh ones give the package, the error carries apt-get's last words."""
    program("apt-get", "echo 'E: Could not resolve host'; exit 100")
    program("dpkg", "exit 0")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(CommandError, match=r"update` ended with status 100:\s+E: Could not resolve host"):
        debian.unpack_prometheus(root, folder, tmp_path / "scratch")


def test_own_package_lists_stay_in_their_folder(tmp_path: Path) -> None:
    """Lists of our own need no root: every path that apt-get writes lies in the folder given."""
    options = debian.own_lists(tmp_path)
    assert f"Dir::State::lists={tmp_path / 'lists'}" in options
    assert f"Dir::Cache={tmp_path}" in options
    assert (tmp_path / "lists" / "partial").is_dir()


def test_a_stub_is_not_the_program(tmp_path: Path) -> None:
    """The wheel's bin/envoy is a Python script; only the ELF file counts."""
    stub, elf = tmp_path / "stub", tmp_path / "elf"
    stub.write_text("#!/usr/bin/python3\n", encoding="utf-8")
    elf.write_bytes(b"\x7fELF\x02")
    assert not wheel.is_executable(stub)
    assert wheel.is_executable(elf)
    assert not wheel.is_executable(tmp_path)


def test_one_package_can_be_cut_out_of_the_lock(root: Path) -> None:
    """The pin of uv, with all its hashes, is what bootstraps uv."""
    entry = venv.lock_entry((root / "requirements.lock").read_text(encoding="utf-8"), "uv")
    lines = entry.splitlines()
    assert lines[0].startswith("uv==")
    assert len(lines) > 10
    assert all(line.startswith("    --hash=sha256:") for line in lines[1:])
    assert not lines[-1].endswith("\\")
    with pytest.raises(ShipwayError, match=r"requirements\.lock pins no nonesuch"):
        venv.lock_entry(entry, "nonesuch")
