"""Freezing a regression set from what was served: the newest labelled rows, an even share of them."""

from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from shipway.bundle.source import import_from
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.logs.places import log_of
from shipway.retraining.run import service_of
from shipway.retraining.traffic import labelled_traffic
from shipway.training.regression import freeze, load_regression_set

__all__ = ["FROZEN_ROWS", "freeze_recent"]

# What a repository carries easily (some 60 KiB) and in which a difference of 0.02 in AUC shows.
FROZEN_ROWS = 2000


def freeze_recent(root: Path, env: str, model: str, as_of: datetime, say: Callable[[str], None]) -> tuple[Path, int]:
    """Returns the file of a new set for `model` and how many rows it holds.

    Of the recent labelled traffic that is in no set yet those units are taken whose hash is least: an even share,
    the same for the same traffic.

    Raises:
        ShipwayError: when fewer rows are there than a comparison needs, or the schema has personal fields.
    """
    service, spec = service_of(root, model)
    environment = load_environment(root, env)
    schema = import_from(service.parent, service.name, "schema").SCHEMA
    frozen = load_regression_set(service)
    known = frozen.units if frozen is not None else frozenset[str]()
    source = log_of(LocalLayout(root, env), environment, model, say)
    recent = labelled_traffic(source, schema, spec, as_of, known, spec.retraining.recent_rows)
    if len(recent.rows) < spec.retraining.minimum_rows:
        raise ShipwayError(
            f"{model}: {len(recent.rows)} labelled rows of recent traffic, expected at least "
            f"{spec.retraining.minimum_rows} (retraining.minimum_rows)"
        )
    chosen = sorted(recent.rows.index, key=lambda unit: blake2b(str(unit).encode()).digest())[:FROZEN_ROWS]
    rows = recent.rows.loc[chosen].sort_index()
    return freeze(service, schema, rows, recent.labels.loc[rows.index]), len(rows)
