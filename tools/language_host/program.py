"""Runs one Pulumi program in its own Python: `program.py ENGINE_ADDRESS`, with the RunRequest on standard input."""

import asyncio
import json
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
from pulumi import runtime
from pulumi.runtime.proto.language_pb2 import RunRequest

__all__ = ["REPORTED_EXIT_CODE", "main"]

# Ends a program whose error the engine has been told in full. 32 is what the official host uses for the same.
REPORTED_EXIT_CODE = 32

# The SDK keeps one thread busy per call under way; the event loop's own six or so would hold `--parallel` back.
LEAST_THREADS = 128


def configure(request: RunRequest, engine_address: str) -> None:
    """Tells the SDK which stack it works for and where the engine listens."""
    runtime.configure(
        runtime.Settings(
            project=request.project,
            stack=request.stack,
            organization=request.organization,
            root_directory=request.info.root_directory,
            dry_run=request.dryRun,
            parallel=request.parallel,
            monitor=request.monitor_address,
            engine=engine_address,
        )
    )
    config = dict(request.config)
    runtime.set_all_config(config, list(request.configSecretKeys))
    # The SDK keeps configuration per context; threads that the program starts by itself read the variable.
    os.environ["PULUMI_CONFIG"] = json.dumps(config)


async def execute(program: Path, threads: int) -> None:
    """Runs the file `program` as the stack's program, with `threads` calls to the engine under way at most."""

    def run() -> None:
        runpy.run_path(str(program), run_name="__main__")

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
    await runtime.run_in_stack(run)


def describe(error: BaseException, folder: str) -> str:
    """Returns the traceback of `error` without the frames before the program's own first one."""
    frame = error.__traceback__
    while frame is not None and not frame.tb_frame.f_code.co_filename.startswith(folder):
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame or error.__traceback__))


def main(engine_address: str) -> int:
    """Returns 0 after a run, `REPORTED_EXIT_CODE` after one that failed and was reported."""
    # Python's own handler raises in whichever line is running, which would be reported as the program's failure.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    request = RunRequest.FromString(sys.stdin.buffer.read())
    folder = request.info.program_directory
    program = Path(os.path.normpath(Path(folder, request.info.entry_point)))
    configure(request, engine_address)
    # As `python PROGRAM` would have it; modules that the program imports late are found by it too.
    sys.argv, sys.path[0] = [str(program), *request.args], folder
    try:
        asyncio.run(execute(program, max(LEAST_THREADS, request.parallel)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return REPORTED_EXIT_CODE
    except Exception as error:  # noqa: BLE001 - whatever a program raises is the engine's to show
        pulumi.log.error(f"Program failed with an unhandled exception:\n{describe(error, folder)}")
        return REPORTED_EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
