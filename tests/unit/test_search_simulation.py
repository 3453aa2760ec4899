"""A thousand pretend publishers (`search_world.py`): what the planner needs to find what they hid. Nobody makes it
worse unseen."""

from __future__ import annotations

from tests.unit.search_world import run


def test_it_finds_what_a_thousand_publishers_hid() -> None:
    counts, failed = [], []
    for seed in range(1000):
        one, found = run(seed)
        names = [item.name for item in one.hidden.artifacts]
        if len(found.equal) == len(names):
            counts.append(len(found.trials))
        else:
            failed.append(seed)
    counts.sort()
    mean, p90, p99 = sum(counts) / len(counts), counts[900], counts[990]
    told = f"mean {mean:.2f}, p90 {p90}, p99 {p99}, most {counts[-1]}"
    print(told)
    assert not failed, failed[:20]
    assert mean < 5, told
    assert p90 <= 8, told
    assert p99 <= 11, told


def test_six_rebuilds_find_most_publishers_that_hid_three_settings_or_fewer() -> None:
    found = []
    for seed in range(300):
        one, came = run(seed, budget=6)
        if one.settings <= 3:
            found.append(len(came.equal) == len(one.hidden.artifacts))
    assert sum(found) / len(found) > 0.85, sum(found) / len(found)


def test_the_same_world_is_searched_the_same_way() -> None:
    for seed in (3, 41, 395):
        first, second = (run(seed)[1] for _ in range(2))
        assert first == second
        assert len({one.recipe_sha256 for one in first.trials}) == len(first.trials)
