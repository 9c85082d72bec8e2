"""What a mapper reads first in a label project."""

from __future__ import annotations

from collections.abc import Sequence

_TEXT = """# How to label

This folder holds pieces of land to look at (tasks), the imagery of each, and the polygons that the map shows there. Your
corrections teach the map. You need QGIS 3.28 or later and nothing else; no network is used.

1. Open `labels.qgs` in QGIS. The imagery lies below ({sources}; tick the other one to compare), your layers lie above.
2. Zoom to a yellow square of the layer **Tasks**. Click it to read why it was chosen. Write your name into it.
3. Select the layer **Fields** and switch editing on (the pencil). The orange polygons were drawn by the map:
   * right: leave it as it is;
   * wrong outline: move its vertices, split it, or draw it anew;
   * no cropland: delete it, or set its class to `not`;
   * a field is missing, or several are drawn as one: draw it, over the map's polygon if there is one. Corners snap to corners.
4. If there is no field in the square, or in a part of it that is easily mistaken, draw a polygon over that area in the layer
   **Empty areas**.
5. When everything in the square is right, set the status of the task to `done`. **All land of a finished square that lies in no
   field counts as "not cropland".** If you cannot tell what the imagery shows, set it to `skipped` and say why in the note.
   Write down the minutes that it took.
6. Save the layers (the disk symbol). That is all.

Good to know

* Cropland is land that is sown or planted at least once a year, also while it is bare. Ask the person who gave you this folder
  about orchards, greenhouses and fallow land.
* Draw what the imagery shows, not what you know from elsewhere. Where the pictures differ, draw what the clearer one shows.
* You may draw beyond a square; what lies outside is not used. The picture shows some land around it so that you see whole fields.
* Small mistakes do no harm: a line that crosses itself, a gap, an overlap or a tiny leftover is repaired when the folder is read.
  Where two polygons overlap, yours wins over the map's, and the later one over the earlier.
* Nothing you draw is lost: every reading first copies `labels.gpkg` into `history`. To take something back, open the copy.
* Do not rename the layers or the file, and do not change the column `id` of a task.
* Several people can share the work: each labels other squares, in a copy of the file only if somebody joins the copies later.
"""


def instructions(sources: Sequence[str]) -> str:
    """The text of ``README.md`` in a label project."""
    return _TEXT.format(sources=" and ".join(sources))
