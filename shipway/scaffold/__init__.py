"""New services: the template rendered into the project, names checked first, and what a service's own tests need."""

__all__ = ["answers", "naming", "rendering", "testing"]
