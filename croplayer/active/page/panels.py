"""What the page says in words, as HTML: who, which item, what is left, whether it is saved, and the keys."""

from __future__ import annotations

from html import escape

from croplayer.active.judgements import JudgementKind
from croplayer.active.page.items import Work
from croplayer.active.page.keys import Act, Key, keys_of
from croplayer.active.page.session import Session

TITLES = {Work.FIELDS: "Fields", Work.BLOCKS: "Blocks", Work.POINTS: "Points"}
FIELD_COLOURS = {
    "of the map": "#ff9d1c",
    "yours or accepted": "#35e07a",
    "no cropland": "#ff3b5c",
    "no field here": "#3fa9ff",
    "selected": "#ffffff",
}
"""Colours of the outlines."""


def header(session: Session) -> str:
    """Which item, whose, what is left, and whether it is saved."""
    mine, left, every = session.progress()
    tabs = "".join(
        f'<span class="tab{" on" if work == session.work else ""}">{TITLES[work]}</span>' for work in session.desk.works
    )
    about = escape(session.item.about) if session.item else "All that could be handed to you is done."
    title = escape(session.item.subject) if session.item else "Nothing is left"
    share = 100 * mine / max(1, mine + left)
    chips = [
        f'<span class="who">{escape(session.person)}</span>',
        f'<span id="left"><b>{left}</b> left for you, <b>{mine}</b> done by you, {every} in all</span>',
        f'<span id="state" class="{"done" if session.is_complete() else "open"}">{_state(session)}</span>',
    ]
    return (
        f'<div class="row"><span class="tabs">{tabs}</span>{"".join(chips)}</div>'
        f'<div class="bar"><i style="width:{share:.1f}%"></i></div>'
        f'<h1 id="subject">{title}</h1><p class="about">{about}</p>'
    )


def _state(session: Session) -> str:
    if session.item is None:
        return "–"
    if session.work == Work.FIELDS:
        task = session.desk.task(session.item)[1]
        minutes = f", {task.minutes:.1f} min" if task.minutes else ""
        return escape(f"{task.status}{f' ({task.person})' if task.person else ''}{minutes}")
    two = " · two people judge it" if session.desk.wanted(session.item) > 1 else ""
    return ("complete" if session.is_complete() else "open") + two


def message(session: Session) -> str:
    """What the person should know now."""
    if session.failed:
        return f'<p id="message" class="failed">{escape(session.message)}</p>'
    if session.drawing.mode is not None:
        what = "Click the corners of the new field" if session.drawing.mode == Act.DRAW else (
            "Drag corners; click on a side to add one"
        )  # fmt: skip
        corners = len(session.drawing.corners[0])
        return f'<p id="message" class="drawing">{what}; Backspace removes a selected one. Enter saves, Esc drops ({corners} corners).</p>'
    return f'<p id="message">{escape(session.message)}</p>'


def key_list(session: Session) -> str:
    """The keys of the kind of work; those that say what stands are marked."""
    groups = keys_of(session.work, session.desk.sources, session.desk.classes)
    return "".join(
        f'<section><h2>{escape(title)}</h2><div class="keys">{"".join(_button(session, key) for key in keys)}</div></section>'
        for title, keys in groups.items()
    ) + (_legend() if session.work == Work.FIELDS else "")


def _button(session: Session, key: Key) -> str:
    on = " on" if _is_said(session, key) else ""
    return (
        f'<button class="key{on}" data-key="{escape(key.key)}" tabindex="-1">'
        f"<kbd>{escape(key.shown)}</kbd> {escape(key.label)}</button>"
    )


def _is_said(session: Session, key: Key) -> bool:
    if key.act == Act.JUDGE:
        return session.value(JudgementKind.CORRECTNESS, key.source) == key.value
    if key.act == Act.CHOOSE:
        return session.value(JudgementKind.INTEGRATION) == key.value
    if key.act == Act.POINT and session.desk.sample:
        return session.value(JudgementKind.POINT, session.desk.sample.name) == key.value
    return (key.act == Act.MAP and session.map_shown) or (key.act == Act.AROUND and session.around_shown)


def _legend() -> str:
    lines = "".join(f'<span><i style="border-color:{c}"></i>{escape(n)}</span>' for n, c in FIELD_COLOURS.items())
    return f'<section><h2>Outlines</h2><div class="legend">{lines}</div></section>'
