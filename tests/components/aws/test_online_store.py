"""The online store, and how it comes by a password that Pulumi never sees."""

import json
from typing import Any

from components.aws.online_store import OnlineStore
from components.aws.password import StorePassword
from shipway.contract.aws_data import OnlineStoreSpec
from shipway.contract.environment import Tier
from tests.components.aws.cloud import KEY, Part, environment, register


def _store(replicas: int = 1, **changes: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        given = environment(**changes)
        store = OnlineStore(
            "online-store",
            given,
            spec=OnlineStoreSpec(replicas=replicas),
            key_arn=KEY,
            vpc_id="vpc-1",
            subnet_ids=["subnet-1", "subnet-2"],
            clients_security_group_id="sg-nodes",
            opts=opts,
        )
        password = StorePassword(
            "online-store-password", given, user_arn=store.user_arn, change_days=90, key_arn=KEY, opts=opts
        )
        return {"host": store.host, "user": store.user_arn, "secret": password.secret_arn}

    return register(build)


def test_the_store_passes_every_rule() -> None:
    """TLS alone, encrypted, with users, and kept in prod."""
    part = _store()
    assert part.findings(Tier.PROD) == []
    assert part.one("online-store-group").inputs["transitEncryptionMode"] == "required"


def test_a_lost_zone_takes_the_store_only_without_a_replica() -> None:
    """A replica is in another zone and takes over by itself."""
    assert _store(replicas=2).one("online-store-group").inputs["multiAzEnabled"] is True
    assert _store(replicas=2).one("online-store-group").inputs["numCacheClusters"] == 3
    assert _store(replicas=0).one("online-store-group").inputs["automaticFailoverEnabled"] is False


def test_its_user_has_no_password_until_the_function_gave_it_one() -> None:
    """It is made known to IAM alone, and what it is given later Pulumi does not take back."""
    found = _store().one("online-store-user")
    assert found.inputs["authenticationMode"] == {"type": "iam"}
    assert not {"passwords", "passwordsWo", "noPasswordRequired"} & found.inputs.keys()
    assert list(found.request.ignoreChanges) == ["authenticationMode"]
    assert found.inputs["userId"] == found.inputs["userName"]
    assert "-@dangerous" in found.inputs["accessString"]


def test_the_password_is_made_by_the_first_change() -> None:
    """The secret has no value from here; changing it starts at once, when Secrets Manager may call the function."""
    part = _store()
    assert part.all("SecretVersion") == {}
    change = part.one("online-store-password-change")
    assert change.inputs["rotateImmediately"] is True
    assert change.inputs["rotationRules"] == {"automaticallyAfterDays": 90}
    waits = {one.name for one in part.found if one.urn in change.request.dependencies}
    assert {"online-store-password-call", "online-store-password-grants"} <= waits


def test_the_function_has_the_rights_of_its_four_steps_and_no_others() -> None:
    """On the one secret, the one user, the key by way of Secrets Manager, and its own log."""
    part = _store()
    policy = json.loads(part.one("online-store-password-grants").inputs["policy"])
    resources = {action: one["Resource"] for one in policy["Statement"] for action in one["Action"]}
    assert resources["elasticache:ModifyUser"] == [part.outputs["user"]]
    assert resources["secretsmanager:PutSecretValue"] == [part.outputs["secret"]]
    assert {action.partition(":")[0] for action in resources} == {"elasticache", "kms", "logs", "secretsmanager"}
    assert not [action for action in resources if "*" in action]
