"""Seikan: a site-to-site VPN router for Linux that speaks IOS."""

__version__ = "0.1.0"
