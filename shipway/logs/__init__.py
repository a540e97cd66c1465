"""Reading the logs of predictions and late labels: what slots wrote, by hour of event time, wherever it lies."""

__all__ = ["described", "objects", "places", "reading", "schemas", "segments", "sinks", "sources", "tail"]
