import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.bundle.manifest import CoveredFile, Manifest
from shipway.bundle.reference import Histogram
from shipway.bundle.served import FaultsSpec, ServedModel, service_import
from shipway.contract.documents import parse
from shipway.contract.model import EvaluationSpec, GateSpec, LabelsSpec, SloSpec
from shipway.contract.serving import FeaturesSpec, ServingSpec

EMPTY = CoveredFile(path="a", sha256="0" * 64, size_bytes=0)


def test_files_of_a_manifest_are_sorted_and_unique() -> None:
    """The order of a listing can never make another digest of the same content."""
    with pytest.raises(ValueError, match="files sorted by path, each once"):
        Manifest(model="toy", service="toy.service:Toy", files=(EMPTY, EMPTY))


def test_an_unknown_layout_is_refused() -> None:
    """A slot does not guess at a bundle of another time."""
    with pytest.raises(ValueError, match="format"):
        Manifest(format=2, model="toy", service="toy.service:Toy", files=(EMPTY,))


@pytest.mark.parametrize(("package", "name"), [("digits", "Digits"), ("flight_delay", "FlightDelay")])
def test_the_served_class_is_the_package_in_camel_case(package: str, name: str) -> None:
    """Nobody has to declare which class is served."""
    assert service_import(package) == f"{package}.service:{name}"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, unique=True).map(sorted), st.floats(-2e6, 2e6))
def test_a_bin_holds_what_lies_between_its_edges(edges: list[float], value: float) -> None:
    """The lower edge belongs to the bin, the upper one to the next."""
    number = Histogram(edges=tuple(edges), counts=(0,) * (len(edges) + 1)).bin(value)
    assert number == 0 or edges[number - 1] <= value
    assert number == len(edges) or value < edges[number]


def test_counts_and_edges_must_agree() -> None:
    """A reference that cannot be compared with is refused when it is read."""
    with pytest.raises(ValueError, match="one count more than edges, not 1 counts and 1 edges"):
        Histogram(edges=(0.5,), counts=(1,))
    with pytest.raises(ValueError, match="edges that grow strictly"):
        Histogram(edges=(0.5, 0.5), counts=(1, 1, 1))


@pytest.mark.parametrize("faults", [None, FaultsSpec(error_ratio=0.2)])
def test_faults_are_in_the_document_only_where_there_are_some(faults: FaultsSpec | None) -> None:
    """The digest of a version that is meant to work does not know that faults exist."""
    served = ServedModel(
        name="toy",
        slo=SloSpec(),
        serving=ServingSpec(),
        features=FeaturesSpec(),
        labels=LabelsSpec(),
        evaluation=EvaluationSpec(gates=(GateSpec(metric="auc", minimum=0.5),)),
        faults=faults,
    )
    assert ("faults" in served.document()) == (faults is not None)
    assert parse(ServedModel, served.document(), "model.json") == served
