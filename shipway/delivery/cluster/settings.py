"""What the delivery process on a cluster is told, as Pulumi writes it into its ConfigMap."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shipway.contract.alerts import PLATFORM_RUNBOOK
from shipway.contract.documents import Spec, parse, read_json
from shipway.contract.worker_settings import LEDGER

__all__ = ["HISTORY", "LEDGER", "SETTINGS_FILE", "DeliverySettings", "LeaseSettings", "read_settings"]

# Where records lie below the folder that an environment has in the object store, beside LEDGER.
HISTORY = "history"
# The key of the ConfigMap, and the file that the process finds.
SETTINGS_FILE = "delivery.json"

Text = Annotated[str, Field(min_length=1)]


class LeaseSettings(Spec):
    """Where the Lease lies."""

    namespace: Text
    name: Text


class DeliverySettings(Spec):
    """What one environment's delivery works on.

    Args:
        environment: its name, which its series carry.
        models_namespace: where routes, slots and their declarations are.
        lease: which of the copies acts.
        prometheus_url: where evidence is read.
        alertmanager: host:port of where alarms go.
        records: the folder of the object store that holds ledger/ and history/.
        scrape_interval_seconds: how often slots are scraped.
        runbook_url: where the page of all alerts lies.
    """

    environment: Text
    models_namespace: Text
    lease: LeaseSettings
    prometheus_url: Annotated[str, Field(pattern=r"^https?://[\w.-]+(:\d+)?$")]
    alertmanager: Annotated[str, Field(pattern=r"^[\w.-]+:\d+$")]
    records: Annotated[str, Field(pattern=r"^s3://")]
    scrape_interval_seconds: Annotated[float, Field(gt=0)]
    runbook_url: Text = PLATFORM_RUNBOOK


def read_settings(path: Path) -> DeliverySettings:
    """Returns the settings in a file; raises SpecError naming the key that is wrong."""
    return parse(DeliverySettings, read_json(path), path)
