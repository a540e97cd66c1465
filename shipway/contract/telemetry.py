"""How each dependency that reports to its makers is told not to: variables and their values.

Each is read when the package is first imported, so whoever imports it sets them before.
"""

__all__ = ["BENTOML_SILENT", "MLFLOW_SILENT", "ONNXRUNTIME_SILENT"]

BENTOML_SILENT = {"BENTOML_DO_NOT_TRACK": "True"}
MLFLOW_SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
# Since 1.29. It also keeps an id of the person in their home.
ONNXRUNTIME_SILENT = {"ORT_DISABLE_TELEMETRY": "1"}
