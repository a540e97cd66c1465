"""An object store that speaks S3, as the ledger and the logs of a cluster use it."""

__all__ = ["kept", "live", "storage"]
