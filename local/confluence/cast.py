"""The two sites as they stand on the first day: people, groups, spaces, pages and permission grids."""

import uuid
from dataclasses import dataclass

from local.confluence.people import APP_GROUP, EVERYONE
from local.confluence.storage import Storage

ACME, GLOBEX = "acme", "globex"
SITE_NAMES = {ACME: "Acme", GLOBEX: "Globex"}

ALICE = "557058:a11ce000-0000-4000-8000-000000000001"
BOB = "557058:b0b00000-0000-4000-8000-000000000002"
CAROL = "557058:ca401000-0000-4000-8000-000000000003"
DAVE = "557058:da4e0000-0000-4000-8000-000000000004"
MALLORY = "557058:3a110400-0000-4000-8000-000000000005"

APP_KEY = "community-questions"
QUESTION, VOTE, TAG = (f"ac:{APP_KEY}:{name}" for name in ("cq-question", "cq-vote", "cq-tag"))

SPACE_BASICS = (("read", "space"), ("create", "page"), ("create", "comment"))
PARTICIPANT = (
    *SPACE_BASICS,
    *((operation, QUESTION) for operation in ("read", "create")),
    *((operation, VOTE) for operation in ("read", "create", "delete")),
    *((operation, TAG) for operation in ("read", "create")),
)
FULL = (
    *SPACE_BASICS,
    *((operation, target) for target in (QUESTION, VOTE, TAG) for operation in ("read", "create", "delete")),
)
ADMINISTRATOR = (*FULL, ("administer", "space"))

FIRST_DAY = "2026-01-05T09:00:00.000Z"

PEOPLE = (
    (ALICE, ACME, "Alice Archer", 0),
    (BOB, ACME, "Bob Baker", 0),
    (CAROL, ACME, "Carol Castle", 1),
    (DAVE, ACME, "Dave Dunn", 0),
    (MALLORY, GLOBEX, "Mallory Moss", 1),
)
GROUPS = (
    (ACME, EVERYONE, (ALICE, BOB, CAROL, DAVE)),
    (ACME, "hr-team", (ALICE, BOB, CAROL)),
    (ACME, APP_GROUP, ()),
    (GLOBEX, EVERYONE, (MALLORY,)),
    (GLOBEX, APP_GROUP, ()),
)


@dataclass(frozen=True, slots=True)
class _FirstSpace:
    id: int
    site: str
    key: str
    name: str
    description: str
    participants: str
    administrator: str
    pages: tuple[tuple[int, str, str], ...]


SPACES = (
    _FirstSpace(
        id=65_537,
        site=ACME,
        key="ENG",
        name="Engineering",
        description="How we build, run and repair our services.",
        participants=EVERYONE,
        administrator=CAROL,
        pages=(
            (98_305, "Engineering home", "<p>Everything a new engineer needs in the first week.</p>"),
            (
                98_306,
                "Release checklist",
                "<p>Before each release:</p><ol><li>All checks are green.</li><li>Somebody watches.</li></ol>",
            ),
        ),
    ),
    _FirstSpace(
        id=65_538,
        site=ACME,
        key="HR",
        name="People and Culture",
        description="Hiring, leave and working together.",
        participants="hr-team",
        administrator=CAROL,
        pages=(
            (98_307, "People and Culture home", "<p>Guides for everybody who leads people.</p>"),
            (98_308, "Parental leave", "<p>Tell your manager three months before the leave begins.</p>"),
        ),
    ),
    _FirstSpace(
        id=75_001,
        site=GLOBEX,
        key="MKT",
        name="Marketing",
        description="Campaigns, brand and events.",
        participants=EVERYONE,
        administrator=MALLORY,
        pages=(
            (98_309, "Marketing home", "<p>Our brand, our channels, our calendar.</p>"),
            (98_310, "Spring campaign", "<p>Three messages, two channels, one landing page.</p>"),
        ),
    ),
)


def group_id(site: str, name: str) -> str:
    """The same id on every fresh data file, so that tests and scripts may name it."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{site}.example.com"))


def add_page(storage: Storage, *, site: str, page_id: int, space_id: int, title: str, body: str, author: str) -> None:
    storage.run(
        "INSERT INTO content (id, site, kind, type, status, title, space_id, container_kind, container_id, author_id,"
        " created_at, modified_at, modifier_id, version, message, representation, body)"
        " VALUES (?, ?, 'page', 'page', 'current', ?, ?, 'space', ?, ?, ?, ?, ?, 1, '', 'storage', ?)",
        page_id,
        site,
        title,
        space_id,
        space_id,
        author,
        FIRST_DAY,
        FIRST_DAY,
        author,
        body,
    )


def add_grants(
    storage: Storage, space_id: int, subject: tuple[str, str], operations: tuple[tuple[str, str], ...]
) -> None:
    for operation, target in operations:
        storage.run(
            "INSERT OR IGNORE INTO grants (space_id, subject_type, subject_id, operation, target_type)"
            " VALUES (?, ?, ?, ?, ?)",
            space_id,
            *subject,
            operation,
            target,
        )


def _add_space(storage: Storage, space: _FirstSpace) -> None:
    storage.run(
        "INSERT INTO spaces (id, site, key, name, author_id, created_at, homepage_id, description)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        space.id,
        space.site,
        space.key,
        space.name,
        space.administrator,
        FIRST_DAY,
        space.pages[0][0],
        space.description,
    )
    for page_id, title, body in space.pages:
        author = space.administrator
        add_page(storage, site=space.site, page_id=page_id, space_id=space.id, title=title, body=body, author=author)
    add_grants(storage, space.id, ("group", group_id(space.site, space.participants)), PARTICIPANT)
    add_grants(storage, space.id, ("group", group_id(space.site, APP_GROUP)), FULL)
    add_grants(storage, space.id, ("user", space.administrator), ADMINISTRATOR)


def found_sites(storage: Storage) -> None:
    """Fills an empty data file; does nothing to one that has sites already."""
    with storage.transaction():
        if storage.row("SELECT 1 FROM sites LIMIT 1") is not None:
            return
        for key, name in SITE_NAMES.items():
            storage.run("INSERT INTO sites (key, name) VALUES (?, ?)", key, name)
        for position, (account_id, site, name, administers) in enumerate(PEOPLE):
            storage.run(
                "INSERT INTO people (account_id, site, name, account_type, administers, position)"
                " VALUES (?, ?, ?, 'atlassian', ?, ?)",
                account_id,
                site,
                name,
                administers,
                position,
            )
        for site, name, members in GROUPS:
            storage.run("INSERT INTO groups (id, site, name) VALUES (?, ?, ?)", group_id(site, name), site, name)
            for account_id in members:
                storage.run("INSERT INTO members VALUES (?, ?)", group_id(site, name), account_id)
        for space in SPACES:
            _add_space(storage, space)
