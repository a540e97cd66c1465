"""FeatureViews: what one service declares in its features.py, registered in the feature store."""

import subprocess
import sys
from pathlib import Path

import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props
from shipway.contract.errors import ShipwayError

__all__ = ["FeatureViews"]


def _features(action: str, props: Props) -> subprocess.CompletedProcess[str]:
    # Its own process: importing the feature store takes seconds and hundreds of megabytes, checking takes neither.
    return subprocess.run(
        [sys.executable, "-m", "shipway.features", action, "--service", props["service"], "--features", props["store"]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class FeatureViewsProvider(LocalProvider):
    """CRUD of one service's feature views."""

    identity = ("service", "store")

    def key(self, props: Props) -> str:
        return Path(props["service"]).name

    def put(self, props: Props, before: Props) -> Props:
        # Views outlive the stack; asking takes a third of a second, registering ten.
        if self.look(props) == IN_PLACE:
            return {}
        done = _features("apply", props)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ShipwayError(f"{props['service']}: its features are refused: {reason}")
        return {}

    def look(self, props: Props) -> str:
        done = _features("check", props)
        return IN_PLACE if done.returncode == 0 else "not registered as declared"

    def drop(self, props: Props) -> None:
        """Keeps views and values: another version of the model may read them."""


class FeatureViews(LocalResource, module="shipway", name="FeatureViews"):
    """The feature views of the service in `service`; `source` is a fingerprint of its features.py."""

    def __init__(self, name: str, service: Path, store: Path, source: str, opts: pulumi.ResourceOptions) -> None:
        props = {"service": str(service), "store": str(store), "source": source}
        super().__init__(FeatureViewsProvider(), name, props, (), opts)
