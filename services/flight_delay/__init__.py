"""Will this flight out of New York arrive more than fifteen minutes late? Asked two hours before departure."""

__all__ = ["dataset", "features", "inputs", "schema", "service", "traffic", "train"]
