"""What AWS asks for what the platform is made of: one table, read by the budget's check and by previews.

GPU types and machines without GPUs carry their own price, in gpu_types.py and instance_types.py, of the same list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

__all__ = ["PRICES", "PriceList"]


@dataclass(frozen=True)
class PriceList:
    """List prices in USD, on demand, before taxes and discounts.

    Args:
        region: where they hold; others may be a third above them.
        as_of: when they were read.
        source: where.
        hours_per_month: a month, as AWS's own calculator counts it.
        cluster_hour, nat_hour, balancer_hour: of one each.
        endpoint_hour: of an interface endpoint, for each zone that it has an address in.
        public_address_hour: of each public address, in use or not.
        key_month, secret_month: of one each.
        volume_gib_month: type of a node's volume -> price.
        database_gib_month: storage of a database in one zone; a standby's costs as much again.
        database_hour: class -> price of Postgres in one zone; a standby costs as much again.
        cache_hour: node type -> price with Valkey, a fifth below Redis.
    """

    region: str
    as_of: date
    source: str
    hours_per_month: int
    cluster_hour: float
    nat_hour: float
    balancer_hour: float
    endpoint_hour: float
    public_address_hour: float
    key_month: float
    secret_month: float
    volume_gib_month: Mapping[str, float]
    database_gib_month: float
    database_hour: Mapping[str, float]
    cache_hour: Mapping[str, float]


PRICES = PriceList(
    region="us-east-1",
    as_of=date(2025, 6, 30),
    source="AWS's public price pages",
    hours_per_month=730,
    cluster_hour=0.10,
    nat_hour=0.045,
    balancer_hour=0.0225,
    endpoint_hour=0.01,
    public_address_hour=0.005,
    key_month=1.0,
    secret_month=0.40,
    volume_gib_month={"gp2": 0.10, "gp3": 0.08},
    database_gib_month=0.115,
    database_hour={
        "db.t4g.micro": 0.016,
        "db.t4g.small": 0.032,
        "db.t4g.medium": 0.065,
        "db.t4g.large": 0.129,
        "db.m7g.large": 0.168,
        "db.m7g.xlarge": 0.337,
        "db.r7g.large": 0.239,
        "db.r7g.xlarge": 0.478,
    },
    cache_hour={
        "cache.t4g.micro": 0.0128,
        "cache.t4g.small": 0.0256,
        "cache.t4g.medium": 0.052,
        "cache.m7g.large": 0.1264,
        "cache.m7g.xlarge": 0.252,
        "cache.r7g.large": 0.1752,
        "cache.r7g.xlarge": 0.3496,
    },
)
