"""Certificate: what the gateway's load balancer proves its name with, renewed by AWS for as long as DNS agrees."""

import pulumi
from pulumi_aws import acm, route53

from components.aws.account import Account
from components.aws.tags import tags
from shipway.contract.environment import EnvironmentSpec

__all__ = ["Certificate"]

_TTL_SECONDS = 300


class Certificate(pulumi.ComponentResource):
    """A certificate of ACM for the gateway's host name; `arn` is there only once it is valid."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, environment: EnvironmentSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:aws:Certificate", name, {}, opts)
        gateway, child = Account.of(environment).spec.gateway, pulumi.ResourceOptions(parent=self)
        certificate = acm.Certificate(
            f"{name}-gateway",
            domain_name=gateway.hostname,
            validation_method="DNS",
            key_algorithm="EC_prime256v1",
            tags=tags(environment),
            opts=child,
        )
        # One host name has one option.
        proof = certificate.domain_validation_options[0]
        record = route53.Record(
            f"{name}-proof",
            zone_id=gateway.hosted_zone_id,
            name=proof.resource_record_name.apply(_given),
            type=proof.resource_record_type.apply(_given),
            records=[proof.resource_record_value.apply(_given)],
            ttl=_TTL_SECONDS,
            # A certificate that another environment has of the same name is proven by the same record.
            allow_overwrite=True,
            opts=child,
        )
        valid = acm.CertificateValidation(
            f"{name}-valid", certificate_arn=certificate.arn, validation_record_fqdns=[record.fqdn], opts=child
        )
        self.arn = valid.certificate_arn
        self.register_outputs({})


def _given(value: str | None) -> str:
    # The SDK types what a certificate by DNS always has as optional.
    if value is None:
        raise ValueError("the certificate has no record that proves it, expected one")
    return value
