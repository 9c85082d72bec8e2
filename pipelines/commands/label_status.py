"""``croplayer label status``: how far the work in a label project is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from croplayer.active.judgements import Judgement
    from croplayer.active.project import LabelProject
    from croplayer.active.tasks import Task


@click.command("status")
@click.argument("labels", type=click.Path(path_type=Path))
def status(labels: Path) -> None:
    """Show how far the work in the project LABELS is: tasks, judgements and rounds, and what comes next. Nothing is written."""
    from croplayer.active.judgements import read_judgements
    from croplayer.active.project import LabelProject
    from croplayer.active.reading import read_tasks
    from croplayer.active.rounds.folder import finished_rounds

    project = LabelProject.open(labels)
    tasks, said, rounds = read_tasks(project), read_judgements(project.folder), len(finished_rounds(project))
    is_here = (project.run / "recipe.toml").is_file()
    click.echo(
        f"made from {project.run}, edition '{project.settings.edition}'{'' if is_here else ', which is not here'}"
    )
    for line in (*_of_tasks(project, tasks), *_of_judgements(said)):
        click.echo(line)
    click.echo(f"{rounds} rounds are finished" if rounds != 1 else "1 round is finished")
    click.echo(f"next: {_next(labels, tasks, rounds)}")


def _of_tasks(project: LabelProject, tasks: Sequence[Task]) -> Iterator[str]:
    from croplayer.active.tasks import TaskStatus

    count = Counter(task.status for task in tasks)
    held = sum(map(project.is_held_out, tasks))
    states = ", ".join(f"{count[state]} {state}" for state in TaskStatus)
    yield f"{len(tasks)} tasks: {states}; {held} of them measure the model, the others teach it"
    for person, done in sorted(Counter(t.person for t in tasks if t.status == TaskStatus.DONE).items()):
        known = [
            t.minutes for t in tasks if t.person == person and t.status == TaskStatus.DONE and t.minutes is not None
        ]
        yield f"  {person or 'somebody without a name'}: {done} done" + (
            f" in {sum(known):.0f} minutes" if known else ""
        )


def _of_judgements(said: Sequence[Judgement]) -> Iterator[str]:
    from croplayer.active.judgements import JudgementKind

    names = {
        JudgementKind.CORRECTNESS: "masks", JudgementKind.INTEGRATION: "choices between sources", JudgementKind.POINT: "points",
    }  # fmt: skip
    if not said:
        yield "nothing is judged yet"
    for person in sorted({one.person for one in said}):
        own = [one for one in said if one.person == person]
        count = Counter(one.kind for one in own)
        blocks = len({one.subject for one in own if one.kind != JudgementKind.POINT})
        parts = ", ".join(f"{count[kind]} {name}" for kind, name in names.items() if count[kind])
        yield f"judged by {person}: {parts}" + (f", in {blocks} block{'s' if blocks > 1 else ''}" if blocks else "")


def _next(labels: Path, tasks: Sequence[Task], rounds: int) -> str:
    from croplayer.active.tasks import TaskStatus

    newest = [task for task in tasks if task.round > rounds]
    if any(task.status == TaskStatus.OPEN for task in newest):
        return f"`croplayer label serve {labels}`, or labels.qgs in QGIS"
    if any(task.status == TaskStatus.DONE for task in newest):
        return f"`croplayer label round {labels}`"
    return f"`croplayer label next {labels}`"
