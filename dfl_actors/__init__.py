"""Decentralised federated learning as a ZeroMQ actor system."""

__version__ = "0.1.0"
