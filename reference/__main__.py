"""Write the pages of the reference and the schema of recipes into the repository."""

from __future__ import annotations

from reference.pages import REPOSITORY, written

if __name__ == "__main__":
    for path, text in written().items():
        (REPOSITORY / path).write_text(text, encoding="utf-8")
        print(path)
