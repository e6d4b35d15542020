from pymilvus import DataType  # noqa: F401
