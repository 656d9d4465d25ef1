"""How a simulation goes, and what came of it."""
