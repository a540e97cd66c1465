"""What a change of the environment starts anew, what waits for what, and what a drained node takes along."""

from typing import Any

from pulumi.runtime.rpc import deserialize_properties

from shipway.contract.workers import WORKERS
from tests.components.kubernetes.cluster import Cluster


def _namespace(request: Any) -> str:
    inputs = deserialize_properties(request.object)
    return str((inputs.get("metadata") or {}).get("namespace") or inputs.get("namespace") or "")


def test_no_single_proxy_carries_all_requests(cluster: Cluster) -> None:
    """Two proxies on different nodes where there are such, of which a drain takes one at a time."""
    registered = cluster.register()
    proxies = registered.one("EnvoyProxy", "routing-proxies")
    reference = registered.one("GatewayClass", "routing-class")["spec"]["parametersRef"]
    assert (reference["kind"], reference["name"]) == ("EnvoyProxy", proxies["metadata"]["name"])
    assert reference["namespace"] == proxies["metadata"]["namespace"]
    made = proxies["spec"]["provider"]["kubernetes"]
    assert (made["envoyDeployment"]["replicas"], made["envoyPDB"]) == (2, {"maxUnavailable": 1})
    gateway = registered.one("Gateway", "routing-gateway")["metadata"]["name"]
    for spread in made["envoyDeployment"]["pod"]["topologySpreadConstraints"]:
        assert spread["labelSelector"] == {"matchLabels": {"gateway.envoyproxy.io/owning-gateway-name": gateway}}
    assert registered.one("Release", "routing-chart")["values"]["deployment"]["replicas"] == 2
    assert "routing-proxies" in registered.waits_for("routing-class")


def test_what_is_read_once_starts_its_readers_anew(cluster: Cluster) -> None:
    """Delivery and workers read their file at their start: pods of another file are other pods."""
    jobs = ("delivery", *WORKERS)

    def pods() -> dict[str, str]:
        registered = cluster.register()
        return {
            job: registered.one("Deployment", f"{job}-deployment")["spec"]["template"]["metadata"]["annotations"][
                "shipway/config"
            ]
            for job in jobs
        }

    before = pods()
    assert pods() == before
    cluster.change(scrape_interval_seconds=30)
    after = pods()
    assert {job for job in jobs if after[job] != before[job]} >= {"delivery"}
    cluster.change(kubernetes__object_storage__url="s3://elsewhere/onprem")
    assert all(pods()[job] != after[job] for job in jobs)


def test_a_changed_tag_restarts_nothing(cluster: Cluster) -> None:
    """Another date of expiry, another project: objects carry it, and no pod template but for who pays."""

    def registered() -> tuple[dict[str, Any], set[str]]:
        found = cluster.register()
        pods = {name: one["spec"]["template"] for name, one in found.all("Deployment").items()}
        store = found.one("Release", "feature-store-online")["values"]["podLabels"]
        return {**pods, "online": store}, {
            one["metadata"]["labels"].get("shipway/project", "")
            for one in (found.one("Deployment", "digits-blue"), found.one("Deployment", "registry-mlflow"))
        }

    # A tag may be called like a label that tells pods apart.
    cluster.change(tags={"cost-center": "ml", "project": "one", "model": "any", "part": "any"})
    before, said = registered()
    assert before["digits-blue"]["metadata"]["labels"]["shipway/model"] == "digits"
    assert said == {"one"}
    cluster.change(tags={"cost-center": "ml", "project": "two", "model": "any", "part": "any"})
    after, said = registered()
    assert (after, said) == (before, {"two"})
    cluster.change(tags={"cost-center": "other", "project": "two", "model": "any", "part": "any"})
    assert all(registered()[0][name] != pod for name, pod in after.items())


def test_what_lies_in_a_namespace_waits_for_it(cluster: Cluster) -> None:
    """Of every namespace that the platform makes: one may have to wait for something itself."""
    registered = cluster.register()
    spaces = {one["metadata"]["name"]: name for name, one in registered.all("Namespace").items()}
    inside = {
        request.name: spaces[space]
        for request in registered.requests.values()
        if request.type.startswith("kubernetes:") and request.name not in spaces.values()
        for space in [_namespace(request)]
        if space in spaces
    }
    assert len(inside) > 60
    assert {name for name, space in inside.items() if space not in registered.waits_for(name)} == set()
