"""What the tests of load tests share."""

from tests.shipway.logs.conftest import logs

__all__ = ["logs"]
