import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.bundle.canonical import canonical_json, canonicalise_skops
from shipway.contract.errors import ArtifactError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_canonical_json_does_not_depend_on_the_order_of_keys(data: dict[str, Any]) -> None:
    """Equal data gives equal bytes, and the bytes give the data back."""
    turned = dict(reversed(list(data.items())))
    assert canonical_json(turned) == canonical_json(data)
    assert json.loads(canonical_json(data)) == data


def test_canonical_json_refuses_nan() -> None:
    """A number that JSON cannot hold is no content to be hashed."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def archive(path: Path, addresses: list[int], order: list[int]) -> None:
    arrays = {f"{address}.npy": bytes([number]) for number, address in enumerate(addresses)}
    schema = {"parts": [{"file": f"{address}.npy", "__id__": address} for address in addresses], "__id__": 7}
    with zipfile.ZipFile(path, "w") as out:
        for number in order:
            name = f"{addresses[number]}.npy"
            out.writestr(zipfile.ZipInfo(name, date_time=time.localtime((number + 5) * 10**8)[:6]), arrays[name])
        out.writestr("schema.json", json.dumps(schema, indent=2))


@given(
    st.lists(st.integers(min_value=8, max_value=2**48), min_size=3, max_size=3, unique=True),
    st.permutations([0, 1, 2]),
)
def test_an_archive_does_not_depend_on_addresses_times_or_order(
    tmp_path_factory: pytest.TempPathFactory, addresses: list[int], order: list[int]
) -> None:
    """Two runs that saved equal objects at other addresses, at other times, in another order agree byte for byte."""
    folder = tmp_path_factory.mktemp("archives")
    archive(folder / "a.skops", [100, 200, 300], [0, 1, 2])
    archive(folder / "b.skops", addresses, order)
    canonicalise_skops(folder / "a.skops")
    canonicalise_skops(folder / "b.skops")
    assert (folder / "a.skops").read_bytes() == (folder / "b.skops").read_bytes()


def test_a_canonical_estimator_loads_and_predicts_the_same(tmp_path: Path) -> None:
    """Renumbering changes the file, not the estimator."""
    import skops.io
    from sklearn.linear_model import LogisticRegression

    inputs = np.arange(20.0).reshape(10, 2)
    fitted = LogisticRegression().fit(inputs, np.arange(10) > 4)
    paths = [tmp_path / "a.skops", tmp_path / "b.skops"]
    for path in paths:
        skops.io.dump(fitted, path)
        canonicalise_skops(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert np.array_equal(skops.io.load(paths[0]).predict_proba(inputs), fitted.predict_proba(inputs))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    """The error names the file and what was expected."""
    path = tmp_path / "model.skops"
    path.write_text("nothing")
    with pytest.raises(ArtifactError, match=r"model\.skops: expected a skops archive with schema\.json"):
        canonicalise_skops(path)
