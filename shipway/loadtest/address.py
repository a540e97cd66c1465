"""Where requests may be sent: to this machine, or to the gateway of the environment that was named. Pure."""

import ipaddress
from urllib.parse import urlsplit

from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import SpecError
from shipway.contract.tier import Tier

__all__ = ["checked_address", "gateway_of"]

_PREDICT = "predict"


def gateway_of(environment: EnvironmentSpec) -> str:
    """Returns the host name of an environment's gateway, empty for one on this machine."""
    part = environment.kubernetes or environment.aws
    return part.gateway.hostname if part is not None else ""


def checked_address(url: str, environment: EnvironmentSpec) -> tuple[str, str]:
    """Returns scheme with host and port, and the path of the predictions.

    Args:
        url: of the model, with or without `/predict` at its end.
        environment: whose gateway may be asked.

    Raises:
        SpecError: for any host but this machine and the environment's own gateway, and for a gateway of tier prod:
            its callers would wait behind the test, and its drift and rollouts would be judged by made-up requests.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise SpecError("the command line", "--url", url, "an address such as http://127.0.0.1:8080/MODEL") from None
    gateway = gateway_of(environment)
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.username is not None:
        raise SpecError("the command line", "--url", url, "http://HOST[:PORT]/MODEL without user and query")
    if not _here(host):
        if host != gateway:
            known = f"this machine or {gateway}, the gateway of {environment.name}" if gateway else "this machine"
            raise SpecError("the command line", "--url", host, known)
        if environment.tier is Tier.PROD:
            expected = "no gateway of tier prod: callers would wait behind the test, and its requests would count"
            raise SpecError("the command line", "--url", host, expected)
    path = parts.path.rstrip("/").removesuffix(f"/{_PREDICT}")
    return f"{parts.scheme}://{parts.netloc}", f"{path}/{_PREDICT}"


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
