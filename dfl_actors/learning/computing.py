"""What processes that compute find in their environment, in the network and in the simulator: set before they are started."""

from collections.abc import Mapping

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20), "MALLOC_TRIM_THRESHOLD_": str(24 << 20), "MALLOC_ARENA_MAX": "1"}
"""Lets glibc use freed buffers again: a chunk or a model whose pages are taken afresh each time costs a fault for every page, a fifth of
the gossiper's CPU. One arena, for hardly ever do two threads of an actor compute at once."""

ENVIRONMENT: Mapping[str, str] = {**dict.fromkeys(ONE_THREAD, "1"), **KEEP_MEMORY, "TF_CPP_MIN_LOG_LEVEL": "3"}
"""One compute thread a process, for there are as many processes as processors, or more; and none of TensorFlow's messages."""
