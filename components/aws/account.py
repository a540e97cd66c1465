"""Account: which account and region an environment is in, and what its file says of them."""

from dataclasses import dataclass
from typing import Self

from shipway.contract.aws import AwsSpec
from shipway.contract.environment import EnvironmentSpec, Target
from shipway.contract.errors import SpecError

__all__ = ["Account"]


@dataclass(frozen=True)
class Account:
    """The account and the region of an environment: everything of it lies there."""

    spec: AwsSpec
    region: str

    @property
    def id(self) -> str:
        """The account's number."""
        return self.spec.account_id

    @classmethod
    def of(cls, environment: EnvironmentSpec) -> Self:
        """Returns the account of an environment.

        Raises:
            SpecError: when its target is another one.
        """
        if environment.aws is None or environment.region is None:
            path = f"stacks/Pulumi.{environment.name}.yaml"
            raise SpecError(path, "target", str(environment.target), f"{Target.AWS}, with a region and the section aws")
        return cls(environment.aws, environment.region)
