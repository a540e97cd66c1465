"""Where the logs of a model lie: with its slots' own files on a laptop, in the object store of a cluster."""

import time
from collections.abc import Callable

from shipway.contract.environment import EnvironmentSpec, Target
from shipway.contract.kubeconfig import cluster_of
from shipway.contract.layout import LocalLayout
from shipway.logs.sources import LocalSource, Source

__all__ = ["log_of"]


def log_of(
    layout: LocalLayout,
    environment: EnvironmentSpec,
    model: str,
    say: Callable[[str], None],
    now: Callable[[], float] = time.time,
) -> Source:
    """Returns the logs of a model where its slots write them: in files here, or in the object store of its cluster.

    Args:
        layout: of the environment.
        environment: where the model runs.
        model: its name.
        say: called with one sentence for each thing that cannot be read.
        now: seconds since the epoch.
    """
    if environment.target is Target.LOCAL:
        return LocalSource(layout.predictions / model, say)
    # What a laptop without a cluster lacks.
    from shipway.logs.objects import ObjectSource
    from shipway.objects.storage import ObjectStorage

    place = cluster_of(layout.root, environment).object_storage
    storage = ObjectStorage(f"{place.predictions}/{model}", endpoint_url=place.endpoint_url)
    return ObjectSource(storage, say, now)
