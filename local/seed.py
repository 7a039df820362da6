"""The first day of the local stack: twenty questions, answers, votes and a Teams channel, all made through the
front doors that people use.
"""

import time
from dataclasses import dataclass

from local.confluence.cast import ALICE, BOB, CAROL, DAVE
from local.person import Person, send
from local.stack import Stack

ENG, HR = "65537", "65538"
_INSTALLED_WITHIN_S = 30
_MARK = "seeded"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A seeded question: who asks, where, and how far it has come."""

    space: str
    asker: str
    title: str
    text: str
    tags: tuple[str, ...]
    answers: tuple[tuple[str, str], ...] = ()
    voters: tuple[str, ...] = ()
    is_accepted: bool = False


_QUESTIONS = (
    _Asked(ENG, ALICE, "Where do we document a new service?", "I am about to publish the billing service.", ("docs",)),
    _Asked(
        ENG,
        BOB,
        "Which Python version do our containers use?",
        "The base image and the build agents seem to differ.",
        ("python", "containers"),
        ((ALICE, "3.13 everywhere since October; the agents follow the base image."),),
        (ALICE, CAROL),
        is_accepted=True,
    ),
    _Asked(ENG, DAVE, "How do I get access to the staging database?", "Read access is enough.", ("access", "database")),
    _Asked(
        ENG,
        ALICE,
        "Why does the pipeline skip the integration tests?",
        "They ran until last week.",
        ("ci",),
        ((BOB, "The label on the pull request decides; see the pipeline's page."), (DAVE, "It helped me to rebase.")),
        (CAROL,),
    ),
    _Asked(ENG, CAROL, "Who is on call during the holidays?", "The rota ends on the 23rd.", ("on-call",)),
    _Asked(
        ENG,
        DAVE,
        "What is our policy for dependency updates?",
        "Some of our repositories update weekly, others never.",
        ("security", "dependencies"),
        ((CAROL, "Weekly, and within two days for known vulnerabilities."),),
        (ALICE, BOB, CAROL),
        is_accepted=True,
    ),
    _Asked(ENG, BOB, "Can we cache translations at the edge?", "They change twice a month.", ("performance",)),
    _Asked(ENG, ALICE, "How are feature flags removed?", "I found flags from two years ago.", ("feature-flags",)),
    _Asked(
        ENG,
        BOB,
        "Is there a template for incident reviews?",
        "I would like to keep it short.",
        ("incidents",),
        ((DAVE, "Yes: five questions, one page."),),
        (ALICE,),
    ),
    _Asked(ENG, DAVE, "Which team owns the shared design tokens?", "A colour is wrong in dark mode.", ("design",)),
    _Asked(ENG, CAROL, "How long do we keep build artefacts?", "Storage costs have doubled.", ("ci", "cost")),
    _Asked(ENG, ALICE, "What must a release note contain?", "Support asks every time.", ("releases",), (), (BOB,)),
    _Asked(ENG, BOB, "How do we name queues?", "I have seen three patterns.", ("naming",)),
    _Asked(
        ENG,
        DAVE,
        "Do we support right-to-left languages?",
        "A customer asks for Hebrew.",
        ("i18n",),
        ((ALICE, "The layout does; the e-mail templates do not yet."),),
    ),
    _Asked(ENG, CAROL, "Where are the load test results?", "For the yearly review.", ("performance",)),
    _Asked(HR, ALICE, "How do I carry over unused leave?", "I have four days left.", ("leave",)),
    _Asked(
        HR,
        BOB,
        "Who approves conference trips?",
        "It is in March and abroad.",
        ("travel",),
        ((CAROL, "Your lead up to 1,000; above that, me."),),
        (ALICE,),
        is_accepted=True,
    ),
    _Asked(HR, CAROL, "What should the new onboarding cover?", "First week only.", ("onboarding",)),
    _Asked(HR, ALICE, "May I work from another country for a month?", "Within the EU.", ("remote",)),
    _Asked(HR, BOB, "When does the mentoring programme start?", "I would like to be a mentor.", ("mentoring",)),
)


def seed(stack: Stack) -> None:
    """Fills the first site once; does nothing on later starts."""
    mark = stack.data / _MARK
    if mark.exists():
        return
    wait_until_installed(stack.site_one)
    people = {account: Person(account, stack.site_one, stack.app_url) for account in (ALICE, BOB, CAROL, DAVE)}
    connect_channel(people[CAROL], stack.chat_url)
    for number, asked in enumerate(_QUESTIONS, start=1):
        print(f"\rAsking the first questions … {number} of {len(_QUESTIONS)}", end="", flush=True)
        _ask(people, asked)
    print(flush=True)
    mark.touch()


def wait_until_installed(site: str) -> None:
    """Returns once the app is installed on the site, as the site itself reports it."""
    deadline = time.monotonic() + _INSTALLED_WITHIN_S
    while send("GET", f"{site}/_sim/state").body.get("state") != "enabled":
        if time.monotonic() > deadline:
            raise RuntimeError(f"the app was not installed on {site}")
        time.sleep(0.1)


def connect_channel(administrator: Person, chat_url: str) -> str:
    """Connects the chat's first channel to the Engineering space; the destination's id."""
    channel = send("GET", f"{chat_url}/_sim/channels").body[0]
    destination = {
        "kind": "teams",
        "label": channel["name"],
        "url": channel["url"],
        "scope": {"kind": "space", "spaceId": ENG},
        "events": ["asked", "answered", "voted", "accepted"],
        "disclosure": "title",
    }
    answer = administrator.api("POST", "/destinations", destination)
    if answer.status != 201:
        raise RuntimeError(f"the channel was not connected: {answer.status} {answer.body}")
    return str(answer.body["id"])


def _ask(people: dict[str, Person], asked: _Asked) -> None:
    question_id = people[asked.asker].ask(asked.space, asked.title, f"<p>{asked.text}</p>", asked.tags)
    answers = [people[author].answer(question_id, f"<p>{text}</p>") for author, text in asked.answers]
    for voter in asked.voters:
        if voter != asked.asker:
            people[voter].vote("question", question_id)
    if asked.is_accepted:
        people[asked.asker].accept(question_id, answers[0])
