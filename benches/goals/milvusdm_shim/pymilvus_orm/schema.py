from pymilvus import CollectionSchema, FieldSchema  # noqa: F401
