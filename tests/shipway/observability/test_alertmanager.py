"""Alertmanager's configuration, accepted by amtool."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from shipway.contract.alerts import AlertName
from shipway.observability.alertmanager import alertmanager_config

REPOSITORY = Path(__file__).resolve().parents[3]
FILE_URL = "http://127.0.0.1:1/alerts"


@pytest.fixture
def amtool() -> str:
    """Returns the path of amtool: the project's own, on PATH, or in the tool cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "shipway" / "tools"
    places = [REPOSITORY / ".shipway" / "bin", *cache.glob("alertmanager-*"), *os.environ["PATH"].split(os.pathsep)]
    found = shutil.which("amtool", path=os.pathsep.join(str(place) for place in places))
    if found is None:
        pytest.skip("amtool is not here; `make setup` gets it")
    return found


@pytest.mark.parametrize("urls", [(), ("https://example.com/a?b=c%20d", "http://127.0.0.1:2/")])
def test_amtool_accepts_the_configuration(amtool: str, tmp_path: Path, urls: tuple[str, ...]) -> None:
    """With and without webhooks it is whole, and the receivers are those named."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(alertmanager_config(FILE_URL, urls))
    done = subprocess.run([amtool, "check-config", str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = yaml.safe_load(path.read_text())
    told = [hook["url"] for receiver in document["receivers"] for hook in receiver["webhook_configs"]]
    assert told == [FILE_URL, FILE_URL, *urls]


def test_the_file_gets_every_alert_whatever_the_webhooks_do(amtool: str, tmp_path: Path) -> None:
    """An alert is routed to the file and to the webhooks both, each with its own queue."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(alertmanager_config(FILE_URL, ["https://example.com/a"]))
    command = [amtool, "config", "routes", "test", f"--config.file={path}", "severity=page", "model=digits"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "file,webhooks")


def test_the_watchdog_goes_to_the_file_and_to_who_listens_for_it(amtool: str, tmp_path: Path) -> None:
    """Nobody else is told of what fires for ever, and its listener hears of nothing but that."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(alertmanager_config(FILE_URL, ["https://example.com/a"], "https://example.com/beat", 7))
    command = [amtool, "config", "routes", "test", f"--config.file={path}", f"alertname={AlertName.WATCHDOG}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "watchdog")
    document = yaml.safe_load(path.read_text())
    (listening,) = [one for one in document["receivers"] if one["name"] == "watchdog"]
    assert [hook["url"] for hook in listening["webhook_configs"]] == [FILE_URL, "https://example.com/beat"]
    assert document["route"]["routes"][0]["repeat_interval"] == "7s"
