"""``croplayer snapshot``: a finished edition as a read-only copy for others."""

from __future__ import annotations

import click


@click.command()
@click.argument("run")
@click.option(
    "-o", "--out", required=True, help="Folder of the snapshot, or s3://BUCKET/PREFIX; it must hold nothing else."
)
@click.option(
    "--no-imagery", is_flag=True, help="Leave out what shows imagery: the imagery in the cube, figures and report."
)
@click.option(
    "--despite-licences",
    is_flag=True,
    help="Publish although the stated licences forbid it; you hold an agreement that allows it.",
)
@click.option(
    "--recheck",
    is_flag=True,
    help="Read again what an unfinished snapshot in a folder holds, also where sizes and times say that it is what was copied.",
)
def snapshot(run: str, out: str, no_imagery: bool, despite_licences: bool, recheck: bool) -> None:
    """Publish RUN, the folder of a finished run or FOLDER@EDITION, as a snapshot that is never changed.

    A snapshot holds the cube as plain Zarr, tables, fields, exports and report, a manifest with the SHA-256 of every file, and a
    marker that is written last. Others open it with croplayer.open_cube, and check it with croplayer verify. Stopped, it goes on
    where it was; damaged, it is mended. It is refused where the licences of the inputs forbid to share it.
    """
    from pipelines.commands.publish import check_licences
    from pipelines.publishing import Published
    from pipelines.snapshots import publish_snapshot

    published = Published.of(run, with_imagery=not no_imagery)
    check_licences(published, despite_licences)
    done = publish_snapshot(published, out, trusts_times=not recheck)
    there = f", {done.held:,} were there" if done.held else ""
    click.echo(f"{out}: {done.snapshot.named}, {done.snapshot.files:,} files, {done.written:,} written{there}")
    click.echo(f"digest of everything: {done.snapshot.digest}")
