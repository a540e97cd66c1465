"""Which images a production cluster runs."""

from datetime import date
from fnmatch import fnmatch
from typing import Any, cast

from pulumi.runtime.rpc import deserialize_properties

from policies.judge import judge
from policies.resource import Resource
from policies.rules.admission import signatures_verified
from shipway.contract.environment import Tier
from tests.components.kubernetes.cluster import STACK, Cluster
from tests.components.kubernetes.test_retraining import PLACE


def test_signature_and_provenance_must_both_be_there(cluster: Cluster) -> None:
    """Two policies over the models' images, for of the authorities of one policy the first to be met is enough."""
    policies = {one["metadata"]["name"]: one["spec"] for one in cluster.register().all("ClusterImagePolicy").values()}
    key = cluster.environment()["kubernetes"]["admission"]["public_key"]
    ours = [policies[f"shipway-{STACK}-{what}"] for what in ("signed", "attested")]
    for spec in ours:
        assert (spec["mode"], spec["images"]) == ("enforce", [{"glob": "registry.example.com/models/**"}])
        assert spec["authorities"][0]["key"] == {"data": key, "hashAlgorithm": "sha256"}
    assert "attestations" not in ours[0]["authorities"][0]
    (attested,) = ours[1]["authorities"][0]["attestations"]
    assert attested["predicateType"] == "https://slsa.dev/provenance/v1"


def test_the_policy_pack_takes_it(cluster: Cluster) -> None:
    """ML024 finds nothing, and finds something once a policy only warns and the other asks for no provenance."""
    found = _resources(cluster)
    assert not _judged(found)
    for one in found:
        if one.type.endswith("ClusterImagePolicy"):
            cast(dict[str, Any], one.props["spec"])["mode"] = "warn"
    assert "mode is warn, expected enforce" in _judged(found)


def _resources(cluster: Cluster) -> list[Resource]:
    kinds = ("ClusterImagePolicy", "Namespace", "Platform")
    requests = [one for one in cluster.register().requests.values() if one.type.rpartition(":")[2] in kinds]
    return [Resource(one.type, one.name, deserialize_properties(one.object)) for one in requests]


def _judged(resources: list[Resource]) -> str:
    findings = judge(resources, Tier.PROD, [], date(2026, 1, 1), rules=[signatures_verified])
    return "; ".join(finding.message for finding in findings)


def test_what_is_not_ours_is_admitted_by_its_digest(cluster: Cluster) -> None:
    """The job that fills the online store runs in the models' namespace; every other image there is refused."""
    registered = cluster.register()
    spec = registered.one("ClusterImagePolicy", "admission-feast")["spec"]
    assert spec["images"] == [{"glob": cluster.environment()["kubernetes"]["images"]["feast"]}]
    assert spec["authorities"] == [{"name": "reviewed", "static": {"action": "pass"}}]
    webhook = registered.one("Release", "admission-chart")["values"]["webhook"]
    assert (webhook["failurePolicy"], webhook["configData"]) == ("Fail", {"no-match-policy": "deny"})


def test_the_models_namespace_alone_is_looked_at(cluster: Cluster) -> None:
    """By the label, which is not there where no key is named; models wait until the policies are there."""
    label = "policy.sigstore.dev/include"
    registered = cluster.register()
    labelled = {
        space["metadata"]["name"]
        for space in registered.all("Namespace").values()
        if space["metadata"]["labels"].get(label) == "true"
    }
    assert labelled == {f"shipway-{STACK}-models"}
    assert {"admission-signed", "admission-attested"} <= registered.waits_for("digits-blue")
    cluster.change(kubernetes__admission=None)
    assert all(label not in space["metadata"]["labels"] for space in cluster.register().all("Namespace").values())


def test_every_image_of_the_namespace_is_some_policys(cluster: Cluster) -> None:
    """What no policy matches is refused: the pods that fill the online store and train anew are there too."""
    cluster.change(kubernetes__retraining=PLACE)
    registered = cluster.register()
    globs = [image["glob"] for one in registered.all("ClusterImagePolicy").values() for image in one["spec"]["images"]]
    jobs = [one["spec"]["jobTemplate"]["spec"]["template"] for one in registered.all("CronJob").values()]
    slots = [
        one["spec"]["template"]
        for one in registered.all("Deployment").values()
        if "shipway/slot" in one["metadata"]["labels"]
    ]
    images = {container["image"] for pod in (*jobs, *slots) for container in pod["spec"]["containers"]}
    assert PLACE["image"] in images
    # `**` is any text.
    assert {image for image in images if not any(fnmatch(image, glob) for glob in globs)} == set()
