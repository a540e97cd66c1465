"""NameRecords: the gateway's host name leads to its load balancer, whose own name AWS makes up."""

import pulumi

from components.aws.account import Account
from components.kubernetes.charts import Chart, install
from shipway.contract.environment import EnvironmentSpec

__all__ = ["EXTERNAL_DNS", "HOSTNAME_ANNOTATION", "NameRecords"]

# Its ServiceAccount, whose role may change records of the one zone.
EXTERNAL_DNS = "external-dns"
# What tells it a Service's host name.
HOSTNAME_ANNOTATION = "external-dns.alpha.kubernetes.io/hostname"

_CHART = Chart("external-dns", "1.19.0", "https://kubernetes-sigs.github.io/external-dns/")


class NameRecords(pulumi.ComponentResource):
    """What writes the record of a Service that carries the annotation, and marks it as this environment's."""

    # The gateway comes after it and goes before it, or its record would stay.
    ready: pulumi.Resource

    def __init__(self, name: str, environment: EnvironmentSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:aws:NameRecords", name, {}, opts)
        gateway = Account.of(environment).spec.gateway
        self.ready = install(
            f"{name}-chart",
            _CHART,
            release=EXTERNAL_DNS,
            namespace="kube-system",
            values={
                "provider": {"name": "aws"},
                "sources": ["service"],
                # Nothing but the one name, in nothing but the one zone.
                "domainFilters": [gateway.hostname],
                # The name lies in the zone: by default a filter finds only zones of its own name and below.
                "extraArgs": [f"--zone-id-filter={gateway.hosted_zone_id}", "--aws-zone-match-parent"],
                "policy": "sync",
                # When the Service is gone this goes too, perhaps before its next look a minute later.
                "triggerLoopOnEvent": True,
                # Whose record it is: another environment's in the same zone is left alone.
                "registry": "txt",
                "txtOwnerId": f"shipway-{environment.name}",
                "serviceAccount": {"name": EXTERNAL_DNS},
            },
            parent=self,
            waits=[],
        )
        self.register_outputs({})
