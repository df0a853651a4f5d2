"""What the user sees while chapters run: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

EXCERPT_LINES = 9


@dataclass
class Running:
    """A chapter that is running now."""

    since: float
    cell: int = 0
    cells: int = 0
    note: str = ""


@dataclass
class Display:
    """Follows the events of a run and shows them.

    Parameters
    ----------
    console : rich.console.Console
        Where to write; a live bar is drawn when it is a terminal.
    """

    console: Console = field(default_factory=lambda: Console(file=sys.stdout, highlight=False))
    planned: list[str] = field(default_factory=list)
    done: dict[str, float] = field(default_factory=dict)
    failed: dict[str, dict] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    _live: Live | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_) -> None:
        if self._live:
            self._live.stop()

    def plan(self, chapters: list[str]) -> None:
        """Take the list of chapters that will run."""
        self.planned = chapters
        if chapters:
            number = "1 chapter" if len(chapters) == 1 else f"{len(chapters)} chapters"
            self._say(f"{number} to run: {', '.join(chapters)}")

    def event(self, event: dict) -> None:
        """Take one line of logs/events.jsonl."""
        chapter, kind = event["chapter"], event["event"]
        if kind == "start":
            self.running[chapter] = Running(event["time"])
            if not self._live:
                self._say(f"{chapter}: started")
        elif kind == "cell" and chapter in self.running:
            self.running[chapter].cell = event["cell"]
            self.running[chapter].cells = event["cells"]
        elif kind == "note" and chapter in self.running:
            self.running[chapter].note = event["text"]
            if not self._live:
                self._say(f"{chapter}: {event['text']}")
        elif kind == "done":
            self.running.pop(chapter, None)
            self.done[chapter] = event["wall_s"]
            self._say(f"{chapter}: done in {seconds(event['wall_s'])} {self._count()}")
        elif kind == "failed":
            self.running.pop(chapter, None)
            self.failed[chapter] = event
            self._say(f"{chapter}: failed")

    def tick(self) -> None:
        """Draw the bar anew."""
        if self._live:
            self._live.update(self._picture())

    def _count(self) -> str:
        return f"({len(self.done)} of {len(self.planned)})" if self.planned else ""

    def _say(self, line: str) -> None:
        self.console.print(Text(line.rstrip()), soft_wrap=True)

    def _picture(self) -> Group:
        """Draw the bar, and a line for each running chapter."""
        finished = len(self.done) + len(self.failed)
        bar = ProgressBar(total=max(1, len(self.planned)), completed=finished, width=40)
        overall = Table.grid(padding=(0, 1))
        left = max(0, len(self.planned) - finished)
        overall.add_row(bar, f"{finished} done, {left} left" if self.planned else "looking ...")
        chapters = Table.grid(padding=(0, 2))
        for name, state in self.running.items():
            cell = f"cell {state.cell}/{state.cells}" if state.cells else "starting"
            elapsed = seconds(time.time() - state.since)
            chapters.add_row(f"  {name}", cell, elapsed, Text(state.note, overflow="ellipsis"))
        return Group(overall, chapters)


def seconds(duration_s: float) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> seconds(4.21), seconds(131)
    ('4.2 s', '2 min 11 s')
    """
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, rest = divmod(round(duration_s), 60)
    return f"{minutes} min {rest} s"


def failure_report(event: dict, command: str) -> str:
    """Say which cell stopped a chapter, why, and how to run the chapter again.

    Parameters
    ----------
    event : dict
        The event "failed".
    command : str
        Command that runs the chapter again.
    """
    lines = [f"{event['chapter']} failed: {event['error']}"]
    if event.get("source"):
        lines[0] = f"{event['chapter']} failed in cell {event['cell']}: {event['error']}"
        source = event["source"].split("\n")
        at = event.get("line") or len(source)
        first = max(0, min(at - EXCERPT_LINES // 2, len(source) - EXCERPT_LINES))
        for number, text in enumerate(source[first : first + EXCERPT_LINES], start=first + 1):
            lines.append(f"  {'>' if number == event.get('line') else ' '} {number:3d}  {text}")
    lines.append(f"The notebook as far as it came: {event['notebook']}")
    lines.append(f"To run it again: {command}")
    return "\n".join(lines)


def timing_table(
    records: dict[str, dict], ran: dict[str, float], chapters: list[str], asked_for: set[str]
) -> Table:
    """Tabulate the chapters of a run: wall time, peak memory, and whether each ran just now.

    Parameters
    ----------
    records : dict of str to dict
        timing/<chapter>.json by chapter.
    ran : dict of str to float
        Chapters that ran just now.
    chapters : list of str
        All chapters of the run, in order.
    asked_for : set of str
        Those this call brought up to date; of the others it knows nothing.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("chapter")
    table.add_column("time", justify="right")
    table.add_column("peak memory", justify="right")
    table.add_column("")
    for chapter in chapters:
        record = records.get(chapter)
        if record is None:
            table.add_row(chapter, "", "", "not built")
            continue
        memory = f"{record['peak_rss_gb']:.2f} GB"
        state = "ran" if chapter in ran else "up to date"
        state = state if chapter in asked_for else "not asked for"
        table.add_row(chapter, seconds(record["wall_s"]), memory, state)
    return table
