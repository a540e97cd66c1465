"""The stack on which delivery is tried."""

from tests.shipway.delivery.stack import stack

__all__ = ["stack"]
