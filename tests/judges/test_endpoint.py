"""The endpoint against a real server that is slow, busy, broken and chatty on purpose."""

import json
import threading

import pytest
import torch
from chat_server import serving

from unictk.errors import UserError
from unictk.judges.answers import AnswerRequest, Grader
from unictk.judges.base import Judge, JudgeRequest
from unictk.judges.endpoint import Endpoint
from unictk.judges.openai_judge import OpenAIJudge, data_url
from unictk.judges.scores import read_analysis, read_score

SECRET = "sk-very-secret"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def asking(server, **changed) -> Endpoint:
    return Endpoint("m", base_url=server.url, **({"attempts": 4, "timeout": 5.0} | changed))


def said(text: str):
    return [{"role": "user", "content": text}]


def test_replies_come_in_order_and_equal_questions_are_asked_once():
    with serving(lambda asked, n: asked["messages"][0]["content"].upper()) as server:
        assert asking(server).ask([said("a"), said("b"), said("a")]) == ["A", "B", "A"]
    assert len(server.requests) == 2
    assert server.keys == [f"Bearer {SECRET}"] * 2


@pytest.mark.parametrize(
    "trouble", [(429, "{}"), (500, "oops"), (503, "{}"), (200, '{"id": "1", "choi'), (200, "")]
)
def test_trouble_that_passes_is_waited_for(trouble):
    with serving(lambda asked, n: "fine" if n == 2 else trouble) as server:
        assert asking(server).ask([said("a")]) == ["fine"]
    assert len(server.requests) == 3


def test_a_slow_reply_is_asked_for_again():
    with serving(lambda asked, n: "late" if n else 1.5) as server:
        assert asking(server, timeout=0.3).ask([said("a")]) == ["late"]


@pytest.mark.parametrize("trouble", [(500, "{}"), (200, "not json")])
def test_trouble_that_stays_is_one_line_after_so_many_tries(trouble):
    with serving(lambda asked, n: trouble) as server, pytest.raises(UserError) as error:
        asking(server, attempts=3).ask([said("a")])
    assert len(server.requests) == 3
    assert server.url in str(error.value)
    assert "\n" not in str(error.value)


def test_a_refusal_is_told_without_the_key_and_not_tried_again():
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {SECRET}."}})
    with serving(lambda asked, n: (401, body)) as server, pytest.raises(UserError) as error:
        asking(server).ask([said("a")])
    assert len(server.requests) == 1
    assert "Incorrect API key" in str(error.value)
    assert SECRET not in str(error.value)


def test_no_key_and_no_server_of_ones_own_is_a_wrong_request(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        Endpoint("m")


def test_replies_are_kept_and_the_key_is_not(tmp_path):
    with serving(lambda asked, n: "kept") as server:
        asking(server, cache=str(tmp_path)).ask([said("a")])
        again = asking(server, cache=str(tmp_path))
        assert again.ask([said("a")]) == ["kept"]
        assert again.sent == 0
        other = Endpoint("other", base_url=server.url, cache=str(tmp_path))
        other.ask([said("a")])
    assert len(server.requests) == 2, "another model is another question"
    files = [path.read_text() for path in tmp_path.rglob("*.json")]
    assert len(files) == 2
    assert not any(SECRET in text for text in files)


def test_a_damaged_file_is_asked_anew(tmp_path):
    with serving(lambda asked, n: "kept") as server:
        asking(server, cache=str(tmp_path)).ask([said("a")])
        (file,) = tmp_path.rglob("*.json")
        file.write_text("{")
        assert asking(server, cache=str(tmp_path)).ask([said("a")]) == ["kept"]
    assert len(server.requests) == 2


def test_what_was_answered_before_a_failure_is_kept(tmp_path):
    def behave(asked, n):
        return (400, "{}") if asked["messages"][0]["content"] == "c" else "fine"

    with serving(behave) as server:
        with pytest.raises(UserError):
            asking(server, cache=str(tmp_path), concurrency=1).ask([said("a"), said("b"), said("c")])
        again = asking(server, cache=str(tmp_path))
        assert again.ask([said("a"), said("b")]) == ["fine", "fine"]
        assert again.sent == 0


def test_the_budget_is_the_most_that_is_sent():
    with serving(lambda asked, n: "x") as server:
        endpoint = asking(server, budget=2, concurrency=1)
        endpoint.ask([said("a")])
        with pytest.raises(UserError, match="budget: 2 requests"):
            endpoint.ask([said("b"), said("c")])
    assert len(server.requests) == 2


def test_as_many_at_a_time_as_allowed():
    three_together = threading.Barrier(3, timeout=60)

    def behave(asked, n):
        three_together.wait()  # nobody is answered before three have come
        return 0.02  # and a fourth would have the time to come

    with serving(behave) as server:
        asking(server, concurrency=3, timeout=60.0).ask([said(str(n)) for n in range(9)])
    assert server.at_once == 3


def test_pictures_are_judged_each_on_its_own():
    def behave(asked, n):
        return (
            f'Sure. {{"analysis": "seen", "score": {len(asked["messages"][1]["content"][1]["text"]) % 11}}}'
        )

    requests = [JudgeRequest("p" * n, torch.rand(3, 8, 8), about="Bo has a hat.") for n in range(3)]
    with serving(behave) as server:
        judge = OpenAIJudge(asking(server))
        assert isinstance(judge, Judge)
        together = judge.judge(requests)
        assert together == [judge.judge([one])[0] for one in requests]
    assert all(len(asked["messages"]) == 2 for asked in server.requests), "no conversation grows"
    assert {one.analysis for one in together} == {"seen"}
    assert len({one.score for one in together}) == 3


@pytest.mark.parametrize(
    ("reply", "score", "status"),
    [
        ('{"score": 11}', None, "unparsable"),
        ('{"score": -1}', None, "unparsable"),
        ("I like it.", None, "unparsable"),
        ('{"score": 7', 7, "ok"),
        ("7", 7, "ok"),
        ("", None, "unparsable"),
    ],
)
def test_replies_without_a_score_score_nothing(reply, score, status):
    with serving(lambda asked, n: reply) as server:
        (verdict,) = OpenAIJudge(asking(server)).judge([JudgeRequest("p", torch.zeros(3, 8, 8))])
    assert (verdict.score, verdict.status) == (score, status)


@pytest.mark.parametrize(("reply", "score"), [('{"score": 0.5}', 0.5), ("1", 1.0), ('{"score": 0.7}', None)])
def test_grades_are_one_of_three(reply, score):
    with serving(lambda asked, n: reply) as server:
        judge = OpenAIJudge(asking(server))
        assert isinstance(judge, Grader)
        (grade,) = judge.grade([AnswerRequest("q", "r", "a")])
    assert grade.score == score
    assert grade.status == ("ok" if score is not None else "unparsable")


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ('```json\n{"analysis": "a {b} c", "score": 8}\n```', 8),
        ('{"score": 3} no, wait: {"score": 4}', 4),
        ("{'analysis': 'x', 'score': 6}", 6),
        ("Score: 6/10", 6),
        ("Score: 4/5", None),
        ("score: 6 or score: 7", None),
        ("9/10", 9),
        ("4/5", None),
        ("score: 6. As I said, score: 6", 6),
        ('{"score": true}', None),
        ('{"score": "5"}', 5),
        ('{"score": NaN}', None),
        ('{"score": 1e400}', None),
        ("{" * 5000, None),
        ("In 2024 it had 3 ears", None),
    ],
)
def test_the_score_of_a_reply(reply, score):
    assert read_score(reply, 10) == score


def test_the_words_of_a_reply():
    assert read_analysis('x {"analysis": "a", "score": 1}') == "a"
    assert read_analysis(" plain ") == "plain"


def test_small_pictures_are_enlarged_cell_by_cell():
    import base64
    import io

    import numpy as np
    from PIL import Image

    pixels = torch.rand(3, 48, 48)
    shown = Image.open(io.BytesIO(base64.b64decode(data_url(pixels).split(",")[1])))
    assert min(shown.size) >= 336
    small = np.asarray(shown)[::7, ::7]
    assert np.array_equal(small, (pixels * 255).round().byte().permute(1, 2, 0).numpy())
