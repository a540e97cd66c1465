"""A real bundle, made once, and the ways in which a copy of it is not what its digest says."""

import json
import shutil
import sys
from pathlib import Path

from filelock import FileLock

from tests.shipway.delivery.stack import PROJECT

KINDS = ("swapped", "truncated", "code", "forbidden")


def broken_bundle(root: Path, seed: int, port: int) -> tuple[list[str], str]:
    """Returns the command line of a real slot on a broken copy of the bundle, and how it is broken.

    Args:
        root: the run's folder; a file `ran` appears there if anything of the broken part is carried out.
        seed: which way.
        port: where the slot would listen.
    """
    kind = KINDS[seed % len(KINDS)]
    bundle = root / "bundle" / _bundle().name
    shutil.copytree(_bundle(), bundle)
    model, code = bundle / "files" / "model" / "model.skops", bundle / "files" / "src" / "digits" / "__init__.py"
    program = f"open({str(root / 'ran')!r}, 'w')"
    match kind:
        case "swapped":
            model.write_bytes(program.encode())
        case "truncated":
            model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
        case "code":
            code.write_text(program)
        case _:
            # What unpickles to a call of that program; a format that runs code when it is read.
            (bundle / "files" / "model" / "model.pkl").write_bytes(f"cbuiltins\nexec\n(S{program!r}\ntR.".encode())
    command = [
        *(sys.executable, "-m", "shipway.serving", "--slot", "green", "--tier", "local"),
        *("--bundle", str(bundle), "--port", str(port), "--state", str(root / "slot")),
        *("--predictions", str(root / "predictions"), "--features", str(root / "features")),
    ]
    return command, kind


def _bundle() -> Path:
    """Returns the bundle of the digits service, trained on first use and kept with the results."""
    from shipway.scaffold.testing import train_service  # pulls in the science stack; one fault needs it

    kept = PROJECT / ".shipway" / "faults" / "bundle"
    kept.mkdir(parents=True, exist_ok=True)
    told = kept / "where.json"
    with FileLock(kept / "lock"):
        if not told.exists():
            trained = train_service(PROJECT / "services" / "digits", kept)
            told.write_text(json.dumps(str(trained.bundle)))
    return Path(json.loads(told.read_text()))
