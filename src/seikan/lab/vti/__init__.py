"""Two routers and a tunnel between them: the session that Seikan exists for."""
