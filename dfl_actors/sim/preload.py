"""What the fork server of the workers imports once: TensorFlow takes seconds and hundreds of megabytes, which all workers then share.

No TensorFlow operation is run: that would hang the children. What is here is frozen out of the garbage collector's sight, so that
a worker's collections do not touch, and so copy, the pages that it shares.
"""

import gc

import dfl_actors.learning.models
import dfl_actors.sim.worker  # noqa: F401

gc.collect()
gc.freeze()
