"""The champion's answers on today's validation rows, given by its own code in its own process.

One process holds one version of a service's code, so the live bundle is asked in another:
`python -m shipway.training.champion --bundle FOLDER --rows rows.parquet --out predictions.npy`.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shipway.bundle.served import ServedModel
from shipway.bundle.source import import_from
from shipway.bundle.store import verify_bundle
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ShipwayError
from shipway.contract.release import short_digest
from shipway.contract.serving import FeatureRead
from shipway.training.artifact import restore

__all__ = ["champion_predictions", "fill_defaults"]

_TIMEOUT_SECONDS = 300


def fill_defaults(rows: pd.DataFrame, reads: tuple[FeatureRead, ...]) -> pd.DataFrame:
    """Returns `rows` as serving would show them to the model: a feature without a value has its declared default."""
    return rows.fillna({read.name: read.default for read in reads})


def champion_predictions(bundle: Path, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Returns what the bundle in `bundle` answers for `rows`, features still null where the store had none.

    Raises:
        ShipwayError: when it cannot answer, with its own last words.
    """
    with tempfile.TemporaryDirectory(prefix="shipway-champion-") as folder:
        given, out = Path(folder) / "rows.parquet", Path(folder) / "predictions.npy"
        rows.to_parquet(given)
        command = [sys.executable, "-m", "shipway.training.champion"]
        command += ["--bundle", str(bundle), "--rows", str(given), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise ShipwayError(
                f"the champion {short_digest(bundle.name)} cannot answer for the validation rows, expected one "
                f"prediction a row: {last[0]}; `--without-champion` trains without the comparison"
            )
        answered: NDArray[np.float64] = np.load(out, allow_pickle=False)
        return answered


def _answer(bundle: Path, rows: pd.DataFrame) -> NDArray[np.float64]:
    manifest = verify_bundle(bundle)
    files = bundle / "files"
    served = parse(ServedModel, read_json(files / "model.json"), files / "model.json")
    plan: Any = import_from(files / "src", manifest.service.partition(".")[0], "train")
    estimator = restore(plan, files / "model", manifest.trusted_types)
    predictions: NDArray[np.float64] = plan.predict(estimator, fill_defaults(rows, served.features.reads))
    return predictions


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shipway.training.champion", description=__doc__)
    for name in ("--bundle", "--rows", "--out"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    np.save(options.out, _answer(options.bundle.resolve(), pd.read_parquet(options.rows)), allow_pickle=False)


if __name__ == "__main__":
    _main()
