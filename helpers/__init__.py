"""Plumbing for the notebooks: songs in, tokens out, and tokens back to notation and sound.

What is taught stands in the notebooks; what is here is needed by all of them and read by the curious.
"""
