"""Rollouts on traffic that is made up: the production decision, and the rules of other tools, on the same seeds."""

__all__ = ["peers", "rollout", "scenarios", "table", "traffic"]
