"""Tier: how careful an environment is, which models and environments both speak of."""

from enum import StrEnum

__all__ = ["Tier"]


class Tier(StrEnum):
    """How careful the platform is: faults may be injected in local, everything is protected in prod."""

    LOCAL = "local"
    NONPROD = "nonprod"
    PROD = "prod"
