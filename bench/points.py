"""What a working day costs in Confluence points: four people, 50 lists, 20 questions and 5 votes each.

The day is played against the full simulator, which counts as Atlassian says, and passes in the app's caches only: a
pause between two clicks costs no time here. How the clicks lie in the day decides, so it is played in three ways.
"""

from collections import Counter
from dataclasses import dataclass

from bench.community import ENG_PAGE, Community, founded
from bench.front import Front, opened
from bench.measuring import Report, is_quick
from local.person import Person
from local.seed import ENG, HR

BUDGET = 0.2
POOL = 65_000
"""Points an hour that all installations of an app share."""

_DAY_S = 8 * 3600
_QUESTIONS = 60
_LIST, _QUESTION, _VOTE = "list", "question", "vote"
_VISIT = (_LIST, _QUESTION, _LIST, _LIST, _QUESTION, _LIST, _VOTE, _LIST)
"""What a person does in one visit; in every other one without the vote. Ten of them are a day."""

_VISITS = 10


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How far the clicks lie apart: within a visit, and between two visits."""

    name: str
    click_s: float
    pause_s: float


_CLICKS = _VISITS * len(_VISIT) - _VISITS // 2
RHYTHMS = (
    Rhythm("ten visits of two minutes", 15, _DAY_S / _VISITS - 15 * len(_VISIT)),
    Rhythm("evenly over eight hours", _DAY_S / _CLICKS, 0),
    Rhythm("all in ten minutes", 600 / _CLICKS, 0),
)


@dataclass(slots=True)
class Day:
    """One day of all four (of three where Dave may not go), and what each kind of click has cost."""

    community: Community
    space: str
    rhythm: Rhythm
    visits: int
    spent: Counter[str]
    clicks: Counter[str]

    @property
    def front(self) -> Front:
        return self.community.front

    def play(self) -> None:
        """The four sit at their desks at the same time: their clicks take turns."""
        people = [self.front.alice, self.front.bob, self.front.carol]
        if self.space == ENG:
            people.append(self.front.dave)
        for visit in range(self.visits):
            for number, kind in enumerate(_VISIT):
                if kind == _VOTE and visit % 2:
                    continue
                for person in people:
                    self._click(person, kind, visit * len(_VISIT) + number)
                self.front.now_s += self.rhythm.click_s
            self.front.now_s += self.rhythm.pause_s

    def _click(self, person: Person, kind: str, number: int) -> None:
        asked, front = self.community.questions, self.front
        before = front.points()
        if kind == _LIST:
            front.do(person, "GET", f"/questions?space={self.space}&limit=20")
        elif kind == _QUESTION:
            front.do(person, "GET", f"/questions/{asked[number % len(asked)]}")
        else:
            voter = front.bob if person is front.alice else person
            front.do(voter, "PUT", f"/questions/{asked[number % len(asked)]}/vote", {"value": number % 2})
        self.spent[kind] += front.points() - before
        self.clicks[kind] += 1

    def each(self, kind: str) -> float:
        return self.spent[kind] / self.clicks[kind]

    @property
    def whole(self) -> float:
        """All points of the day, by list view."""
        return self.spent.total() / self.clicks[_LIST]


def _played(community: Community, space: str, rhythm: Rhythm, visits: int) -> Day:
    warm_up = Day(community, space, rhythm, 1, Counter(), Counter())
    warm_up.play()
    community.front.now_s += rhythm.pause_s
    day = Day(community, space, rhythm, visits, Counter(), Counter())
    day.play()
    # The next day begins with what people hold in their caches after a night: nothing.
    community.front.now_s += _DAY_S
    return day


def _row(day: Day, shares: str) -> tuple[str, ...]:
    kinds = (f"{day.each(kind):.2f}" for kind in (_LIST, _QUESTION, _VOTE))
    return (f"{day.rhythm.name}, {shares}", *kinds, f"{day.whole:.2f}")


def main() -> None:
    visits = 2 if is_quick() else _VISITS
    with Report("points", "Confluence points of a working day") as report, opened("points") as front:
        places = {
            "a tenth on pages": (founded(front, _QUESTIONS, ENG, ENG_PAGE), ENG),
            "none on pages": (founded(front, _QUESTIONS, HR, None), HR),
        }
        days = {
            (rhythm, shares): _played(community, space, rhythm, visits)
            for shares, (community, space) in places.items()
            for rhythm in RHYTHMS
        }
        header = ("points each", "list view", "question view", "vote", "all, by list view")
        report.table(header, [_row(day, shares) for (_, shares), day in days.items()])
        report.note("after a visit to warm up; 20 questions a list; one space, of which its people see all")
        steady = days[RHYTHMS[0], "a tenth on pages"]
        found = steady.each(_LIST)
        said = f"{found:.2f} ({steady.rhythm.name})"
        report.budget(f"≤ {BUDGET} points a list view", said, is_met=found <= BUDGET)
        if steady.whole:
            report.note(
                f"{POOL:,} points carry {POOL / steady.whole:,.0f} list views an hour, with all that goes with them"
            )


if __name__ == "__main__":
    main()
