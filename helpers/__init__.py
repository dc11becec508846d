"""Plumbing for the notebooks: songs in, tokens out, and tokens back to notation and sound.

What is taught stands in the notebooks; what is here is needed by all of them and read by the curious.

Whoever uses helpers passes here, so this is where torch is told how many threads to use: one, in whatever runs it
(a command, JupyterLab, nbval, Voilà, Colab). The networks are small. A second thread saves them a third of the time
on a quiet machine; where anything else runs, the two wait for each other, and a step takes three to ten times as long
(`benchmarks/threads.py` prints the table). One thread also gives the same numbers on any number of cores. For a long
training of a large network set OMP_NUM_THREADS.
"""

import os
import sys

if "OMP_NUM_THREADS" not in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # for torch that is not loaded yet, and for processes started from here
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
