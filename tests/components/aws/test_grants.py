"""Who may do what: no wildcard, no name that stays open, and every right belongs to a part that is there."""

import json
import re

import pytest

from components.aws.grants import GRANTS, document, grants_of, names_in

# What AWS knows no resource for.
LOOKS = re.compile(r"\w+:(Describe|List|GetAuthorizationToken|GetProducts)")
PARTS = sorted({grant.part for grant in GRANTS})


@pytest.mark.parametrize("part", PARTS)
def test_actions_are_named_and_resources_too_where_aws_knows_them(part: str) -> None:
    """`*` as a resource is left to what only looks."""
    for grant in grants_of(part):
        assert all(re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]+", action) for action in grant.actions), grant
        if "*" in grant.resources:
            assert grant.resources == ("*",)
            assert all(LOOKS.match(action) for action in grant.actions), grant


def test_whoever_makes_disks_lends_the_key_to_what_they_are_attached_to() -> None:
    """All disks are under the cluster's key: without the loan a node cannot read its own."""
    makes = {
        grant.part
        for grant in GRANTS
        if "ec2:CreateVolume" in grant.actions
        or ("ec2:RunInstances" in grant.actions and any(":volume/" in each for each in grant.resources))
    }
    lends = {
        grant.part
        for grant in GRANTS
        if "kms:CreateGrant" in grant.actions
        and grant.resources == ("{cluster_key}",)
        and grant.conditions == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    }
    assert makes == {"ebs-csi", "karpenter"}
    assert makes <= lends


def test_every_row_says_why() -> None:
    """In words, and no row twice."""
    assert all(len(grant.why.split()) >= 3 for grant in GRANTS)
    assert len({(one.part, one.actions, one.resources, str(one.conditions)) for one in GRANTS}) == len(GRANTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_document_leaves_nothing_open(part: str) -> None:
    """Each name in braces is filled in, in resources and conditions."""
    rows = grants_of(part)
    text = document(rows, dict.fromkeys(names_in(rows), "filled"))
    assert re.findall(r"\{\w+\}", text) == []
    assert [statement["Effect"] for statement in json.loads(text)["Statement"]] == ["Allow"] * len(rows)


def test_a_name_that_is_not_known_is_not_passed_over() -> None:
    """A policy with a hole would allow something else."""
    with pytest.raises(KeyError, match="ledger"):
        document(grants_of("delivery"), {"data_key": "key"})


def test_a_part_without_rows_is_a_mistake() -> None:
    """It would get a policy that allows nothing, and nobody would notice before it fails."""
    with pytest.raises(KeyError, match="nobody"):
        grants_of("nobody")
