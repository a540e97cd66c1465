"""`.shipway/env`: the variables that make a shell, and every verb, use this project's programs and its Pulumi state."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from shipway.contract.errors import ShipwayError

__all__ = ["env_file", "load", "own_backend", "render"]


# How the address of such a backend ends, in any checkout: a shell may have sourced another one's file.
OWN_BACKEND = "/.shipway/pulumi/state"


# What runs on this machine is asked straight, also where a proxy is named for everything: gRPC, by which Pulumi talks
# to its own program, would go there too. `*` alone means no proxy at all.
_DIRECT = (
    '_shipway_direct="${no_proxy:-${NO_PROXY:-}}"',
    'case ",$_shipway_direct," in *,127.0.0.1,* | ",*,") ;;',
    '  *) _shipway_direct="127.0.0.1,localhost${_shipway_direct:+,$_shipway_direct}" ;;',
    "esac",
    'export no_proxy="$_shipway_direct" NO_PROXY="$_shipway_direct"',
    "unset _shipway_direct",
)


def env_file(root: Path) -> Path:
    """Returns the file to source."""
    return root / ".shipway" / "env"


def own_backend(root: Path) -> str:
    """Returns the address of the backend that needs no login: a folder below .shipway/."""
    return f"file://{root}{OWN_BACKEND}"


def person_has_a_backend(root: Path, environ: Mapping[str, str]) -> bool:
    """Returns whether the person logged in to a Pulumi backend of their own, by variable or by `pulumi login`."""
    named = environ.get("PULUMI_BACKEND_URL")
    if named and not named.endswith(OWN_BACKEND):
        return True
    home = Path(environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    if ".shipway" in home.parts:
        home = Path.home() / ".pulumi"
    try:
        credentials: object = json.loads((home / "credentials.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(credentials, dict) and bool(cast(dict[str, object], credentials).get("current"))


def render(root: Path, environ: Mapping[str, str], *, own_pulumi: bool) -> str:
    """Returns the text of `.shipway/env`, for any POSIX shell, harmless when sourced twice.

    Args:
        root: the repository.
        environ: the person's own variables, which decide about the backend.
        own_pulumi: whether `pulumi` is the one set-up built, which can download no plugins.
    """
    base = root / ".shipway"
    programs = shlex.quote(f"{base / 'bin'}:{base / 'venv' / 'bin'}")
    lines = [
        "# Written by `make setup`; source it to use this project's programs and Pulumi state.",
        f'case ":$PATH:" in *:{programs}:*) ;; *) export PATH={programs}:"$PATH" ;; esac',
        export("VIRTUAL_ENV", str(base / "venv")),
        # Compiled modules go into one folder, none beside the sources; without them each service starts seconds later.
        export("PYTHONPYCACHEPREFIX", str(base / "cache" / "pycache")),
        "unset PYTHONDONTWRITEBYTECODE",
        export("PULUMI_SKIP_UPDATE_CHECK", "true"),
        # An output of type string in an f-string is a mistake: an error, not a warning inside the text.
        export("PULUMI_ERROR_OUTPUT_STRING", "true"),
    ]
    lines += _DIRECT
    if own_pulumi:
        lines.append(export("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true"))
    if not person_has_a_backend(root, environ):
        backend = shlex.quote(own_backend(root))
        lines += [
            f'case "${{PULUMI_BACKEND_URL:-}}" in "" | *{OWN_BACKEND})',
            f"  export PULUMI_BACKEND_URL={backend}",
            f"  {export('PULUMI_HOME', str(base / 'pulumi' / 'home'))}",
            # A local stack holds no secret; the passphrase of this backend protects nothing.
            "  export PULUMI_CONFIG_PASSPHRASE=",
            "esac",
        ]
    # The stack file of a local environment carries the salt of that empty passphrase, on any backend.
    default = 'export PULUMI_CONFIG_PASSPHRASE="${PULUMI_CONFIG_PASSPHRASE-}"'
    lines.append(f'[ -n "${{PULUMI_CONFIG_PASSPHRASE_FILE:-}}" ] || {default}')
    return "\n".join(lines) + "\n"


def export(name: str, value: str) -> str:
    """Returns the shell line that sets and exports a variable."""
    return f"export {name}={shlex.quote(value)}"


def load(root: Path) -> dict[str, str]:
    """Returns the variables of a shell that sourced `.shipway/env`: the verbs see what the person sees.

    Raises:
        ShipwayError: before `make setup`.
    """
    if not env_file(root).exists():
        raise ShipwayError(f"{env_file(root)} is not there: run `make setup` first")
    printed = subprocess.run(
        ["sh", "-c", '. "$0" && exec env -0', str(env_file(root))], capture_output=True, check=True, env=os.environ
    ).stdout
    return dict(entry.split("=", 1) for entry in os.fsdecode(printed).split("\0") if "=" in entry)
