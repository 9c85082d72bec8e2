"""Write the templates again."""

from __future__ import annotations

from stores.templates import cube_template, template_path

template_path("cube").write_text(cube_template())
