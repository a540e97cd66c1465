"""`make up`: from a set-up checkout to a platform that answers, every step skipped that is done already."""

import argparse
import json
import shlex
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import Target, environment_path, load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import LocalLayout, services
from shipway.contract.model import load_model
from shipway.contract.release import load_release, release_path, short_digest
from shipway.delivery.ledger import Ledger
from shipway.features.repository import has_values
from tools import disk, environment, locks, ports, processes, report
from tools.engine import Stack
from tools.errors import CommandError

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]

# Bundles, state, logs and a day of metrics of two models.
NEEDED_MIB = 500
ANSWER_DEADLINE_SECONDS = 180.0
REQUEST_TIMEOUT_SECONDS = 10.0
SHOWN_MODEL = "flight-delay"

# Straight to this machine: a proxy that a person's shell names knows nothing of the ports here.
HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def bring_up(root: Path, name: str) -> None:
    """Brings the local environment `name` up and prints a request with its real answer.

    Raises:
        ShipwayError: for whatever stands in the way, before or after it was met.
    """
    start = time.monotonic()
    spec = load_environment(root, name)
    if spec.target is not Target.LOCAL or spec.ports is None:
        raise SpecError(
            environment_path(root, name), "target", str(spec.target), "local: `make up` starts processes here"
        )
    layout = LocalLayout(root, name)
    ports.require_free(layout, spec.ports)
    disk.require_room(root, NEEDED_MIB, f"the stack {name}")
    end_robbed(layout)
    variables = environment.load(root)
    folders = services(root)
    for folder in folders:
        require_request(folder)
    for folder in folders:
        release(folder, layout, variables)
    stack = Stack(root, name, variables)
    with report.step("pulumi", f"bringing stack {name} up"):
        stack.ensure()
        stack.up()
    gateway = f"http://127.0.0.1:{spec.ports.gateway}"
    for folder in folders:
        await_answer(folder, gateway, layout)
    report.say("up", f"everything answers {time.monotonic() - start:.1f} s after the start")
    for folder in folders:
        publish_first(folder, layout, variables)
    if folders:
        shown = next((folder for folder in folders if model_name(folder) == SHOWN_MODEL), folders[0])
        show(shown, gateway, root)
        hint(model_name(shown), name)


def end_robbed(layout: LocalLayout) -> None:
    """Ends a stack whose files were removed while it ran: its processes would write among those made anew."""
    if layout.supervisor.exists() or layout.routes.exists() or not processes.marked(layout.state):
        return
    with report.step("up", f"the files of the running stack {layout.environment} are gone; ending its processes"):
        processes.stop(layout.state)
        # Delivery has written down again what is live: nothing is when nothing is served.
        shutil.rmtree(layout.envoy, ignore_errors=True)


def release(folder: Path, layout: LocalLayout, variables: Mapping[str, str]) -> None:
    """Gives the service at `folder` a release whose bundle is there: the one it has, the newest, or one trained now."""
    model, path = model_name(folder), release_path(folder, layout.environment)
    store = ArtifactStore(layout.artifacts)
    given = load_release(path)
    digests = [digest for digest in (given.blue, given.green) if digest]
    if any(store.path(digest).is_dir() for digest in digests):
        return
    if digests:
        report.say(model, f"{path.name} names {short_digest(digests[0])}, whose bundle is gone; releasing anew")
        path.unlink()
    digest = last_live(model, layout, store) or train(model, layout, variables)
    words = ["shipway", "release", model, digest, "--env", layout.environment, "--reason", "make up"]
    code = report.attend(words, cwd=layout.root, env=variables, stdout=report.STDERR)
    if code:
        raise CommandError(words, code)


def last_live(model: str, layout: LocalLayout, store: ArtifactStore) -> str:
    """Returns the digest that took the model's traffic last, empty where there is none whose bundle is still there.

    A stack brought down and up again starts with what it ended with; its newest bundle may be one that was rolled back.
    """
    told = [entry.digests["live"] for entry in Ledger(layout.ledger).entries(model) if "live" in entry.digests]
    if not told or not store.path(told[-1]).is_dir():
        return ""
    report.say(model, f"{short_digest(told[-1])} was live last")
    return told[-1]


def train(model: str, layout: LocalLayout, variables: Mapping[str, str]) -> str:
    """Returns the digest of the model's newest usable bundle, trained now where there is none."""
    words = ["shipway", "train", model, "--env", layout.environment, "--if-missing", "--json"]
    layout.logs.mkdir(parents=True, exist_ok=True)
    result = layout.logs / f"train-{model}.json"
    with (
        report.step(model, "looking for its newest bundle, or training one"),
        result.open("w+", encoding="utf-8") as output,
    ):
        code = report.attend(words, cwd=layout.root, env=variables, stdout=output)
        if code:
            raise CommandError(words, code)
        output.seek(0)
        return str(json.loads(output.read().strip().splitlines()[-1])["digest"])


def await_answer(folder: Path, gateway: str, layout: LocalLayout) -> None:
    """Waits until the gateway routes a request of the service to a slot that answers it.

    Raises:
        ShipwayError: after three minutes, with the last answer and where to look.
    """
    model = model_name(folder)
    deadline = time.monotonic() + ANSWER_DEADLINE_SECONDS
    request = urllib.request.Request(  # noqa: S310 - the address is ours
        f"{gateway}/{model}/predict", request_path(folder).read_bytes(), request_headers(folder)
    )
    with report.step(model, "waiting for its first answer"):
        while True:
            try:
                with HERE.open(request, timeout=REQUEST_TIMEOUT_SECONDS):
                    return
            except urllib.error.HTTPError as error:
                last = f"{error.code} {error.read(500).decode(errors='replace')}"
            except OSError as error:
                last = str(error)
            if time.monotonic() > deadline:
                raise ShipwayError(
                    f"{model} gave no answer within {ANSWER_DEADLINE_SECONDS:.0f} s; the last try at "
                    f"{request.full_url}: {last}. `shipway status {model}` says what is down; logs are in {layout.logs}"
                )
            time.sleep(0.1)


def publish_first(folder: Path, layout: LocalLayout, variables: Mapping[str, str]) -> None:
    """Has the service's own traffic publish what its model reads, where the online store holds nothing of it yet.

    One request is sent with it; without the values every feature of every request would be its default.

    Raises:
        CommandError: when they cannot be published.
    """
    spec = load_model(folder / "model.yaml")
    views = {read.name.partition(":")[0] for read in spec.features.reads}
    if not views or not (folder / "traffic.py").exists() or has_values(layout.features, views):
        return
    words = ["shipway", "replay", spec.name, "--requests", "1", "--rate", "1", "--env", layout.environment]
    with report.step(spec.name, "publishing the first features"):
        code = report.attend(words, cwd=layout.root, env=variables, stdout=subprocess.DEVNULL)
    # That the one request beside them was not answered is no reason to end here.
    if code and not has_values(layout.features, views):
        raise CommandError(words, code)


def show(folder: Path, gateway: str, root: Path) -> None:
    """Prints a request that a person can repeat, and what it gives."""
    words = ["curl", "-s", f"{gateway}/{model_name(folder)}/predict"]
    proxies = urllib.request.getproxies()
    if ("http" in proxies or "all" in proxies) and not urllib.request.proxy_bypass("127.0.0.1"):
        words += ["--noproxy", "127.0.0.1"]
    for name, value in request_headers(folder).items():
        words += ["-H", f"{name}: {value}"]
    words += ["-d", f"@{request_path(folder).relative_to(root)}"]
    print(f"$ {shlex.join(words)}", flush=True)
    try:
        done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        report.say("up", "there is no curl on PATH to show the answer with")
        return
    print(done.stdout.rstrip(), flush=True)
    if done.returncode:
        report.say("up", f"curl could not show the answer: it ended with status {done.returncode}")


def hint(model: str, name: str) -> None:
    """Says what a person may do next."""
    option, variable = ("", "") if name == "local" else (f" --env {name}", f" ENV={name}")
    report.say("next", f"source .shipway/env; shipway status{option}")
    report.say("", f"shipway replay {model} --requests 500 --rate 50{option}")
    report.say("", f"make down{variable}")


def request_path(folder: Path) -> Path:
    """Returns the file with the service's example request."""
    return folder / "tests" / "request.json"


def require_request(folder: Path) -> None:
    """Does nothing where the service has an example request that can be sent.

    Raises:
        SpecError: naming the file; said before anything is started, not when everything waits for its answer.
    """
    if not request_path(folder).is_file():
        expected = "one request: by its answer the model is known to run"
        raise SpecError(request_path(folder), "", "no such file", expected)
    request_headers(folder)


def request_headers(folder: Path) -> dict[str, str]:
    """Returns the headers of the example request: its body's type, and each line of request.headers where there is one.

    A request about the past needs the time at which it was asked (x-event-time), or every feature would be too old.

    Raises:
        SpecError: for a line that is no header.
    """
    path = request_path(folder).with_suffix(".headers")
    headers = {"content-type": "application/json"}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], start=1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip() or not value.strip():
            raise SpecError(path, f"line {number}", line, "a header such as x-event-time: 2013-05-01T03:59:00-04:00")
        headers[name.strip()] = value.strip()
    return headers


def model_name(folder: Path) -> str:
    """Returns the name of the model whose service lies at `folder`."""
    return load_model(folder / "model.yaml").name


def main() -> int:
    """Runs the verb."""
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    parser.add_argument("--env", default="local")
    name = parser.parse_args().env
    with locks.exclusive(ROOT / ".shipway" / "up.lock", "`make up` or `make down`"):
        bring_up(ROOT, name)
    return 0


if __name__ == "__main__":
    report.fail_clearly(main)
