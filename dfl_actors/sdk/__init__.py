"""What an author of an algorithm needs: `from dfl_actors.sdk import Algorithm, Context, ReceivedModel, Result, weighted_mean`."""

from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel, Result, weighted_mean

__all__ = ["Algorithm", "Context", "ReceivedModel", "Result", "weighted_mean"]
