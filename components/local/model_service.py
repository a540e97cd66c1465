"""One model on this machine: a process per filled slot, its route, its targets and its rules."""

import sys
from collections.abc import Mapping

import pulumi

from components.local.programs import PROMTOOL, program
from components.local.providers.feature_views import FeatureViews
from components.local.providers.port_pair import PortPair
from components.local.providers.process import SupervisedProcess, fingerprint
from components.local.providers.rendered_file import FILE, RenderedFile
from components.parts import ModelOutputs, PlatformOutputs, SlotOutputs
from components.services import Service
from shipway.contract.environment import PortsSpec
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.route import RouteSpec
from shipway.observability.rules import model_rules
from shipway.observability.targets import model_targets

__all__ = ["build_model"]

# A slot that dies while it loads its model is started four times, then supervisord gives up and that shows as drift;
# one that once got further is restarted for ever.
_LOAD_SECONDS = 10


def build_model(
    parent: pulumi.Resource, service: Service, platform: PlatformOutputs, layout: LocalLayout, ports: PortsSpec
) -> ModelOutputs:
    """Builds the resources of one model below `parent`; none of the platform's own is touched."""
    model = service.spec.name
    child = pulumi.ResourceOptions(parent=parent, provider=platform.serving.provider)
    pair = PortPair(f"{model}-ports", layout, ports, model, child)
    waits: list[pulumi.Resource] = [platform.serving.ready]
    if service.spec.features.reads:
        waits.append(_feature_views(service, platform, layout, parent))
    slot_ports = {Slot.BLUE: pair.blue, Slot.GREEN: pair.green}
    processes = [
        _slot(slot, service, layout, slot_ports[slot], child, waits) for slot in Slot if service.release.digest(slot)
    ]
    # Declared last and removed first: delivery never hears of a slot that Pulumi has not yet made or has already ended.
    after = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=processes))
    _route(service, layout, slot_ports, after)
    _monitoring(service, platform, layout, slot_ports, child)
    return ModelOutputs(
        f"{platform.routing.url}/{model}/predict",
        {
            slot: SlotOutputs(pulumi.Output.format("http://127.0.0.1:{0}", port), service.release.digest(slot))
            for slot, port in slot_ports.items()
        },
    )


def _feature_views(
    service: Service, platform: PlatformOutputs, layout: LocalLayout, parent: pulumi.Resource
) -> FeatureViews:
    return FeatureViews(
        f"{service.spec.name}-features",
        service.folder,
        layout.features,
        fingerprint((service.folder / "features.py").read_text(encoding="utf-8")),
        pulumi.ResourceOptions(
            parent=parent, provider=platform.serving.provider, depends_on=[platform.feature_store.ready]
        ),
    )


def _slot(
    slot: Slot,
    service: Service,
    layout: LocalLayout,
    port: pulumi.Output[int],
    child: pulumi.ResourceOptions,
    waits: list[pulumi.Resource],
) -> SupervisedProcess:
    model, digest = service.spec.name, service.release.digest(slot)
    return SupervisedProcess(
        layout.process(model, slot),
        layout,
        command=[
            *(sys.executable, "-m", "shipway.serving", "--bundle", str(layout.bundle(digest)), "--slot", str(slot)),
            *("--port", pulumi.Output.format("{0}", port), "--state", str(layout.slot(model, slot))),
            *("--predictions", str(layout.predictions / model), "--features", str(layout.features), "--tier", "local"),
            # Of the whole stack, not of one release: the live slot's command must never change.
            *("--served-routes", str(layout.served_routes), "--artifacts", str(layout.artifacts)),
        ],
        ports=[port],
        start_seconds=_LOAD_SECONDS,
        opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=waits)),
    )


def _route(
    service: Service, layout: LocalLayout, ports: Mapping[Slot, pulumi.Output[int]], opts: pulumi.ResourceOptions
) -> None:
    def route(found: list[int]) -> str:
        numbers = {slot: int(port) for slot, port in zip(Slot, found, strict=True)}
        return RouteSpec.declared(service.spec, service.release, numbers).model_dump_json(indent=2) + "\n"

    text = pulumi.Output.all(*(ports[slot] for slot in Slot)).apply(route)
    RenderedFile(f"{service.spec.name}-route", layout.routes / f"{service.spec.name}.json", text, opts)


def _monitoring(
    service: Service,
    platform: PlatformOutputs,
    layout: LocalLayout,
    ports: Mapping[Slot, pulumi.Output[int]],
    child: pulumi.ResourceOptions,
) -> None:
    spec, environment = service.spec, platform.environment
    filled = [slot for slot in Slot if service.release.digest(slot)]

    def targets(found: list[int]) -> str:
        addresses = {slot: f"127.0.0.1:{int(port)}" for slot, port in zip(filled, found, strict=True)}
        return model_targets(spec.name, environment.name, addresses)

    # Prometheus sees a changed target file by itself.
    RenderedFile(
        f"{spec.name}-targets",
        layout.prometheus / "targets" / f"{spec.name}.json",
        pulumi.Output.all(*(ports[slot] for slot in filled)).apply(targets),
        child,
    )
    RenderedFile(
        f"{spec.name}-rules",
        layout.prometheus / "rules" / f"{spec.name}.yml",
        model_rules(spec, environment, released=bool(filled)),
        child,
        check=[program(PROMTOOL), "check", "rules", FILE],
        reload_url=f"{platform.monitoring.url}/-/reload",
    )
