"""Shipway, the library: everything a model service and its delivery need, with no Pulumi in it."""

__all__: list[str] = []
