"""What an author of an algorithm or an attack needs: `from dfl_actors.sdk import Algorithm, Context, ReceivedModel, Result, weighted_mean`,
and `from dfl_actors.sdk import Attack, View`; `Meta` bounds a parameter."""

from msgspec import Meta

from dfl_actors.learning.momentum import Optimiser
from dfl_actors.sdk.attack import Attack, Scene, Stage, View
from dfl_actors.sdk.interface import Algorithm, Context, ReceivedModel, Result, weighted_mean

__all__ = ["Algorithm", "Attack", "Context", "Meta", "Optimiser", "ReceivedModel", "Result", "Scene", "Stage", "View", "weighted_mean"]
