"""The language host: serves pulumirpc.LanguageRuntime to the one engine that started it.

It ends, and ends what it started, when the engine says Cancel, on SIGINT or SIGTERM, and when standard input closes:
the engine holds the other end, so that is the sure sign of its death.
"""

import asyncio
import importlib.util
import json
import os
import signal
import sys
import types
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import empty_pb2, json_format

__all__ = ["LanguageHost", "main"]

PROGRAM = Path(__file__).resolve().with_name("program.py")
REPORTED_EXIT_CODE = 32  # program.py's; importing it would import the whole SDK
GRACE_SECONDS = 1.0
CHUNK_BYTES = 65_536


def load_protocol() -> None:
    """Makes the SDK's generated modules importable as `pulumirpc`.

    By their own name, below `pulumi.runtime`, they bring the whole SDK: 0.3 s more, twice in every command.
    """
    found = importlib.util.find_spec("pulumi")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the language host's own environment holds no pulumi package")
    package = types.ModuleType("pulumirpc")
    package.__path__ = [str(Path(found.origin).with_name("runtime") / "proto")]
    sys.modules["pulumirpc"] = package


if TYPE_CHECKING:
    from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
else:
    load_protocol()
    from pulumirpc import language_pb2, language_pb2_grpc, plugin_pb2


def virtualenv(info: Any) -> Path:
    """Returns the environment that the project's `virtualenv` names, else the active one, else the host's own."""
    options = json_format.MessageToDict(info.options)
    chosen = options.get("virtualenv") or os.environ.get("VIRTUAL_ENV") or sys.prefix
    return Path(os.path.normpath(Path(info.root_directory, chosen)))


def python_environment(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns `environ` with the environment at `home` activated."""
    env = {name: value for name, value in environ.items() if name != "PYTHONHOME"}
    return env | {"VIRTUAL_ENV": str(home), "PATH": f"{home / 'bin'}:{environ.get('PATH', os.defpath)}"}


@asynccontextmanager
async def python(
    context: Any, info: Any, *arguments: str, environ: Mapping[str, str] = os.environ, **options: Any
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Starts the program's Python with `arguments`; the process is gone when the block ends, however it ends."""
    home = virtualenv(info)
    interpreter = home / "bin" / "python3"
    if not interpreter.exists():
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{home} is not a virtual environment")
    process = await asyncio.create_subprocess_exec(
        interpreter, "-u", *arguments, env=python_environment(home, environ), **options
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers one engine; `ended` is set when it wants no more.

    The methods carry the protocol's names.
    """

    def __init__(self, engine_address: str, ended: asyncio.Event) -> None:
        self._engine_address = engine_address
        self._ended = ended

    async def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._engine_address = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo()

    async def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._ended.set()
        return empty_pb2.Empty()

    async def About(self, request: Any, context: Any) -> Any:  # noqa: N802
        # Asked before every operation: without site, the answer takes milliseconds.
        ask = "import sys; print(sys.executable, sys.version.split()[0])"
        async with python(context, request.info, "-I", "-S", "-c", ask, stdout=asyncio.subprocess.PIPE) as process:
            printed, _ = await process.communicate()
        executable, version = printed.decode().rsplit(maxsplit=1)
        return language_pb2.AboutResponse(executable=executable, version=version)

    async def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Names the provider plugins that the environment's packages say they need."""
        packages: list[dict[str, Any]] = []
        for path in sorted(virtualenv(request.info).glob("lib/python3*/site-packages/*/pulumi-plugin.json")):
            plugin = json.loads(path.read_text(encoding="utf-8"))
            if plugin.get("resource"):
                packages.append(plugin | {"kind": "resource"})
        response = language_pb2.GetRequiredPackagesResponse()
        return json_format.ParseDict({"packages": packages}, response, ignore_unknown_fields=True)

    async def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        arguments = (str(PROGRAM), self._engine_address)
        stdin = asyncio.subprocess.PIPE
        async with python(context, request.info, *arguments, cwd=request.pwd, stdin=stdin) as process:
            await process.communicate(request.SerializeToString())
        code = process.returncode
        if code == REPORTED_EXIT_CODE:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the program exited with code {code}" if code else "")

    # gRPC also takes a method that writes its answers itself; the generated base class knows only one that yields them.
    async def RunPlugin(self, request: Any, context: Any) -> None:  # noqa: N802 # pyright: ignore[reportIncompatibleMethodOverride]
        """Runs a policy pack (the engine's word is analyzer) or another plugin written in Python."""
        answer = language_pb2.RunPluginResponse
        folder = request.info.program_directory
        is_policy_pack = request.kind == "analyzer"
        arguments = ["-m", "pulumi.policy", *request.args, folder] if is_policy_pack else [folder, *request.args]
        environ = dict(entry.split("=", 1) for entry in request.env)
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        async with python(context, request.info, *arguments, environ=environ, cwd=request.pwd, **pipes) as process:
            one_write_at_a_time = asyncio.Lock()  # the call's own rule

            async def relay(stream: asyncio.StreamReader | None, wrap: Callable[[bytes], Any]) -> None:
                while stream and (chunk := await stream.read(CHUNK_BYTES)):
                    async with one_write_at_a_time:
                        await context.write(wrap(chunk))

            await asyncio.gather(
                relay(process.stdout, lambda chunk: answer(stdout=chunk)),
                relay(process.stderr, lambda chunk: answer(stderr=chunk)),
            )
            await context.write(answer(exitcode=await process.wait()))


def end_with_engine() -> None:
    """Reads standard input; at its end the engine is dead, and everything in this process group ends."""
    if not os.read(sys.stdin.fileno(), CHUNK_BYTES):
        os.killpg(0, signal.SIGINT)


async def main(engine_address: str) -> NoReturn:
    """Serves until the engine wants no more, then ends the process; prints the port first: the engine waits for it."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(sys.stdin, end_with_engine)
    # A program's configuration or a large policy pack passes gRPC's usual 4 MiB.
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine_address, ended), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await ended.wait()
    await server.stop(grace=GRACE_SECONDS)
    # A cancelled call still ends its process; of one that is cut short in that, gRPC prints a traceback.
    if calls := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(calls, timeout=GRACE_SECONDS)
    # At once: another signal of the engine's, while Python takes the loop down, would be printed as an error.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
