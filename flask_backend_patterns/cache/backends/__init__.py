"""Adapters of the cache, one each; the only place that imports their driver."""
