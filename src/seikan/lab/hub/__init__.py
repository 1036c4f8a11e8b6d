"""A hub that makes an interface for each spoke that authenticates (dynamic VTI), three spokes and a stranger."""
