"""What every test shares: nothing is written beside the sources."""

from pathlib import Path

from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(Path(__file__).resolve().parents[1] / ".shipway" / "cache" / "hypothesis")
