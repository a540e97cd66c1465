"""Postgres on RDS."""

from typing import Any

import pytest

from components.aws.database import Database
from shipway.contract.aws_data import DatabaseSpec
from shipway.contract.environment import Tier
from tests.components.aws.cloud import KEY, Part, environment, register


def _database(**changes: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        found = Database(
            "mlflow-database",
            environment(**changes),
            database="mlflow",
            spec=DatabaseSpec(),
            key_arn=KEY,
            vpc_id="vpc-1",
            subnet_ids=["subnet-1", "subnet-2"],
            clients_security_group_id="sg-nodes",
            opts=opts,
        )
        return {"host": found.host, "secret": found.secret_arn}

    return register(build)


def test_a_database_passes_every_rule() -> None:
    """Encrypted, private, tagged and, in prod, in two zones and kept."""
    part = _database()
    assert part.findings(Tier.PROD) == []
    assert part.one("mlflow-database-instance").inputs["multiAz"] is True


def test_rds_makes_the_password_and_nobody_else_knows_it() -> None:
    """No input is a password; pods read the secret that RDS keeps, whose ARN is known only afterwards."""
    part = _database()
    given = part.one("mlflow-database-instance").inputs
    assert given["manageMasterUserPassword"] is True
    assert given["masterUserSecretKmsKeyId"] == KEY
    assert not {"password", "passwordWo"} & given.keys()
    assert part.outputs["secret"].startswith("arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!db-")
    assert part.outputs["host"].startswith("shipway-prod-mlflow.")


def test_only_the_nodes_reach_it_and_only_over_tls() -> None:
    """One rule lets one group in, at one port; the server refuses clear text."""
    part = _database()
    (rule,) = part.all("SecurityGroupIngressRule").values()
    assert rule.inputs["referencedSecurityGroupId"] == "sg-nodes"
    assert (rule.inputs["fromPort"], rule.inputs["toPort"]) == (5432, 5432)
    parameters = part.one("mlflow-database-parameters").inputs["parameters"]
    assert {one["name"]: one["value"] for one in parameters}["rds.force_ssl"] == "1"


def test_its_logs_are_there_before_it_would_make_them_without_a_key() -> None:
    """RDS writes into the groups of its name: they are encrypted and end."""
    part = _database()
    groups = part.all("LogGroup")
    assert {found.inputs["name"].rpartition("/")[2] for found in groups.values()} == {"postgresql", "upgrade"}
    assert {found.inputs["kmsKeyId"] for found in groups.values()} == {KEY}
    assert {found.urn for found in groups.values()} <= set(part.one("mlflow-database-instance").request.dependencies)


@pytest.mark.parametrize(("tier", "keeps"), [("prod", True), ("nonprod", False)])
def test_its_data_outlives_a_mistake_in_prod(tier: str, keeps: bool) -> None:
    """Protected by the engine and by AWS, with a last snapshot; elsewhere a destroy leaves nothing."""
    found = _database(tier=tier).one("mlflow-database-instance")
    given = found.inputs
    assert (found.request.protect, given["deletionProtection"], not given["skipFinalSnapshot"]) == (keeps,) * 3
    assert given.get("finalSnapshotIdentifier") == ("shipway-prod-mlflow-final" if keeps else None)
