"""Seconds of the wall clock or, with BENCHMARK_CLOCK=cpu, of the processor.

On a machine that others use too, processor seconds of one thread (OMP_NUM_THREADS=1) say what the
wall clock would say on an idle core; with several threads they add the threads up, so they do not.
"""

import os
import time

seconds_now = time.process_time if os.environ.get("BENCHMARK_CLOCK") == "cpu" else time.perf_counter
