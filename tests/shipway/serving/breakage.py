"""The ways in which a bundle is not what its digest says; each leaves a file behind if anything of it runs."""

from pathlib import Path

KINDS = ("swapped", "truncated", "code", "forbidden", "extra", "missing", "manifest")


def break_bundle(bundle: Path, kind: str, ran: Path) -> Path:
    """Breaks the bundle of an echo model in place; returns the file that an error has to name."""
    files = bundle / "files"
    weights, code = files / "model" / "weights.json", files / "src" / "echo" / "service.py"
    program = f"open({str(ran)!r}, 'w')\n"
    match kind:
        case "swapped":
            weights.write_text('{"offset": 99}')
            return weights
        case "truncated":
            weights.write_bytes(weights.read_bytes()[:5])
            return weights
        case "code":
            code.write_text(program)
            return code
        case "forbidden":
            # What unpickles to a call of that program, under the name that was there.
            weights.write_bytes(b"\x80\x04cbuiltins\nexec\n(S" + repr(program.strip()).encode() + b"\ntR.")
            return weights
        case "extra":
            more = files / "src" / "echo" / "more.py"
            more.write_text(program)
            return more
        case "missing":
            code.unlink()
            return code
        case _:
            manifest = bundle / "manifest.json"
            manifest.write_bytes(manifest.read_bytes().replace(b"echo.service", b"echo.inputs"))
            return manifest
