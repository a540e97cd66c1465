"""Pulumi components: one file is one ComponentResource, siblings never import each other, only a composer sees all."""

__all__ = ["kubernetes", "local", "model_service", "parts", "platform", "preflight", "program", "services", "target"]
