"""The certificate and the record of the gateway's name."""

from typing import Any

from components.aws.certificate import Certificate
from components.aws.dns import NameRecords
from tests.components.aws.cloud import environment, register


def test_the_certificate_is_told_only_when_dns_has_proven_it() -> None:
    """The record lies in the zone that is given, and the load balancer gets what waits for it."""
    part = register(lambda opts: {"arn": Certificate("certificate", environment(), opts).arn})
    record, valid = part.one("certificate-proof"), part.one("certificate-valid")
    assert record.inputs["zoneId"] == "Z0123456789"
    assert part.one("certificate-gateway").inputs["domainName"] == "models.example.com"
    assert record.urn in valid.request.dependencies
    assert part.outputs["arn"] == valid.inputs["certificateArn"]


def test_records_are_written_for_the_one_name_in_the_one_zone() -> None:
    """Which no filter by the name finds from below; and marked as this environment's, so that it removes no other's."""

    def build(opts: Any) -> dict[str, Any]:
        NameRecords("names", environment(), opts)
        return {}

    values = register(build).one("names-chart").inputs["values"]
    assert values["domainFilters"] == ["models.example.com"]
    assert values["extraArgs"] == ["--zone-id-filter=Z0123456789", "--aws-zone-match-parent"]
    assert values["txtOwnerId"] == "shipway-prod"
