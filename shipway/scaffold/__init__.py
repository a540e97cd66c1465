"""New services: the template rendered into the project, answers checked first; and what a service's own tests need."""

__all__ = ["answers", "card", "codeowners", "git", "inferred", "naming", "origin", "rendering", "standalone", "testing"]
