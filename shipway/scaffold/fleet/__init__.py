"""Keeps services up to date with their template: where each stands, and three-way merges onto branches of their own."""

__all__ = ["merging", "pristine", "proposing", "repository", "reviewing", "status", "update", "verifying"]
