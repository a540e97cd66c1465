"""The rules, one file a family; a Rule in any file here is part of the pack."""

__all__ = ["artifacts", "ownership", "resources", "rollout"]
