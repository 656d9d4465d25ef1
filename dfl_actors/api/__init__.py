"""What the commands call, and scripts and notebooks: a function for each, which returns what came of it and raises what is wrong."""
