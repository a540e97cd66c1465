"""The local gateway: Envoy's files composed from what is served, and written so that Envoy's answer is known."""

__all__ = ["admin", "clusters", "configuration", "files", "listener", "routes"]
