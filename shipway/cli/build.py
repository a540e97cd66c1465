"""`shipway build` and `shipway base`: the image of a bundle, and what such images stand on."""

import os
from pathlib import Path
from typing import Annotated

import typer

from shipway.bundle.store import ArtifactStore
from shipway.cli.context import emit, progress, project, service
from shipway.contract.environment import load_environment
from shipway.contract.errors import ArtifactError, SpecError
from shipway.contract.kubernetes import is_image
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.contract.release import check_digest
from shipway.images.find import Variant, cluster_of, variant_of
from shipway.images.layers import Blobs

__all__ = ["register"]

Env = Annotated[str, typer.Option(help="the environment whose cluster runs it")]
Json = Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")]


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog="Example: shipway build flight-delay sha256:0123... --env onprem --push")(build)
    app.command(epilog="Example: shipway base --env onprem --python docker.io/library/python@sha256:0123...")(base)


def build(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    env: Env,
    digest: Annotated[str | None, typer.Argument(help="the bundle; the newest registered one by default")] = None,
    source: Annotated[str, typer.Option("--from", help="the environment that keeps the bundle")] = "local",
    variant: Annotated[Variant | None, typer.Option(help="what it stands on; by default what the model needs")] = None,
    push: Annotated[
        bool, typer.Option("--push", help="send it to the registry, signed with SHIPWAY_SIGNING_KEY")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="verify the one in the registry, and make nothing")] = False,
    as_json: Json = False,
) -> None:
    """Make the image of a bundle, without a container builder; equal bundles give equal images."""
    from shipway.images.make import Order, make_image, verify_made  # signs, which needs an extra

    root = project()
    _, spec = service(root, model)
    environment = load_environment(root, env)
    cluster_of(environment)
    layout = LocalLayout(root, source)
    bundle = check_digest(digest, "the command line", "DIGEST") if digest is not None else _newest(layout, spec)
    order = Order(
        environment,
        spec,
        bundle,
        variant or variant_of(spec),
        ArtifactStore(layout.artifacts),
        Blobs(LocalLayout(root, env).images),
        os.environ,
    )
    made = verify_made(order) if verify else make_image(order, push=push)
    said = "verified" if verify else f"pushed, {made.sent} blobs were new" if made.pushed else "not pushed"
    signed = "signed" if made.signed else "not signed"
    result = {
        "model": model,
        "environment": env,
        "bundle": bundle,
        "image": made.reference,
        "digest": made.reference.rpartition("@")[2],
        "base": made.base,
        "pushed": made.pushed,
        "signed": made.signed,
    }
    emit(result, f"{made.reference}\n{said}, {signed}", as_json=as_json)


def base(
    env: Env,
    python: Annotated[str, typer.Option(help="a Python image by digest: HOST/PATH@sha256:DIGEST")],
    builder: Annotated[str, typer.Option(help="`none`, or `docker` for `docker buildx`")] = "none",
    as_json: Json = False,
) -> None:
    """Make what models' images stand on: Python, the locked packages of a slot, and the code that serves."""
    from shipway.images.make import make_base

    root = project()
    environment = load_environment(root, env)
    if not is_image(python):
        raise SpecError("the command line", "--python", python, "HOST/PATH@sha256:DIGEST: a tag is not a digest")
    if builder not in ("none", "docker"):
        raise SpecError("the command line", "--builder", builder, "none or docker")
    progress("installing the locked packages of a slot; once for each lock")
    blobs = Blobs(LocalLayout(root, env).images)
    lock = Path(root) / "requirements.lock"
    made = make_base(environment, python, lock, blobs, os.environ, docker=builder == "docker")
    result = {"environment": env, "base": made.reference, "python": python}
    key = f"{environment.target}.images.bases"
    emit(result, f"{made.reference}\nnext: name it under {key} in {env}'s file", as_json=as_json)


def _newest(layout: LocalLayout, spec: ModelSpec) -> str:
    from shipway.training.registry import Registry

    found = None
    if layout.registry.exists():
        found = Registry(layout.registry).newest_usable(spec.name, ArtifactStore(layout.artifacts))
    if found is None:
        raise ArtifactError(f"{layout.registry}: found no registered bundle of {spec.name}; `shipway train` makes one")
    return found.digest
