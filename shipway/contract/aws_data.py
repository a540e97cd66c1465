"""What an environment on AWS keeps its data in: databases, online store, and what it may cost."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from shipway.contract.documents import Spec

__all__ = ["BudgetSpec", "DatabaseSpec", "OnlineStoreSpec"]

Positive = Annotated[int, Field(gt=0)]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[\w-]+(\.[\w-]+)+$")]


class DatabaseSpec(Spec):
    """One Postgres of RDS; in two zones, and kept when the stack goes, on tier prod.

    Args:
        instance_class: the machine.
        storage_gib: what it starts with.
        max_storage_gib: what it may grow to by itself.
        backup_days: how far back it can be restored to any second.
    """

    instance_class: Annotated[str, Field(pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$")] = "db.t4g.small"
    storage_gib: Annotated[int, Field(ge=20)] = 20
    max_storage_gib: Annotated[int, Field(ge=22)] = 100
    backup_days: Annotated[int, Field(ge=1, le=35)] = 7

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        # RDS takes no ceiling that is nearer.
        if self.max_storage_gib * 10 < self.storage_gib * 11:
            raise ValueError(
                f"max_storage_gib ({self.max_storage_gib}) to be a tenth above storage_gib ({self.storage_gib})"
            )
        return self


class OnlineStoreSpec(Spec):
    """The online store on ElastiCache, as Valkey.

    Args:
        node_type: the machine; all values must fit into its memory.
        replicas: of the one node that takes writes, in other zones; with none a lost node loses the values until the
            next materialisation.
        snapshot_days: how long its daily snapshots are kept.
        password_days: how often the password changes. The one before stays good until the next change, so a process
            that read it when it started has at least this long.
    """

    node_type: Annotated[str, Field(pattern=r"^cache\.[a-z0-9]+\.[a-z0-9]+$")] = "cache.t4g.small"
    replicas: Annotated[int, Field(ge=0, le=5)] = 1
    snapshot_days: Annotated[int, Field(ge=0, le=35)] = 1
    password_days: Annotated[int, Field(ge=30, le=365)] = 90


class BudgetSpec(Spec):
    """Who hears what the environment costs; how much it may cost is `budget_usd_per_month`.

    Args:
        emails: who is written to.
        anomaly_usd: how far above what is usual a day's cost of one service must be to be told.
    """

    emails: Annotated[tuple[Email, ...], Field(min_length=1, max_length=10)]
    anomaly_usd: Positive = 50
