"""Sphinx settings for the pages that `make run` leaves in site/."""

project = "Notes from Scratch"
author = "the Notes from Scratch authors"
copyright = "2026, the Notes from Scratch authors"
extensions = ["myst_nb", "sphinx-mathjax-offline"]
myst_enable_extensions = ["dollarmath", "amsmath"]
nb_execution_mode = "off"  # the notebooks come executed
nb_merge_streams = False  # a line printed above a player stays above it
nb_output_stderr = "remove"  # progress bars
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_extra_path = ["extra"]  # the covers of the contents page
html_theme = "sphinx_book_theme"
html_title = project
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
}
html_copy_source = False
html_show_sourcelink = False
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]
