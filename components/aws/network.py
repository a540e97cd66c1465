"""Network: the VPC over three zones; nodes have no address of the Internet's, databases no way to it at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, ec2

from components.aws.account import Account
from components.aws.identity import granted, service_role
from components.aws.tags import tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["Network", "NetworkOutputs"]

_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class NetworkOutputs:
    """What stands in the network: subnets in the order of the zones."""

    vpc_id: pulumi.Output[str]
    public_subnet_ids: Sequence[pulumi.Output[str]]
    private_subnet_ids: Sequence[pulumi.Output[str]]
    intra_subnet_ids: Sequence[pulumi.Output[str]]


class Network(pulumi.ComponentResource):
    """The subnets, how each reaches the world, and the record of who talked to whom."""

    outputs: NetworkOutputs

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        log_key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:Network", name, {}, opts)
        self._name, self._environment, self._spec = name, environment, Account.of(environment).spec
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = ec2.Vpc(
            f"{name}-vpc",
            cidr_block=self._spec.vpc_cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._tags("vpc"),
            opts=self._child,
        )
        # Whatever forgets its own group is let through to nothing.
        ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=vpc.id, tags=self._tags("closed"), opts=self._child)
        self._flow_log(vpc, log_key_arn)
        plan = self._spec.subnets
        public = self._subnets(vpc, "public", plan.public, {"kubernetes.io/role/elb": "1"})
        private = self._subnets(vpc, "private", plan.private, {"kubernetes.io/role/internal-elb": "1"})
        intra = self._subnets(vpc, "intra", plan.intra, {})
        out = self._routes(vpc, public, private)
        self.outputs = NetworkOutputs(vpc.id, [one.id for one in public], out, [one.id for one in intra])
        self.register_outputs({})

    def _tags(self, what: str) -> dict[str, str]:
        return {**tags(self._environment), "Name": f"{cluster_name(self._environment)}-{what}"}

    def _subnets(self, vpc: ec2.Vpc, kind: str, ranges: Sequence[str], own: dict[str, str]) -> list[ec2.Subnet]:
        return [
            ec2.Subnet(
                f"{self._name}-{kind}-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=cidr,
                # Not the public ones either: what needs an address there, such as a load balancer, gets one of its own.
                map_public_ip_on_launch=False,
                tags={**self._tags(f"{kind}-{zone}"), **own},
                opts=self._child,
            )
            for zone, cidr in zip(self._spec.availability_zones, ranges, strict=True)
        ]

    def _routes(
        self, vpc: ec2.Vpc, public: Sequence[ec2.Subnet], private: Sequence[ec2.Subnet]
    ) -> list[pulumi.Output[str]]:
        gateway = ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=vpc.id, tags=self._tags("internet"), opts=self._child
        )
        table = self._table(vpc, "public")
        world = ec2.Route(
            f"{self._name}-public-out",
            route_table_id=table.id,
            destination_cidr_block=_ANYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )
        zones = self._spec.availability_zones
        led = [self._associate(f"public-{zone}", one, table.id) for zone, one in zip(zones, public, strict=True)]
        ways = zones if self._spec.nat == "per_zone" else zones[:1]
        nats = [self._nat(*place, world) for place in zip(ways, public, led, strict=False)]
        found: list[pulumi.Output[str]] = []
        for number, (zone, subnet) in enumerate(zip(zones, private, strict=True)):
            own = self._table(vpc, f"private-{zone}")
            route = ec2.Route(
                f"{self._name}-private-{zone}-out",
                route_table_id=own.id,
                destination_cidr_block=_ANYWHERE,
                nat_gateway_id=nats[number % len(nats)].id,
                opts=self._child,
            )
            # By way of the route, so that no node starts in a subnet that leads nowhere yet.
            way = self._associate(f"private-{zone}", subnet, route.route_table_id)
            found.append(pulumi.Output.all(subnet.id, way.id).apply(lambda ids: str(ids[0])))
        # The intra subnets keep the VPC's main table, which leads nowhere.
        return found

    def _table(self, vpc: ec2.Vpc, what: str) -> ec2.RouteTable:
        return ec2.RouteTable(f"{self._name}-{what}", vpc_id=vpc.id, tags=self._tags(what), opts=self._child)

    def _associate(self, what: str, subnet: ec2.Subnet, table_id: pulumi.Input[str]) -> ec2.RouteTableAssociation:
        return ec2.RouteTableAssociation(
            f"{self._name}-{what}-routes", subnet_id=subnet.id, route_table_id=table_id, opts=self._child
        )

    def _nat(self, zone: str, subnet: ec2.Subnet, *ways: pulumi.Resource) -> ec2.NatGateway:
        address = ec2.Eip(
            f"{self._name}-nat-{zone}-address", domain="vpc", tags=self._tags(f"nat-{zone}"), opts=self._child
        )
        return ec2.NatGateway(
            f"{self._name}-nat-{zone}",
            subnet_id=subnet.id,
            allocation_id=address.allocation_id,
            tags=self._tags(f"nat-{zone}"),
            # As long as it is there it leads out, also while all is destroyed: pods still ask AWS to take things away.
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(ways)),
        )

    def _flow_log(self, vpc: ec2.Vpc, log_key_arn: pulumi.Input[str]) -> None:
        group = cloudwatch.LogGroup(
            f"{self._name}-flows",
            name=f"/shipway/{self._environment.name}/network",
            kms_key_id=log_key_arn,
            retention_in_days=self._spec.log_retention_days,
            tags=tags(self._environment),
            opts=self._child,
        )
        role = service_role("flow-logs", "vpc-flow-logs", self._environment, self._child)
        values = {"flow_log_group": group.arn}
        rights = granted("flow-logs", "flow-logs", self._environment, role, values, self._child)
        ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,
            tags=tags(self._environment),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )
