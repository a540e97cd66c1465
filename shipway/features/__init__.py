"""The only wrapper of the feature store: what Feast is asked, and in which words, is decided here and nowhere else.

A Feast repository is one folder: feature_store.yaml (its text is `repository.feature_store_yaml`), registry.db,
online.db and the offline parquet files below data/. A service declares what it reads in its features.py:

    OBJECTS          a list of Feast entities and feature views; a view's name ends in its version, `..._v1`
    ENTITIES(row)    the entity keys of one validated request row, join key -> value

Importing Feast takes seconds, so every module here imports it inside the functions that need it.
"""

__all__ = ["asof", "offline", "online", "registration", "repository"]
