"""Envoy's one listener: the gateway's port, the limits that hold for every model, and errors as JSON."""

from pathlib import Path
from typing import Any

__all__ = ["BUFFER_FILTER", "ROUTES_NAME", "listener"]

BUFFER_FILTER = "envoy.filters.http.buffer"
# The name under which the listener asks for its routes; Envoy's counters are called http.ingress.rds.main.*.
ROUTES_NAME = "main"

# Where a route says nothing. Routes of models carry their own limit.
DEFAULT_MAX_BODY_BYTES = 1_048_576
# How long a caller may take to send its headers, and its whole request: slow senders must not pile up.
HEADERS_TIMEOUT_SECONDS = 10
REQUEST_TIMEOUT_SECONDS = 60

_HTTP = "type.googleapis.com/envoy.extensions.filters"


def listener(port: int, folder: Path) -> dict[str, Any]:
    """Returns the listener on loopback `port` that reads its routes from `folder`/rds.json."""
    source = {"path": str(folder / "rds.json"), "watched_directory": {"path": str(folder)}}
    connection = {
        "@type": f"{_HTTP}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "codec_type": "AUTO",
        "server_name": "shipway",
        # `/a/../b/` must be routed, limited and counted as `/b/`.
        "normalize_path": True,
        "merge_slashes": True,
        "request_headers_timeout": f"{HEADERS_TIMEOUT_SECONDS}s",
        "request_timeout": f"{REQUEST_TIMEOUT_SECONDS}s",
        "rds": {
            "route_config_name": ROUTES_NAME,
            "config_source": {"resource_api_version": "V3", "path_config_source": source},
        },
        # Whatever Envoy itself answers (413, 503, 504, 404) has the one shape a caller knows from the services.
        "local_reply_config": {
            "mappers": [_too_large()],
            "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}},
        },
        "http_filters": [
            {
                "name": BUFFER_FILTER,
                "typed_config": {
                    "@type": f"{_HTTP}.http.buffer.v3.Buffer",
                    "max_request_bytes": DEFAULT_MAX_BODY_BYTES,
                },
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_HTTP}.http.router.v3.Router"},
            },
        ],
    }
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "gateway",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        # A second gateway on the same port must fail to start, not silently share the traffic.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connection}]}
        ],
    }


def _too_large() -> dict[str, Any]:
    status = {"comparison": {"op": "EQ", "value": {"default_value": 413, "runtime_key": "unset"}}}
    return {
        "filter": {"status_code_filter": status},
        "body": {
            "inline_string": "the body is larger than this model accepts (serving.max_body_bytes of its model.yaml)"
        },
    }
