"""The model {{ cookiecutter.name }}; model.yaml says what it predicts."""

__all__ = ["inputs", "schema", "service", "train"]
