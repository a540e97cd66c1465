"""LoadBalancer: what makes the Network Load Balancer before the gateway, and who may reach it."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_aws import ec2, vpc

from components.aws.account import Account
from components.aws.identity import pod_identity
from components.aws.tags import keeps_data, tags
from components.kubernetes.charts import Chart, install
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["LoadBalancer"]

_CHART = Chart("aws-load-balancer-controller", "3.4.2", "https://aws.github.io/eks-charts")
_NAMESPACE = "kube-system"
_NAME = "aws-load-balancer-controller"
_PART = "load-balancer"
_HTTPS_PORT = 443
# Envoy Gateway moves ports that only root may listen on up by this many.
_ENVOY_PORT = 10_000 + _HTTPS_PORT
_ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer-"
# TLS 1.2 and 1.3, with forward secrecy alone.
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


class LoadBalancer(pulumi.ComponentResource):
    """The controller, and the annotations by which the gateway's Service gets its load balancer.

    TLS ends at the load balancer: its certificate is ACM's, which renews it and never hands out the key. To Envoy,
    within the VPC, it is clear text, unless Envoy has a certificate of its own: then the load balancer encrypts again.
    """

    annotations: Mapping[str, pulumi.Input[str]]
    # The gateway comes after it and goes before it, or its load balancer would stay.
    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        nodes_group_id: pulumi.Input[str],
        certificate_arn: pulumi.Input[str],
        hostname: Mapping[str, str],
        cluster: pulumi.Resource,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:LoadBalancer", name, {}, opts)
        self._name, self._environment = name, environment
        self._child = pulumi.ResourceOptions(parent=self, depends_on=[cluster])
        group = self._group(vpc_id, nodes_group_id)
        self.annotations = {**self._annotations(group, subnet_ids, certificate_arn), **hostname}
        self.ready = self._controller(vpc_id)
        self.register_outputs({})

    def _group(self, vpc_id: pulumi.Input[str], nodes_group_id: pulumi.Input[str]) -> ec2.SecurityGroup:
        environment, spec = self._environment, Account.of(self._environment).spec
        own = {**tags(environment), "Name": f"{cluster_name(environment)}-gateway"}
        group = ec2.SecurityGroup(
            f"{self._name}-group",
            name=f"{cluster_name(environment)}-gateway",
            description="Callers of the gateway",
            vpc_id=vpc_id,
            tags={**own, "app.kubernetes.io/component": "gateway"},
            opts=self._child,
        )
        for number, addresses in enumerate(spec.gateway.client_ranges or (spec.vpc_cidr,)):
            vpc.SecurityGroupIngressRule(
                f"{self._name}-from-{number}",
                security_group_id=group.id,
                description="Callers",
                cidr_ipv4=addresses,
                ip_protocol="tcp",
                from_port=_HTTPS_PORT,
                to_port=_HTTPS_PORT,
                tags={**own, "app.kubernetes.io/component": "gateway"},
                opts=self._child,
            )
        vpc.SecurityGroupEgressRule(
            f"{self._name}-to-envoy",
            security_group_id=group.id,
            description="Envoy",
            referenced_security_group_id=nodes_group_id,
            ip_protocol="tcp",
            from_port=_ENVOY_PORT,
            to_port=_ENVOY_PORT,
            tags=own,
            opts=self._child,
        )
        vpc.SecurityGroupIngressRule(
            f"{self._name}-at-envoy",
            security_group_id=nodes_group_id,
            description="The gateway's load balancer",
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=_ENVOY_PORT,
            to_port=_ENVOY_PORT,
            tags=own,
            opts=self._child,
        )
        return group

    def _annotations(
        self,
        group: ec2.SecurityGroup,
        subnet_ids: Sequence[pulumi.Input[str]],
        certificate_arn: pulumi.Input[str],
    ) -> dict[str, pulumi.Input[str]]:
        environment, spec = self._environment, Account.of(self._environment).spec
        protects = "true" if keeps_data(environment) else "false"
        found: dict[str, pulumi.Input[str]] = {
            "type": "external",
            "name": cluster_name(environment),
            "scheme": "internet-facing" if spec.gateway.client_ranges else "internal",
            "nlb-target-type": "ip",
            "subnets": pulumi.Output.all(*subnet_ids).apply(",".join),
            "security-groups": group.id,
            # Who may reach the nodes is said above, and the controller has no right to change it.
            "manage-backend-security-group-rules": "false",
            "ssl-cert": certificate_arn,
            "ssl-ports": str(_HTTPS_PORT),
            "ssl-negotiation-policy": _TLS_POLICY,
            "attributes": f"deletion_protection.enabled={protects},load_balancing.cross_zone.enabled=true",
            "additional-resource-tags": ",".join(f"{key}={value}" for key, value in sorted(tags(environment).items())),
        }
        if spec.gateway.backend_tls_secret:
            found["backend-protocol"] = "ssl"
        return {f"{_ANNOTATION}{key}": value for key, value in found.items()}

    def _controller(self, vpc_id: pulumi.Input[str]) -> pulumi.Resource:
        environment = self._environment
        identity = pod_identity(
            _PART, _PART, environment, namespace=_NAMESPACE, service_account=_NAME, values={}, opts=self._child
        )
        return install(
            f"{self._name}-chart",
            _CHART,
            release=_NAME,
            namespace=_NAMESPACE,
            values={
                "clusterName": cluster_name(environment),
                # Asked of the node's metadata otherwise, which no pod reaches.
                "region": Account.of(environment).region,
                "vpcId": vpc_id,
                "serviceAccount": {"name": _NAME},
                "replicaCount": 2,
                "podDisruptionBudget": {"maxUnavailable": 1},
                # The gateway's Service says whose it is. A webhook would refuse every Service until it runs.
                "enableServiceMutatorWebhook": False,
                # None of these is this platform's to ask for.
                "enableShield": False,
                "enableWaf": False,
                "enableWafv2": False,
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
            },
            parent=self,
            waits=[identity],
        )
