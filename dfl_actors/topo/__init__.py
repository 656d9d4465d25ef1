"""Topologies as a user meets them: generated, written, checked, described, drawn, and taken over from the reference program."""
