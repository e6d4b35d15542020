from pymilvus import Collection  # noqa: F401
