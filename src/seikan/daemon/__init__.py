"""The composition root: builds every other room, owns the event loop. Nobody imports it but the program's entry."""
