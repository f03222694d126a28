"""The budget for Slack's limits: people first, and nobody beyond what Slack allows."""

from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryState

from bot.budget import PER_MINUTE, Budget, Counted, Rank, workspace_of

METHOD = "chat.update"


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(budget: Budget, rank: Rank) -> int:
    n = 0
    while not budget.take("W", METHOD, rank):
        n += 1
    return n


def test_each_rank_leaves_a_share_to_those_before_it() -> None:
    budget = Budget(ticks=Time())
    assert [taken(budget, rank) for rank in reversed(Rank)] == [25, 10, 5, 5, 5]


def test_what_answers_people_counts_although_it_never_asks() -> None:
    budget = Budget(ticks=Time())
    for _ in range(40):
        budget.spent("W", METHOD)
    assert budget.take("W", METHOD, Rank.ALERT) > 0
    assert budget.take("W", METHOD, Rank.STATE) == 0
    assert budget.take("another", METHOD, Rank.PROGRESS) == 0


def test_never_more_than_slack_allows_in_any_minute_and_all_of_it_used() -> None:
    time = Time()
    budget, calls = Budget(ticks=time), []
    while time.now < 1600:
        wait = budget.take("W", METHOD, Rank.STATE)
        calls += [] if wait else [time.now]
        time.now += wait or 0.01
    assert max(sum(1 for c in calls if begin <= c < begin + 60) for begin in calls) <= PER_MINUTE[METHOD]
    assert len(calls) >= 9 * 45


def test_where_slack_says_too_many_nobody_but_people_calls_until_the_time_is_over() -> None:
    time = Time()
    budget = Budget(ticks=time)
    handler = Counted(budget, counts=False)
    request = HttpRequest(
        method="POST", url="https://slack.com/api/chat.update", headers={"Authorization": "Bearer xoxb-1"}, body_params={}
    )
    refused = HttpResponse(status_code=429, headers={"Retry-After": ["30"]}, body={}, data=b"")
    assert not handler.can_retry(state=RetryState(), request=request, response=refused)
    workspace = workspace_of("xoxb-1")
    assert budget.take(workspace, METHOD, Rank.STATE) == 30
    assert budget.take(workspace, METHOD, Rank.ANSWER) == 0
    time.now += 31
    assert budget.take(workspace, METHOD, Rank.STATE) == 0
    assert budget.tally[f"429 {METHOD}"] == 1


def test_an_answer_waits_a_second_for_slack_but_not_a_minute() -> None:
    request = HttpRequest(method="POST", url="https://slack.com/api/views.open", headers={}, body_params={})
    handler = Counted(Budget(ticks=Time()), counts=True)
    for seconds, again in (("1", True), ("60", False)):
        refused = HttpResponse(status_code=429, headers={"Retry-After": [seconds]}, body={}, data=b"")
        assert handler.can_retry(state=RetryState(), request=request, response=refused) is again
