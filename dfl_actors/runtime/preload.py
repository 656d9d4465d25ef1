"""What the fork server imports once, so that every child starts with it: imports alone, no TensorFlow operation.

A fork server that had run one would hang its children. What is here is frozen out of the garbage collector's sight, so
that a child's collections do not touch, and so copy, the pages it shares with the others.
"""

import gc

import dfl_actors.learning.models
import dfl_actors.runtime.evaluator
import dfl_actors.runtime.process  # noqa: F401

gc.collect()
gc.freeze()
