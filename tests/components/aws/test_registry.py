"""Image repositories."""

import json
from typing import Any

from components.aws.registry import ImageRegistry, model_repository
from shipway.contract.environment import Tier
from tests.components.aws.cloud import KEY, environment, register


def _registry(opts: Any) -> dict[str, Any]:
    ImageRegistry("images", environment(), KEY, opts)
    model_repository(environment(), "flight-delay", KEY, opts)
    return {}


def test_repositories_pass_every_rule_and_bear_the_names_that_are_looked_up() -> None:
    """A model's lies below `models`, where a release looks for it; the platform's beside it."""
    part = register(_registry)
    names = {found.inputs["name"] for found in part.all("Repository").values()}
    assert names == {
        "shipway-prod/models/flight-delay",
        "shipway-prod/models/shipway/base",
        *(f"shipway-prod/platform/{image}" for image in ("delivery", "feast", "mlflow", "retraining")),
    }
    assert part.findings(Tier.PROD) == []


def test_a_signature_may_be_written_again_and_no_image_s_tag_may() -> None:
    """cosign signs under `sha256-<digest>.sig`: with an immutable one a key could not be changed."""
    for found in register(_registry).all("Repository").values():
        assert found.inputs["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
        assert found.inputs["imageTagMutabilityExclusionFilters"] == [{"filter": "sha256-*", "filterType": "WILDCARD"}]


def test_an_image_that_has_a_tag_stays() -> None:
    """The tag names the bundle: a rollback to an old one must find its image."""
    part = register(_registry)
    for found in part.all("LifecyclePolicy").values():
        selections = [rule["selection"]["tagStatus"] for rule in json.loads(found.inputs["policy"])["rules"]]
        assert selections == ["untagged"]
