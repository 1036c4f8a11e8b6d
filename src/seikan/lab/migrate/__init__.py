"""Two sites out of their crypto maps: one end after the other becomes a tunnel interface while counted traffic runs."""
