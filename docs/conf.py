"""How Sphinx builds the site from the pages of this repository, which link to each other as they do on GitHub.

The folder of sources is the repository itself; `docs/_toc.yml` names the pages. Nothing is fetched from a network.
"""

from __future__ import annotations

import os

project = "croplayer"
copyright = "the croplayer developers"
extensions = ["myst_nb", "sphinx_external_toc"]
external_toc_path = "docs/_toc.yml"
include_patterns = ["*.md", "docs/**", "notebooks/*.ipynb"]
exclude_patterns = [".*", "build", "runs", "dist"]
templates_path = ["_templates"]
highlight_language = "text"
# The anchors of headings are those that GitHub makes.
myst_heading_anchors = 4

# Notebooks are stored without outputs. Where CROPLAYER_RUN names the folder of a run, they are run on it for their figures.
nb_execution_mode = "force" if "CROPLAYER_RUN" in os.environ else "off"
nb_execution_raise_on_error = True
nb_execution_timeout = 600

html_theme = "furo"
html_title = "croplayer"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "first_page.html"}
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False
