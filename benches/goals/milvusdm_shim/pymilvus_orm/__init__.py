"""The name under which MilvusDM 2.0 imports pymilvus: its old package, by way of its successor."""

from pymilvus import connections, utility

__all__ = ["connections", "utility"]
