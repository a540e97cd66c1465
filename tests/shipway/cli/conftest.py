"""The project in which the command is tried."""

from tests.shipway.cli.project import project
from tests.shipway.delivery.stack import stack

__all__ = ["project", "stack"]
