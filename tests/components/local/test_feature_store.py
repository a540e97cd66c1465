"""The feature repository that the stack makes is the one that the library speaks of."""

import yaml

from components.local.rendering import render
from shipway.features.repository import feature_store_yaml


def test_the_stack_and_the_library_describe_one_feature_repository() -> None:
    """Training and tests make a repository without a stack; both must be configured alike."""
    assert yaml.safe_load(render("feature_store.yaml.j2")) == yaml.safe_load(feature_store_yaml())
