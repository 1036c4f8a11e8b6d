"""Routers in network namespaces of this host, for demonstrations and tests."""
