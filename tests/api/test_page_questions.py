"""Questions of pages through the whole stack: the byline's counts and a page's list."""

from local.person import QUESTION_TYPE, Person, send
from tests.api.conftest import ENG_PAGE, Cast, title
from tests.api.test_questions import code
from tests.api.waiting import eventually

HR_PAGE, MKT_PAGE = "98308", "98309"


def ask_on(person: Person, page_id: str) -> str:
    content = person.create(QUESTION_TYPE, title("On a page"), "<p>?</p>", pageId=page_id)
    assert person.api("POST", "/questions", {"contentId": content}).status in {200, 201}
    return content


def counts(person: Person, *pages: str) -> dict[str, tuple[int, int]]:
    answer = person.api("GET", f"/pages/counts?ids={','.join(pages)}")
    assert answer.status == 200, answer.body
    return {item["pageId"]: (item["questions"], item["unanswered"]) for item in answer.body["items"]}


def test_a_page_counts_and_lists_its_questions(cast: Cast) -> None:
    questions, unanswered = counts(cast.bob, ENG_PAGE)[ENG_PAGE]
    first, second = ask_on(cast.alice, ENG_PAGE), ask_on(cast.alice, ENG_PAGE)
    cast.bob.answer(first)

    assert counts(cast.bob, ENG_PAGE) == {ENG_PAGE: (questions + 2, unanswered + 1)}
    part = cast.bob.api("GET", f"/pages/{ENG_PAGE}/questions?limit=1").body
    assert [item["id"] for item in part["items"]] == [second]
    rest = cast.bob.api("GET", f"/pages/{ENG_PAGE}/questions?limit=1&cursor={part['next']}").body
    assert [item["id"] for item in rest["items"]] == [first]


def test_a_question_restricted_from_the_start_is_counted_for_its_readers_only(cast: Cast) -> None:
    before = {person.account_id: counts(person, ENG_PAGE)[ENG_PAGE] for person in (cast.alice, cast.bob)}
    question = cast.alice.create(QUESTION_TYPE, title("Between us"), "<p>?</p>", pageId=ENG_PAGE)
    restriction = f"{cast.alice.site}/_sim/content/{question}/restriction"
    assert send("PUT", restriction, body={"accountIds": [cast.alice.account_id]}).status == 200
    assert cast.alice.api("POST", "/questions", {"contentId": question}).status in {200, 201}

    questions, unanswered = before[cast.alice.account_id]
    assert counts(cast.alice, ENG_PAGE) == {ENG_PAGE: (questions + 1, unanswered + 1)}
    assert counts(cast.bob, ENG_PAGE) == {ENG_PAGE: before[cast.bob.account_id]}
    listed = cast.bob.api("GET", f"/pages/{ENG_PAGE}/questions?limit=100").body["items"]
    assert question not in [item["id"] for item in listed]


def test_dave_and_mallory_count_nothing_they_may_not_see(cast: Cast) -> None:
    ask_on(cast.alice, HR_PAGE)
    assert counts(cast.alice, HR_PAGE)[HR_PAGE][0] >= 1
    assert counts(cast.dave, HR_PAGE) == {}
    assert counts(cast.mallory, HR_PAGE, ENG_PAGE) == {}
    for person in (cast.dave, cast.mallory):
        assert code(person.api("GET", f"/pages/{HR_PAGE}/questions")) == (404, "not-found")
    assert code(cast.alice.api("GET", f"/pages/{MKT_PAGE}/questions")) == (404, "not-found")
    assert code(cast.alice.api("GET", "/pages/424242/questions")) == (404, "not-found")


def test_a_restricted_page_is_counted_for_nobody_else(cast: Cast) -> None:
    page = "98305"
    ask_on(cast.alice, page)
    restriction = f"{cast.alice.site}/_sim/content/{page}/restriction"
    try:
        assert send("PUT", restriction, body={"accountIds": [cast.alice.account_id]}).status == 200
        eventually(lambda: counts(cast.bob, page) == {}, "hiding")
        assert counts(cast.alice, page)[page][0] >= 1
    finally:
        send("PUT", restriction, body={"accountIds": []})


def test_counts_take_ids_and_nothing_else(cast: Cast) -> None:
    many = ",".join(str(number) for number in range(1, 252))
    for ids in ("", "x", "1,,2", "0", many, "9" * 19):
        assert cast.alice.api("GET", f"/pages/counts?ids={ids}").status == 400, ids
    assert cast.alice.api("GET", "/pages/counts").status == 400
