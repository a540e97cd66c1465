"""{{ cookiecutter.description }}"""

__all__ = ["inputs", "schema", "service", "train"]
